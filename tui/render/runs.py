"""Rows of the list of runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rich.cells import cell_len

from runner.model.units import count
from tui.render import glyphs
from tui.render.paint import Row, Span, cell, pad
from tui.render.spark import SAMPLES_A_CELL, spark
from tui.text import crop, crop_start
from tui.viewmodel.run_board import Head
from tui.viewmodel.runs import RunRow

#: cells before the name: mark, cursor
LEAD = 3
#: what the name gets at least, from `NARROW` on and below, and what it needs to have its kind beside it
NAME, NAME_NARROW, NARROW, NAME_BESIDE_KIND = 20, 14, 70, 12
GAP = 2
DOWN, UP = "↓", "↑"


class Column(NamedTuple):
    """`size` holds the gap that follows; `sort`: the order that this column shows."""

    name: str
    size: int
    role: str
    right: bool
    sort: str


#: as they stand beside each other
_COLUMNS = (
    Column("state", 18, "text", False, "outcome"),
    Column("steps", 13, "text", True, "steps"),
    Column("loss", 9, "text", True, "loss"),
    Column("curve", 12, "text", False, ""),
    Column("files", 10, "dim", True, ""),
    Column("took", 13, "dim", True, "took"),
    Column("age", 12, "dim", True, "when"),
    Column("id", 6, "dim", False, ""),
    Column("device", 8, "dim", False, ""),
    Column("tags", 18, "accent", False, ""),
    Column("note", 40, "dim", False, ""),
    Column("project", 28, "dim", False, ""),
)
#: the outcome stays in the narrowest terminal
_WORTH = ("state", "loss", "curve", "age", "steps", "id", "tags", "files", "took", "note", "device",
          "project")  # fmt: skip
EVERY = frozenset(_WORTH)
_TITLES = {"age": "when", "curve": "loss curve"}


def run_columns(width: int, wanted: Collection[str] = EVERY) -> tuple[Column, ...]:
    """The most worthy columns beside the name, as long as enough cells stay for it."""
    left = width - LEAD - (NAME if width >= NARROW else NAME_NARROW)
    chosen: set[str] = set()
    by_name = {column.name: column for column in _COLUMNS}
    for name in _WORTH:
        if name not in wanted or by_name[name].size > left:
            continue
        chosen.add(name)
        left -= by_name[name].size
    return tuple(column for column in _COLUMNS if column.name in chosen)


def run_row(
    row: RunRow, width: int, columns: tuple[Column, ...], *, selected: bool, marked: bool
) -> Row:
    name = width - LEAD - sum(column.size for column in columns)
    spans = [
        Span(glyphs.WRITTEN if marked else " ", "accent"),
        Span(glyphs.CURSOR if selected else " ", "accent"),
        *_name(row, name, "strong" if selected or marked else "text"),
        Span(" "),
    ]
    for column in columns:
        if column.name == "curve":
            spans += [*_curve(row, column.size - GAP), Span(" " * GAP)]
            continue
        if column.name == "state":
            text, role = f"{row.state.shape} {row.state.word}{_percent(row)}", row.state.role
        else:
            text, role = getattr(row, column.name), column.role
            if column.name == "project":
                text = crop_start(text, column.size - GAP)
        spans += _cell(column, text, role)
    return pad(tuple(spans), width)


def _name(row: RunRow, width: int, role: str) -> list[Span]:
    """The name, and its kind at the right end where both can be read."""
    size = cell_len(row.kind) + 1
    if not row.kind or width - size < NAME_BESIDE_KIND:
        return [cell(row.name, width, role)]
    return [cell(row.name, width - size, role), Span(f" {row.kind}", "dim")]


def _percent(row: RunRow) -> str:
    """Of a live run: how far it is."""
    return f" {int(row.progress * 100)} %" if row.live and row.progress is not None else ""


def _curve(row: RunRow, width: int) -> Row:
    """The loss over the trained part of the planned steps, and a rail for the rest."""
    points = row.curve.points if row.curve is not None else ()
    done = width if row.progress is None else max(1, int(row.progress * width))
    if not points:
        return (Span(" " * width),)
    room = done * SAMPLES_A_CELL
    fitted = [points[i * len(points) // room] for i in range(room)]
    return (*spark(fitted, done), Span(glyphs.BAR_REST * (width - done), "faint"))


def _cell(column: Column, text: str, role: str) -> tuple[Span, Span]:
    align = "right" if column.right else "left"
    return (cell(text, column.size - GAP, role, align), Span(" " * GAP))


def run_head(width: int, columns: tuple[Column, ...], sort: str, down: bool) -> Row:
    """The names of the columns; an arrow at the one that orders the rows."""
    arrow = DOWN if down else UP
    name = width - LEAD - sum(column.size for column in columns)
    by_name = sort == "name"
    spans = [
        Span(" " * (LEAD - 1)),
        cell(f"run {arrow}" if by_name else "run", name, "accent" if by_name else "dim"),
        Span(" "),
    ]
    for column in columns:
        sorts = column.sort == sort
        text = _TITLES.get(column.name, column.name)
        spans += _cell(column, f"{text} {arrow}" if sorts else text, "accent" if sorts else "dim")
    return tuple(spans)


def group_head(head: Head, width: int) -> Row:
    """A rule with the project in it; the end of a path says more than its start."""
    counts = f" {count(head.runs, 'run')}{f', {head.live} live' if head.live else ''} "
    title = crop_start(head.title, max(4, width - len(counts) - 6))
    rest = width - cell_len(title) - 4 - len(counts)
    return (
        Span(f"{glyphs.RULE} ", "faint"),
        Span(title, "title"),
        Span(" "),
        Span(glyphs.RULE * max(0, rest), "faint"),
        Span(crop(counts, max(0, width - 4)), "dim"),
        Span(glyphs.RULE, "faint"),
    )
