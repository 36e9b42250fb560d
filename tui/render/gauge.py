"""Thin bars in the plasma ramp: the progress of the run and the gauges."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import Row, Span, append, ramp_role


def ramp_bar(fraction: float | None, width: int, full: float = 1.0) -> Row:
    """A thin bar; the colour of each cell tells its own place on the ramp, so the tip shows the value.

    `full`: the share of the ramp that the whole width spans. None draws the empty bar.
    """
    if width <= 0:
        return ()
    halves = round(max(0.0, min(1.0, fraction or 0.0)) * width * 2)
    spans: list[Span] = []
    for x in range(halves // 2):
        append(spans, glyphs.BAR, ramp_role(full * x / max(1, width - 1)))
    if halves % 2:
        place = full * (halves // 2) / max(1, width - 1)
        append(spans, glyphs.BAR_TIP, ramp_role(place))
    rest = width - (halves + 1) // 2
    if rest > 0:
        spans.append(Span(glyphs.BAR_REST * rest, "faint"))
    return tuple(spans)
