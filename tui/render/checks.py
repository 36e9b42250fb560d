"""Rows of the preflight checklist: a line a check, and what there is to say about one."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span
from tui.render.tables import preflight_row
from tui.text import crop, wrap
from tui.viewmodel.preflight import PreflightRow

#: where details begin, under the title
INDENT = 3


def check_row(row: PreflightRow, width: int, title_width: int, selected: bool) -> Row:
    """One line; the cursor takes the blank in front of the mark."""
    made = preflight_row(row, width, title_width)
    if not selected:
        return made
    first, *rest = made
    return (Span(glyphs.CURSOR, "accent"), Span(first.text[1:], first.role), *rest)


def detail_rows(row: PreflightRow, width: int, indent: int = INDENT) -> list[Row]:
    """The whole sentence, what can be done about it, and whether a key does it."""
    room = max(8, width - indent - 1)
    lines = [(line, "text") for line in wrap(row.detail, room)] if row.detail else []
    if row.advice:
        lines += [(line, "accent") for line in wrap(f"Cure: {row.advice}", room, "  ")]
    if row.fix:
        lines += [(line, "key") for line in wrap("f shows what the cure would do", room)]
    return [(Span(" " * indent), Span(text, role)) for text, role in lines]


def block_rows(row: PreflightRow, width: int, title_width: int, selected: bool) -> list[Row]:
    """A check with all its details; one that only says again what its line says stays a line."""
    head = check_row(row, width, title_width, selected)
    if row.detail == row.evidence and not row.advice:
        return [head]
    return [head, *detail_rows(row, width, INDENT + 2)]


def area_rows(row: PreflightRow, width: int, height: int) -> list[Row]:
    """The selected check under the list, in at most `height` rows with the rule above it."""
    title = f" {crop(row.title, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    rows += detail_rows(row, width, 1)
    if len(rows) > height:
        rows = rows[: max(0, height)]
        if rows:
            rows[-1] = (Span(" … z shows all of it", "dim"),)
    return rows or [EMPTY]
