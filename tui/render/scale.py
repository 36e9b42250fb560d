"""The y axis: a range that one spike cannot spoil and that does not twitch, and round ticks on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runner.model import LossBucket


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
