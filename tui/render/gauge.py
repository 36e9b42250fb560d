"""Thin bars in the plasma ramp: the progress of the run and the gauges."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import RAMP_STEPS, Row, Span, append, ramp_role


def ramp_bar(fraction: float | None, width: int, levels: int = RAMP_STEPS) -> Row:
    """A thin bar; the colour of each cell tells its own place on the ramp, so the tip shows the value.

    `levels`: colours that the whole width is made of; each one costs some 40 bytes to send. None
    draws the empty bar.
    """
    if width <= 0:
        return ()
    halves = round(max(0.0, min(1.0, fraction or 0.0)) * width * 2)
    spans: list[Span] = []
    for x in range(halves // 2):
        append(spans, glyphs.BAR, _role(x, width, levels))
    if halves % 2:
        append(spans, glyphs.BAR_TIP, _role(halves // 2, width, levels))
    rest = width - (halves + 1) // 2
    if rest > 0:
        spans.append(Span(glyphs.BAR_REST * rest, "faint"))
    return tuple(spans)


def shared_bar(ours: float | None, beside: float, width: int, levels: int = RAMP_STEPS) -> Row:
    """A bar in two parts: ours in the ramp, then what others use, which differs in shape as well: in dashes.
    A part that is there has a cell at least."""
    if width <= 0:
        return ()
    whole = max(0.0, min(1.0, (ours or 0.0) + beside))
    filled = round(whole * width)
    mine = min(filled, max(1 if ours else 0, round((ours or 0.0) * width)))
    spans: list[Span] = []
    for x in range(mine):
        append(spans, glyphs.BAR, _role(x, width, levels))
    if filled > mine:
        append(spans, glyphs.BAR_OTHERS * (filled - mine), "dim")
    if width > filled:
        append(spans, glyphs.BAR_REST * (width - filled), "faint")
    return tuple(spans)


def _role(x: int, width: int, levels: int) -> str:
    place = x / max(1, width - 1)
    return ramp_role(round(place * (levels - 1)) / max(1, levels - 1))
