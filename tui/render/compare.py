"""Tables of several runs: a column a run, its name above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from runner.history.compare import Comparison
from runner.history.compare_lines import Line
from tui.render import glyphs
from tui.render.paint import Row, Span, cell
from tui.text import crop, crop_start, wrap
from tui.viewmodel.compare import (
    Head,
    Look,
    Table,
    TableRow,
    cursor_x,
    line_role,
    place_words,
    value_words,
)

NAME_CELLS = 30
LEAST_CELLS, MOST_CELLS = 14, 44


@dataclass(frozen=True, slots=True)
class Columns:
    """`name`: cells of the first column; `size`: of each of the others; `first`, `last`: the runs shown."""

    name: int
    size: int
    first: int
    last: int


def columns_of(table: Table, width: int, before: int = 0) -> Columns:
    """As many runs as fit, the chosen one among them; `before`: the first run that was shown."""
    runs = len(table.heads)
    longest = max((cell_len(row.name) for row in table.rows if not row.words), default=8)
    name = max(8, min(longest, NAME_CELLS, width // 3))
    room = width - name - 2
    across = max(1, min(runs, room // (LEAST_CELLS + 1)))
    size = max(1, min(MOST_CELLS, room // across - 1))
    chosen = next((i for i, head in enumerate(table.heads) if head.chosen), 0)
    first = min(max(before, chosen - across + 1), chosen, max(0, runs - across))
    return Columns(name, size, max(0, first), min(runs, max(0, first) + across))


def head_row(table: Table, columns: Columns, width: int) -> Row:
    """Letter and name of each run, in the colour of its line; a mark before the chosen one."""
    more = f"{columns.first + 1}-{columns.last} of {len(table.heads)}"
    whole = columns.last - columns.first == len(table.heads)
    spans = [Span(" "), cell("" if whole else more, columns.name, "dim"), Span(" ")]
    for head in table.heads[columns.first : columns.last]:
        spans += _head(head, columns.size)
    return tuple(spans)


def _head(head: Head, size: int) -> list[Span]:
    mark = glyphs.CURSOR if head.chosen else " "
    role = "faint" if head.hidden else head.line_role
    rest = size - 4
    name = crop("hidden" if head.hidden else head.name, max(0, rest))
    return [
        Span(mark, "accent"),
        Span(head.letter, role),
        Span(" "),
        Span(head.shape, head.role),
        Span(" " if rest > 0 else ""),
        Span(name + " " * max(0, rest - cell_len(name)), "strong" if head.chosen else "text"),
    ]


def table_rows(table: Table, columns: Columns, width: int) -> list[Row]:
    rows: list[Row] = []
    for row in table.rows:
        if row.words:
            lines = wrap(row.words, max(8, width - 2), "  ")
            rows += [(Span(" "), Span(line, row.role)) for line in lines]
        else:
            rows.append(_values(row, columns))
    return rows


def _values(row: TableRow, columns: Columns) -> Row:
    quiet = "dim" if row.same else row.role
    mark = Span(glyphs.WRITTEN if row.marked else " ", "accent")
    spans = [mark, cell(row.name, columns.name, "accent" if row.role == "accent" else "dim")]
    spans.append(Span(" "))
    for index in range(columns.first, min(columns.last, len(row.values))):
        text = row.values[index]
        ahead = row.strong == index
        shape = f" {glyphs.WRITTEN}" if ahead else ""
        shown = fitted(text, max(1, columns.size - 1 - len(shape))) + shape
        spans.append(Span(" "))
        spans.append(cell(shown, columns.size, "good" if ahead else quiet))
    return tuple(spans)


def fitted(text: str, width: int) -> str:
    """A path is told by its end, everything else by its beginning."""
    if cell_len(text) <= width:
        return text
    return crop_start(text, width) if text.startswith("/") else crop(text, width)


def place_rows(made: Comparison, lines: Sequence[Line], look: Look) -> tuple[Row, ...]:
    """Where the cursor is: with the values of all runs, and, where those do not fit, alone."""
    x = cursor_x(made, lines, look)
    where = Span(place_words(look.axis, x), "accent")
    row = [where]
    for index, (run, line) in enumerate(zip(made.runs, lines, strict=True)):
        if index not in look.hidden:
            value = value_words(line, x, run.live)
            row += [
                Span("  "),
                Span(run.letter, line_role(index, len(made.runs))),
                Span(f" {value}"),
            ]
    return (tuple(row), (where,))


def state_row(made: Comparison | None) -> Row:
    """Is it read, and does one of them go on?"""
    if made is None:
        return (Span("reading the runs ", "dim"),)
    if made.read_fraction < 1:
        return (Span(f"reading, {made.read_fraction * 100:.0f} % ", "accent"),)
    live = [run.letter for run in made.runs if run.live]
    if not live:
        return ()
    return (Span(f"{', '.join(live)} still train{'s' if len(live) == 1 else ''} ", "good"),)
