"""Rows of what a configuration would start."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render.checks import check_row, detail_rows
from tui.render.paint import EMPTY, Row, Span, cell
from tui.text import crop, wrap
from tui.viewmodel.plan_board import PlanBoard, PlanLine, PlanPart

LABEL = 9
#: the sources stand beside their numbers from this width on
WIDE = 60


def board_rows(board: PlanBoard, width: int, details: bool) -> list[Row]:
    """All rows. `details`: with the source of every number and the whole verdict."""
    rows: list[Row] = []
    for part in board.parts:
        if rows:
            rows.append(EMPTY)
        rows += _part_rows(part, width, details)
    return rows


def _part_rows(part: PlanPart, width: int, details: bool) -> list[Row]:
    rows: list[Row] = []
    if part.title:
        rows.append((Span(f" {crop(part.title, width - 2)}", "title"),))
    for line in part.lines:
        rows += _number_rows(line, width, details) if line.label else _sentence(line, width)
    longest = max((cell_len(row.title) for row in part.checks), default=0)
    for check in part.checks:
        rows.append(check_row(check, width, longest, False))
        if details or check.role == "bad":
            rows += detail_rows(check, width) if check.detail != check.evidence else []
    return rows


def _number_rows(line: PlanLine, width: int, details: bool) -> list[Row]:
    """The source beside the number where there is room, under it where there is time for it."""
    value = crop(line.value, width - LABEL - 2)
    head: Row = (cell(f" {line.label}", LABEL + 1, "dim"), Span(value, line.role))
    room = width - LABEL - 2 - cell_len(value) - 2
    if not line.note:
        return [head]
    if cell_len(line.note) <= room or (width >= WIDE and not details and room > 20):
        return [(*head, Span("  " + crop(line.note, room), "dim"))]
    if not details:
        return [(*head, Span("  " + crop(line.note, room), "dim"))] if room > 12 else [head]
    indent = " " * (LABEL + 1)
    under = wrap(line.note, width - LABEL - 2)
    return [head, *((Span(indent), Span(text, "dim")) for text in under)]


def _sentence(line: PlanLine, width: int) -> list[Row]:
    return [(Span(" "), Span(text, line.role)) for text in wrap(line.value, width - 2)]
