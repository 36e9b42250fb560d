"""Axes: where values and steps lie in rows and columns. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runner.model import LossBucket

# ---------------------------------------------------------------------------
# The y axis: a range that one spike cannot spoil and that does not twitch, and round ticks on it.


class Range(NamedTuple):
    """A closed interval of losses, `low < high`, both finite."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low


def data_range(buckets: Sequence[LossBucket]) -> Range | None:
    """The range that shows all but outliers. A spike beyond the usual spread is left out of it (and
    drawn as clipped), and so is the start of the smoothed line if it comes from far above; where the
    line stands now is always in it. None: nothing finite to show."""
    lows = sorted(b.low for b in buckets if b.low is not None and math.isfinite(b.low))
    highs = sorted(b.high for b in buckets if b.high is not None and math.isfinite(b.high))
    smooth = [b.smooth for b in buckets if b.smooth is not None and math.isfinite(b.smooth)]
    if not lows or not highs:
        return None
    usual_low, usual_high = _quantile(lows, 0.05), _quantile(highs, 0.95)
    reach = (usual_high - usual_low) * 0.75
    low = max(lows[0], usual_low - reach) if reach > 0 else lows[0]
    high = min(highs[-1], usual_high + reach) if reach > 0 else usual_high
    if smooth:
        usual = sorted(smooth)
        low = min(low, _quantile(usual, 0.05), smooth[-1])
        high = max(high, _quantile(usual, 0.95), smooth[-1])
    return _widened(low, high)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Inner quantile: of 20 and more values the outermost one is never returned."""
    index = round(share * (len(ordered) - 1))
    return ordered[min(len(ordered) - 1, max(0, index))]


def _widened(low: float, high: float) -> Range:
    """A constant loss gets room around it, so that there is an axis to draw it on."""
    if high - low <= abs(high) * 1e-6:
        room = abs(high) * 0.1 or 0.5
        low, high = low - room, high + room
    return Range(low, high)


def sticky_range(previous: Range | None, wanted: Range | None) -> Range:
    """Keep the previous range while the data fits it and fills more than half of it; else take a
    new one with some room, so that the next change is far away. Losses above 0 keep 0 as the floor."""
    if wanted is None:
        return previous or Range(0.0, 1.0)
    if previous is not None:
        fits = previous.low <= wanted.low and wanted.high <= previous.high
        if fits and wanted.span >= 0.5 * previous.span:
            return previous
    room = wanted.span * 0.08
    low = wanted.low - room
    if wanted.low >= 0:
        low = max(0.0, low)
    return Range(low, wanted.high + room)


def ticks(scale: Range, rows: int) -> list[tuple[int, str]]:
    """(row, label) of round values, row 0 on top, at most one in two rows, labels equally wide."""
    wanted = max(2, (rows + 1) // 2)
    step = _round_step(scale.span / wanted)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    found: dict[int, float] = {}
    for k in range(first, last + 1):
        row = row_of(k * step, scale, rows)
        if 0 <= row < rows and not any(abs(row - other) < 2 for other in found):
            found[row] = k * step
    labels = {row: _label(value, step) for row, value in found.items()}
    width = max((len(text) for text in labels.values()), default=0)
    return sorted((row, text.rjust(width)) for row, text in labels.items())


def log_ticks(scale: Range, rows: int) -> list[tuple[int, str]]:
    """The same for a scale of decimal logarithms: 1, 2 and 5 times powers of ten, the roundest first."""
    found: dict[int, str] = {}
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    for factor in (1, 2, 5, 3, 1.5, 7):
        for power in powers:
            row = row_of(power + math.log10(factor), scale, rows)
            if 0 <= row < rows and not any(abs(row - other) < 2 for other in found):
                found[row] = f"{factor * 10.0**power:.2g}"
    width = max((len(text) for text in found.values()), default=0)
    return sorted((row, text.rjust(width)) for row, text in found.items())


def row_of(value: float, scale: Range, rows: int) -> int:
    """The text row that a value falls into; not clipped."""
    return math.floor((scale.high - value) / scale.span * rows)


def _round_step(raw: float) -> float:
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if raw <= size * factor * (1 + 1e-9):
            return size * factor
    return size * 10


def _label(value: float, step: float) -> str:
    if abs(value) >= 1e5 or (value != 0 and step < 1e-5):
        return f"{value:.1e}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return f"{value:.{digits}f}"


# ---------------------------------------------------------------------------
# Round places on an x axis, and their words.

#: seconds between two ticks
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
#: cells that a number and the space around it take
_CELLS_EACH = 12


def axis_ticks(end: float, room: int, *, whole: bool, time: bool) -> list[tuple[float, str]]:
    """(x, label) from left to right, 0 left out. `whole`: only whole numbers; `time`: x are seconds."""
    if end <= 0 or not math.isfinite(end):
        return []
    wanted = max(1, room // _CELLS_EACH)
    step = time_step(end / wanted) if time else round_step(end / wanted)
    if whole and not time:
        step = max(1.0, step)
    count = min(1000, math.floor(end / step + 1e-9))
    return [
        (k * step, time_text(k * step) if time else f"{k * step:.10g}") for k in range(1, count + 1)
    ]


def round_step(raw: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, at least `raw`."""
    size: float = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if raw <= size * factor * (1 + 1e-9):
            if factor == 2.5 and size < 10:  # 2.5 steps are none
                continue
            return size * factor
    return size * 10


def time_step(raw_s: float) -> float:
    fitting = [step for step in _TIMES if step >= raw_s]
    return float(fitting[0]) if fitting else math.ceil(raw_s / 86400) * 86400.0


def time_text(seconds: float) -> str:
    """`45 s`, `10 min`, `1:30 h`, `2 d`: what fits under a tick."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}:{rest:02} min" if rest else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    if hours >= 48 and not rest and hours % 24 == 0:
        return f"{hours // 24} d"
    return f"{hours}:{rest // 60:02} h" if rest else f"{hours} h"


# ---------------------------------------------------------------------------
# Where a loss stands on the y axis of several runs, and how far that axis reaches.

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
