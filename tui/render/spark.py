"""The last minutes of a gauge as a thin line: two samples in a cell, four levels."""

from __future__ import annotations

from collections.abc import Sequence

from tui.render.paint import Row, Span, append, ramp_role

_BASE = 0x2800
#: bits of one level, lowest first, for the left and the right sample of a cell
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
SAMPLES_A_CELL = 2
#: colours of a line; few, for the sake of bytes
LEVELS = 6


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
