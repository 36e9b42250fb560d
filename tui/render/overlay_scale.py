"""Where a loss stands on the y axis of several runs, and how far that axis reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui.render.scale import Range

#: a loss beyond it is drawn as this
LARGEST = 1e15
#: the first points of a line are hardly smoothed yet, and far above all others
SETTLED_AFTER_POINTS = 33


@dataclass(frozen=True, slots=True)
class OverlayLine:
    """`points`: (x, loss), None is a gap; `role`: its colour."""

    letter: str
    role: str
    points: tuple[tuple[float, float | None], ...]


def value_place(value: float, scale: Range, places: int, log: bool) -> int | None:
    """The row of dots, or of cells, that a loss falls into, not clipped; None: it has none."""
    if log:
        if value <= 0:
            return None
        value = math.log10(_bounded(value, log))
    else:
        value = _bounded(value, log)
    return math.floor((scale.high - value) / scale.span * places)


def _bounded(value: float, log: bool) -> float:
    """Differences of very large numbers are no numbers any more."""
    return max(1 / LARGEST if log else -LARGEST, min(LARGEST, value))


def overlay_range(lines: Sequence[OverlayLine], log: bool) -> Range | None:
    """All lines as far as they have settled; the first steps of a line, hardly smoothed yet, may be clipped.
    With `log` in decimal logarithms. None: nothing to show."""
    change: Callable[[float], float] = math.log10 if log else float
    low, high = math.inf, -math.inf
    for line in lines:
        known = [_bounded(y, log) for _, y in line.points if y is not None and (y > 0 or not log)]
        settled = known[min(SETTLED_AFTER_POINTS, len(known) // 3) :]
        if not settled:
            continue
        ordered = sorted(settled)
        low = min(low, change(ordered[0]))
        high = max(high, change(ordered[round(0.98 * (len(ordered) - 1))]), change(settled[-1]))
    if low > high:
        return None
    if high - low <= abs(high) * 1e-6:
        room = abs(high) * 0.1 or 0.5
        return Range(low - room, high + room)
    return Range(low, high)
