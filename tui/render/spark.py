"""What was, in little room: a thin line of two samples a cell, or blocks."""

from __future__ import annotations

from collections.abc import Sequence

from tui.render import glyphs
from tui.render.paint import Row, Span, append, ramp_role

_BASE = 0x2800
#: bits of one level, lowest first, for the left and the right sample of a cell
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
SAMPLES_A_CELL = 2
#: colours of a line; few, for the sake of bytes
LEVELS = 6
#: the last five minutes, in means over 8 s
PAST_BINS = 38


def spark(history: Sequence[float | None], width: int) -> Row:
    """The newest samples (fractions, 0..1), newest at the right end; a missing one leaves a gap."""
    room = width * SAMPLES_A_CELL
    newest: list[float | None] = [None] * max(0, room - len(history))
    newest += history[max(0, len(history) - room) :]
    spans: list[Span] = []
    for x in range(width):
        pair = newest[x * SAMPLES_A_CELL : (x + 1) * SAMPLES_A_CELL]
        bits = 0
        for value, levels in zip(pair, (_LEFT, _RIGHT), strict=True):
            if value is not None:
                bits |= levels[min(3, int(max(0.0, value) * 4))]
        known = [value for value in pair if value is not None]
        role = ramp_role(round(max(known) * LEVELS) / LEVELS) if known else "faint"
        append(spans, chr(_BASE + bits) if bits else " ", role)
    return tuple(spans)


def blocks(history: Sequence[float | None], width: int) -> Row:
    """The last five minutes (fractions, 0..1) as blocks, the newest at the right end: a bin or more a cell."""
    each = -(-PAST_BINS // max(1, width))
    spans: list[Span] = []
    for x in range(width):
        last = max(0, len(history) - each * (width - 1 - x))
        known = [value for value in history[max(0, last - each) : last] if value is not None]
        if not known:
            append(spans, " ", "faint")
            continue
        mean = max(0.0, min(1.0, sum(known) / len(known)))
        append(
            spans, glyphs.SPARKS[min(7, int(mean * 8))], ramp_role(round(mean * LEVELS) / LEVELS)
        )
    return tuple(spans)
