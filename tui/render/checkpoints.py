"""Rows of the checkpoint table: as many columns as the width has room for, trouble in words."""

from __future__ import annotations

from rich.cells import cell_len

from runner.history.checkpoint_columns import Column, screen_columns
from tui.render import glyphs
from tui.render.paint import Row, Span, cell, ramp_role, row_width
from tui.render.tables import MARKS
from tui.text import crop, crop_parts
from tui.viewmodel.checkpoints import CheckpointRow

#: widths from which on words have their place further right
NARROW, COMPACT, ROOMY = 46, 72, 100
MARK_WIDTH = 3


def checkpoint_head(width: int) -> Row:
    heads = [_head(column) for column in screen_columns(width)]
    return (Span(" " * MARK_WIDTH), *heads, Span("  age", "dim"))


def _head(column: Column) -> Span:
    if column.mark:
        return Span(_middle(column.name, column.width), "dim")
    return cell(column.name, column.width, "dim", "right")


def _middle(text: str, width: int) -> str:
    """Centred, but two cells from what stands left of it."""
    return "  " + text.center(width - 2)


def checkpoint_row(row: CheckpointRow, width: int, fraction: float, selected: bool = False) -> Row:
    """One file; what is not there stays dim. `fraction`: its place in the run, for its colour. Age, with all
    that is said in words, takes what the columns leave."""
    said = _trouble(row) or (_words(row, width), _role(row))
    columns = screen_columns(width)
    if _trouble(row) or row.source is None:
        columns = _with_room(columns, width, cell_len(said[0]), row.source is None)
    shape, tint = _shape(row, fraction)
    mark = cell(f" {shape}", MARK_WIDTH, tint)
    if selected:
        mark = Span(glyphs.CURSOR + mark.text[1:], "accent")
    spans = [mark, *(_cell(row, column) for column in columns)]
    rest = width - row_width(tuple(spans)) - 2
    cut = crop(said[0], rest) if row.problem or row.remark else crop_parts(said[0], rest)
    return (*spans, Span("  " + cut, said[1]))


def _with_room(
    columns: tuple[Column, ...], width: int, wanted: int, bare: bool
) -> tuple[Column, ...]:
    """Words that must be read are told in full as far as can be: columns give way from the right, and
    such words begin below each other, if they are not too long for that. `bare`: nothing is written,
    so that all but the first columns are empty."""
    kept = [*columns]
    while kept[-1].name != _last_column(width, bare):
        kept.pop()
    while len(kept) > 1 and width - MARK_WIDTH - sum(c.width for c in kept) - 2 < wanted:
        kept.pop()
    return tuple(kept)


def _last_column(width: int, bare: bool) -> str:
    """Behind which one the words begin."""
    if width < NARROW:
        return "step"
    if width < COMPACT:
        return "size"
    if width < ROOMY:
        return "state" if bare else "whole"
    return "change"


def _cell(row: CheckpointRow, column: Column) -> Span:
    text = row.cells.get(column.name, "")
    if column.mark:
        sign, role = MARKS.get(text, MARKS["unknown"])
        if row.kind not in ("written", "expected", "missing"):
            role = "dim"
        return Span(_middle(sign, column.width), role)
    if text == "unknown":
        text = "?"
    return cell(text, column.width, "dim" if row.kind == "gone" else _role(row), "right")


def _shape(row: CheckpointRow, fraction: float) -> tuple[str, str]:
    if row.kind == "written":
        return (glyphs.NO, "bad") if row.problem else (glyphs.WRITTEN, ramp_role(fraction))
    return {
        "expected": (glyphs.EXPECTED, "dim"),
        "missing": (glyphs.WARN, "warn"),
        "gone": (glyphs.NO, "bad"),
    }.get(row.kind, (glyphs.SKIP, "dim"))


def _role(row: CheckpointRow) -> str:
    return {"written": "text", "missing": "warn", "gone": "bad"}.get(row.kind, "dim")


def _trouble(row: CheckpointRow) -> tuple[str, str] | None:
    """What must be read, and its role."""
    if row.problem:
        return row.problem, "bad"
    if row.remark:
        return row.remark, "warn"
    return (row.age, "dim") if row.kind == "impossible" else None


def _words(row: CheckpointRow, width: int) -> str:
    """Where room is scarce, that a file will be deleted is worth more than its age."""
    final = "final" if row.final else ""
    said = [row.age, row.fate, final] if width >= ROOMY else [row.until, row.age, row.fate, final]
    return ", ".join(text for text in said if text)
