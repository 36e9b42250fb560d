"""The last minutes of a gauge as a row of blocks."""

from __future__ import annotations

from collections.abc import Sequence

from tui.render import glyphs
from tui.render.paint import Row, Span, append, ramp_role


def spark(history: Sequence[float | None], width: int) -> Row:
    """The newest `width` fractions (0..1) as blocks; a missing sample is a faint dot."""
    spans: list[Span] = []
    newest = list(history)[-width:]
    if len(newest) < width:
        append(spans, " " * (width - len(newest)), "faint")
    for value in newest:
        if value is None:
            append(spans, glyphs.UNKNOWN, "faint")
            continue
        level = min(len(glyphs.SPARKS) - 1, int(value * len(glyphs.SPARKS)))
        append(spans, glyphs.SPARKS[level], ramp_role(value))
    return tuple(spans)
