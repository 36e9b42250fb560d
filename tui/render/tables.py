"""Rows of the panels that are tables: preflight, gauges, runs. Checkpoints have a file of their own."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.gauge import ramp_bar
from tui.render.paint import Row, Span, cell, pad
from tui.render.spark import spark
from tui.text import crop, crop_parts
from tui.viewmodel.gauges import Gauge
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


# --------------------------------------------------------------------------- gauges

LABEL, VALUE = 9, 8
BAR_LEVELS = 8


def gauge_rows(gauge: Gauge, width: int, stale: bool) -> list[Row]:
    """One row, or two where the reason for a missing value needs the room."""
    if gauge.known:
        return [_gauge_row(gauge, width, stale)]
    label = Span(" " + cell(gauge.label, LABEL - 1).text)
    room = width - LABEL - 1
    if not gauge.note:
        return [(label, Span(crop(gauge.value, room), "dim"))]
    whole = f"{gauge.value}: {gauge.note}"
    if len(whole) <= room:
        return [(label, Span(whole, "dim"))]
    reason = (Span(" " * LABEL), Span(crop(gauge.note, room), "dim"))
    return [(label, Span(crop(gauge.value, room), "dim")), reason]


def _gauge_row(gauge: Gauge, width: int, stale: bool) -> Row:
    """Label, value, bar, note. The number stands before the bar: it changes more often, and a row
    is sent again from its left end up to what changed."""
    label = Span(" " + cell(gauge.label, LABEL - 1).text, "dim" if stale else "text")
    role = "dim" if stale else "strong"
    value = cell(gauge.value, VALUE, role, "right")
    note_width = 0 if width < 38 else 19 if width >= 54 else 12
    bar_width = width - LABEL - VALUE - 2 - note_width - 1
    if gauge.fraction is None or bar_width < 4:
        # no whole to be a part of, or no room: words in the place of the bar
        return (label, value, Span(crop(f" {gauge.note}", width - LABEL - VALUE), "dim"))
    bar = ramp_bar(gauge.fraction, bar_width, BAR_LEVELS)
    if stale:
        bar = tuple(Span(span.text, "faint") for span in bar)
    note = Span("  " + crop_parts(gauge.note, note_width - 2), "dim")
    return (
        (label, value, Span("  "), *bar, note) if note_width else (label, value, Span("  "), *bar)
    )


def spark_row(gauge: Gauge, width: int) -> Row:
    """The last minutes of a gauge: one cell a sample."""
    return (
        Span(" " + cell(gauge.label, LABEL - 1).text, "dim"),
        *spark(gauge.history, max(0, width - LABEL - 1)),
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
