"""Results and settings of several runs: a column for each run, its name above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len

from runner.history.compare import setting_words
from runner.history.compare_results import checkpoint_words, result_rows
from runner.model.units import count
from tui.kit import glyphs
from tui.kit.paint import Row, Span, cell, first_shown
from tui.kit.panel import ScrollingPanel
from tui.panels.compare_chart import Overlay
from tui.text import clean, crop, crop_start, cut_middle, wrap
from tui.words.state import label_of


@dataclass(frozen=True, slots=True)
class TableRow:
    """`lead`: index of the best value; `same`: no value differs, so the row is quiet; `marked`: some do,
    among rows that are the same. `words`: a sentence instead of values."""

    name: str = ""
    values: tuple[str, ...] = ()
    lead: int | None = None
    same: bool = False
    marked: bool = False
    words: str = ""
    role: str = "text"


def results(overlay: Overlay) -> list[TableRow]:
    """The values at the cursor, notes before comparing, then the results that differ, or all."""
    made, everything = overlay.made, overlay.everything
    values = tuple(overlay.value(i) for i in range(len(made.runs)))
    rows = [TableRow(f"at {overlay.place}", values, role="accent")]
    rows += [TableRow(words=clean(text, 400), role="warn") for text in made.remarks]
    found = [(row, len(set(row.values)) == 1) for row in result_rows(made)]
    for row, same in found:
        if everything or not same:
            texts = tuple(clean(value, 60) for value in row.values)
            rows.append(TableRow(row.name, texts, row.lead, same))
    equal = sum(same for _, same in found)
    if equal and not everything:
        rows.append(TableRow(words=f"{count(equal, 'more result')} equal in all runs", role="dim"))
    best = (words for run in made.runs if (words := checkpoint_words(run)))
    return rows + [TableRow(words=clean(f"best {words}", 300), role="dim") for words in best]


def settings(overlay: Overlay) -> list[TableRow]:
    made, everything = overlay.made, overlay.everything
    rows = []
    for row in made.settings if everything else made.differing:
        values = tuple(clean(value, 200) for value in setting_words(row))
        marked = row.differs and everything
        rows.append(TableRow(clean(row.name, 60), values, same=not row.differs, marked=marked))
    none = "no setting differs" if made.settings else "settings unknown"
    return rows or [TableRow(words=none, role="dim")]


NAME_CELLS = 30
LEAST_CELLS, MOST_CELLS = 14, 44


class Columns(NamedTuple):
    """`name`: cells of the first column; `size`: of each of the others; `first`, `last`: the runs shown."""

    name: int
    size: int
    first: int
    last: int


def columns_of(overlay: Overlay, rows: Sequence[TableRow], width: int, before: int = 0) -> Columns:
    """As many runs as fit, the chosen one among them; `before`: the first run that was shown."""
    runs, chosen = len(overlay.made.runs), overlay.chosen
    longest = max((cell_len(row.name) for row in rows if not row.words), default=8)
    name = max(8, min(longest, NAME_CELLS, width // 3))
    room = width - name - 2
    across = max(1, min(runs, room // (LEAST_CELLS + 1)))
    size = max(1, min(MOST_CELLS, room // across - 1))
    first = first_shown(before, chosen, across, runs)
    return Columns(name, size, first, min(runs, first + across))


def head_row(overlay: Overlay, columns: Columns) -> Row:
    """Letter, state and name of each run; a mark before the chosen one."""
    name, size, first, last = columns
    runs = overlay.made.runs
    part = f"{first + 1}-{last} of {len(runs)}" if last - first < len(runs) else ""
    spans = [Span(" "), cell(part, name, "dim"), Span(" ")]
    room = max(0, size - 4)
    names = [clean(run.name, 80) for run in runs]
    # those of a sweep begin alike
    cut = crop if len({crop(one, room) for one in names}) == len(set(names)) else cut_middle
    for i, run in enumerate(runs[first:last], first):
        state, chosen = label_of(run.state, run.outcome), i == overlay.chosen
        hidden = i in overlay.hidden
        title = "hidden" if hidden else cut(names[i], room)
        spans += [
            Span(glyphs.CURSOR if chosen else " ", "accent"),
            Span(run.letter, "faint" if hidden else overlay.role(i)),
            Span(f" {state.shape} ", state.role),
            cell(title, room, "strong" if chosen else "text"),
        ]
    return tuple(spans)


def table_rows(rows: Sequence[TableRow], columns: Columns, width: int) -> list[Row]:
    name, size, first, last = columns
    found: list[Row] = []
    for row in rows:
        if row.words:
            lines = wrap(row.words, max(8, width - 2), "  ")
            found += [(Span(" "), Span(line, row.role)) for line in lines]
            continue
        head = cell(row.name, name, "accent" if row.role == "accent" else "dim")
        spans = [Span(glyphs.WRITTEN if row.marked else " ", "accent"), head, Span(" ")]
        for i, value in enumerate(row.values[first:last], first):
            shape = f" {glyphs.WRITTEN}" if row.lead == i else ""
            role = "good" if shape else "dim" if row.same else row.role
            text = fitted(value, max(1, size - 1 - len(shape))) + shape
            spans += [Span(" "), cell(text, size, role)]
        found.append(tuple(spans))
    return found


def fitted(text: str, width: int) -> str:
    """Of a path its end, of everything else its beginning."""
    if cell_len(text) <= width:
        return text
    return crop_start(text, width) if text.startswith("/") else crop(text, width)


class ComparePanel(ScrollingPanel):
    """A table with a column for each run."""

    FOLLOWS = False

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.TITLE = title
        self._overlay, self._table, self._words = Overlay(), list[TableRow](), ""
        self._first = 0

    def show(self, overlay: Overlay, table: list[TableRow], words: str = "") -> None:
        self._overlay, self._table, self._words = overlay, table, words
        self.repaint()

    def note(self) -> Row:
        return (Span(self._words, "dim"),) if self._words else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        if not self._table or height < 1:
            return ()
        columns = columns_of(self._overlay, self._table, width, self._first)
        self._first = columns.first
        rows, body = table_rows(self._table, columns, width), max(1, height - 1)
        top = self.window(len(rows), body, 0)
        shown = rows[top : top + body]
        if top + body < len(rows) and shown and body > 2:
            shown[-1] = (Span(f"   … {len(rows) - top - body + 1} more, down shows them", "dim"),)
        return (head_row(self._overlay, columns), *shown)
