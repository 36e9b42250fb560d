"""Rows of the preflight. Checkpoints, gauges and runs have files of their own."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import Row, Span, cell
from tui.text import crop
from tui.viewmodel.preflight import PreflightRow

MARKS = {
    "yes": (glyphs.YES, "good"),
    "no": (glyphs.NO, "bad"),
    "unknown": (glyphs.UNKNOWN, "dim"),
    "none": (glyphs.SKIP, "faint"),
    "warn": (glyphs.WARN, "warn"),
    "skip": (glyphs.SKIP, "dim"),
    "running": (glyphs.WAITING, "accent"),
    "": (" ", "dim"),
}


# --------------------------------------------------------------------------- preflight


def preflight_row(row: PreflightRow, width: int, title_width: int) -> Row:
    """`title_width`: of the longest title; the evidence gets at least half of the row."""
    shape, _ = MARKS[row.mark]
    size = min(title_width, max(8, width // 2 - 3))
    evidence = "dim" if row.role in ("good", "dim") else row.role
    return (
        Span(f" {shape} ", row.role),
        cell(row.title, size),
        Span("  " if width > 40 else " "),
        Span(crop(row.evidence, max(0, width - size - (6 if width > 40 else 5))), evidence),
    )
