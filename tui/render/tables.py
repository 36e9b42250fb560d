"""Rows of the panels that are tables: preflight, runs. Checkpoints and gauges have files of their own."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import Row, Span, cell, pad
from tui.text import crop
from tui.viewmodel.preflight import PreflightRow
from tui.viewmodel.runs import RunRow

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


# --------------------------------------------------------------------------- runs

_RUN_COLUMNS = (("took", 12), ("files", 9), ("loss", 9), ("steps", 13), ("state", 18), ("age", 14))


def run_columns(width: int) -> dict[str, int]:
    """Columns beside the name, in the order of their worth, as long as 20 cells stay for the name."""
    left = width - 3 - 20
    chosen: dict[str, int] = {}
    for name in ("state", "age", "steps", "loss", "files", "took"):
        size = dict(_RUN_COLUMNS)[name]
        if size <= left:
            chosen[name] = size
            left -= size
    return chosen


def run_row(row: RunRow, width: int, selected: bool) -> Row:
    columns = run_columns(width)
    name = width - 3 - sum(columns.values())
    spans = [
        Span(f" {glyphs.CURSOR}" if selected else "  ", "accent"),
        cell(row.name, name, "strong" if selected else "text"),
        Span(" "),
    ]
    texts = {
        "steps": (row.steps, "text"),
        "loss": (row.loss, "text"),
        "files": (row.checkpoints, "dim"),
        "took": (row.took, "dim"),
        "age": (row.age, "dim"),
    }
    for key in ("state", "steps", "loss", "files", "took", "age"):
        if key not in columns:
            continue
        if key == "state":
            spans.append(cell(f"{row.state.shape} {row.state.word}", columns[key], row.state.role))
        else:
            text, role = texts[key]
            spans.append(cell(text, columns[key] - 2, role, "right"))
            spans.append(Span("  "))
    return pad(tuple(spans), width)


def run_head(width: int) -> Row:
    columns = run_columns(width)
    spans = [Span("   "), cell("run", width - 3 - sum(columns.values()), "dim")]
    for key in ("state", "steps", "loss", "files", "took", "age"):
        if key in columns:
            align = "left" if key == "state" else "right"
            size = columns[key] if key == "state" else columns[key] - 2
            spans.append(cell(key, size, "dim", align))
            if key != "state":
                spans.append(Span("  "))
    return tuple(spans)
