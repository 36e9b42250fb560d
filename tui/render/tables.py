"""Rows of the panels that are tables: checkpoints, preflight, gauges, runs."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.gauge import ramp_bar
from tui.render.paint import Row, Span, cell, pad, ramp_role
from tui.render.spark import spark
from tui.text import crop
from tui.viewmodel.checkpoints import CheckpointRow
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
    "": (" ", "dim"),
}


def mark_span(name: str, width: int) -> Span:
    """A mark in the middle of its column."""
    shape, role = MARKS.get(name, MARKS["unknown"])
    return Span(shape.center(width), role)


# --------------------------------------------------------------------------- checkpoints


def checkpoint_columns(width: int) -> tuple[str, ...]:
    """Which columns there is room for, left to right."""
    if width >= 66:
        return ("mark", "step", "epoch", "size", "loss", "complete", "finite", "state", "age")
    if width >= 46:
        return ("mark", "step", "size", "loss", "ok", "state", "age")
    return ("mark", "step", "size", "ok", "age")


_WIDTHS = {
    "mark": 2,
    "step": 6,
    "epoch": 6,
    "size": 9,
    "loss": 8,
    "complete": 9,
    "finite": 7,
    "ok": 3,
    "state": 6,
    "age": 12,
}
_RIGHT = {"step", "epoch", "size", "loss"}


def checkpoint_head(width: int) -> Row:
    spans = [Span(" ")]
    for name in checkpoint_columns(width):
        size = _WIDTHS[name]
        text = "" if name == "mark" else name
        align = "right" if name in _RIGHT else "left"
        if name in ("complete", "finite", "ok", "state"):
            spans.append(Span(text.center(size), "dim"))
        elif name == "age":
            spans.append(cell("  " + text, size, "dim"))
        else:
            spans.append(cell(text, size, "dim", align))
    return tuple(spans)


def checkpoint_row(row: CheckpointRow, width: int, fraction: float) -> Row:
    """One file; what is not written yet stays dim. `fraction`: its place in the run, for its colour."""
    written = row.kind == "written"
    role = "text" if written else "warn" if row.kind == "missing" else "dim"
    shapes = {
        "written": (glyphs.WRITTEN, ramp_role(fraction)),
        "expected": (glyphs.EXPECTED, "dim"),
        "missing": (glyphs.WARN, "warn"),
        "removed": (glyphs.SKIP, "dim"),
    }
    texts = {"step": _step(row), "epoch": row.epoch, "size": row.size, "loss": row.loss}
    spans = [Span(" ")]
    for name in checkpoint_columns(width):
        size = _WIDTHS[name]
        if name == "mark":
            shape, tint = shapes[row.kind]
            spans.append(cell(shape, size, tint))
        elif name in ("complete", "finite", "state"):
            spans.append(mark_span(getattr(row, name), size))
        elif name == "ok":
            spans.append(mark_span(_both(row), size))
        elif name == "age":
            rest = width - sum(len(s.text) for s in spans) - 2
            spans.append(Span("  " + crop(_age(row), max(size - 2, rest)), role))
        else:
            spans.append(cell(texts[name], size, role, "right"))
    return tuple(spans)


def _step(row: CheckpointRow) -> str:
    return str(row.step) if row.step is not None else "?"


def _age(row: CheckpointRow) -> str:
    if row.problem:
        return f"{row.age}, {row.problem}"
    return f"{row.age}, final" if row.final and row.age else "final" if row.final else row.age


def _both(row: CheckpointRow) -> str:
    if row.complete == "" or row.finite == "":
        return ""
    if "no" in (row.complete, row.finite):
        return "no"
    return "yes" if row.complete == row.finite == "yes" else "unknown"


# --------------------------------------------------------------------------- preflight


def preflight_row(row: PreflightRow, width: int) -> Row:
    shape, _ = MARKS[row.mark]
    size = max(9, min(14, width // 3))
    evidence = "dim" if row.role in ("good", "dim") else row.role
    return (
        Span(f" {shape} ", row.role),
        cell(row.title, size, "text"),
        Span(" "),
        Span(crop(row.evidence, max(0, width - size - 5)), evidence),
    )


# --------------------------------------------------------------------------- gauges

LABEL = 9


def gauge_row(gauge: Gauge, width: int, stale: bool) -> Row:
    """Label, bar, value and note; an unmeasured value says so and why."""
    label = Span(" " + cell(gauge.label, LABEL - 1).text, "dim" if stale else "text")
    if not gauge.known:
        why = f": {gauge.note}" if gauge.note else ""
        return (label, Span(crop(gauge.value + why, width - LABEL - 1), "dim"))
    value, note = _value_widths(width)
    bar_width = max(4, width - LABEL - value - note - 1)
    if gauge.fraction is None:
        bar: Row = (Span(" " * bar_width),)
    else:
        bar = ramp_bar(gauge.fraction, bar_width)
    if stale:
        bar = tuple(Span(span.text, "faint") for span in bar)
    spans: list[Span] = [label, *bar, cell(" " + gauge.value, value, "dim" if stale else "strong")]
    if note:
        spans.append(cell(gauge.note, note, "dim"))
    elif gauge.fraction is None and gauge.note:
        spans[1] = cell("", bar_width - len(gauge.note))
        spans.append(Span(gauge.note, "dim"))
        spans = [label, cell(f"{gauge.value} {gauge.note}", width - LABEL - 1, "strong")]
    return tuple(spans)


def _value_widths(width: int) -> tuple[int, int]:
    """(value, note) columns; notes appear where the bar keeps a useful length."""
    return (9, 0) if width < 36 else (9, 16) if width >= 50 else (9, 9)


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
