"""Axes: which values a chart shows, their positions, and round numbers on them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from runner.model.lean import dataclass

# ---------------------------------------------------------------------------
# The y axis: a range that neither one spike nor the first steps can spoil, and that does not twitch.

#: a larger loss is drawn as this one; differences of larger numbers are no longer numbers
LARGEST = 1e15
#: the first points of a line are hardly smoothed yet, and often far above all others
SETTLED_AFTER_POINTS = 33
#: the line gets at least two fifths of the height: the envelope is cropped this far from it, in spans
_REACH = 0.75


class Range(NamedTuple):
    """A closed interval of losses, or of their decimal logarithms; `low < high`, both finite."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low


def data_range(
    lines: Iterable[Sequence[float]], band: Iterable[tuple[float, float]] = (), *, log: bool = False
) -> Range | None:
    """The range that shows the `lines` but for the steep beginning of each, their newest values always, and
    as much of the `band` (low, high) as does not flatten them. None: nothing finite to show."""

    def change(value: float) -> float:
        value = max(-LARGEST, min(LARGEST, value))
        return math.log10(max(1 / LARGEST, value)) if log else value

    low, high = math.inf, -math.inf
    for line in lines:
        known = [value for value in line if value > 0 or not log]
        if known:
            ordered = sorted(known)
            usual = change(quantile(ordered, 0.9))
            most = usual + 0.5 * (usual - change(quantile(ordered, 0.5)))
            low = min(low, change(ordered[0]))
            high = max(high, min(change(ordered[-1]), most), change(known[-1]))
    edges = [edge for edge in band if edge[0] > 0 or not log]
    if edges:
        bottom = change(quantile(sorted(edge[0] for edge in edges), 0.05))
        top = change(quantile(sorted(edge[1] for edge in edges), 0.95))
        if low > high:
            low, high = bottom, top
        reach = _REACH * max(high - low, 0.3 if log else abs(high) * 0.5)
        low, high = min(low, max(bottom, low - reach)), max(high, min(top, high + reach))
    if low > high:
        return None
    if high - low <= abs(high) * 1e-6:  # a constant loss gets room around it
        room = abs(high) * 0.1 or 0.5
        low, high = low - room, high + room
    return Range(low, high)


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


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


def place_of(value: float, scale: Range, places: int, log: bool = False) -> int | None:
    """The row of dots, or of cells, that a loss falls into, row 0 on top; not clipped. None: 0 and negative
    losses have no logarithm."""
    value = max(-LARGEST, min(LARGEST, value))
    if log:
        if value <= 0:
            return None
        value = math.log10(max(1 / LARGEST, value))
    return math.floor((scale.high - value) / scale.span * places)


def aligned(scale: Range, rows: int) -> tuple[Range, float]:
    """The range, widened so that round values fall in the middle of rows, evenly apart, and the
    step between them: where the line passes a label, it has that value."""
    size = 10.0 ** math.floor(math.log10(scale.span / rows))
    units = sorted(
        (size * more * factor / k, size * more * factor)
        for more in (0.1, 1, 10, 100)
        for factor, several in ((1, (2, 3, 4)), (2, (2, 3)), (2.5, (2, 4)), (5, (2, 3, 4)))
        for k in several
    )
    for unit, step in units:
        high = (math.ceil(scale.high / unit - 0.5) + 0.5) * unit
        spare = math.floor((scale.low - high + rows * unit) / unit + 1e-9)
        if spare >= 0:
            high += spare // 2 * unit
            low = high - rows * unit
            if scale.low >= 0 and low < -unit / 2:  # no loss is below 0
                low, high = -unit / 2, (rows - 0.5) * unit
            if low <= scale.low < scale.high <= high:
                return Range(low, high), step
    return scale, round_step(scale.span / 2)


def ticks(scale: Range, rows: int, step: float | None = None) -> dict[int, str]:
    """Labels of round values by row, at most one in two rows, all equally wide. `step`: between them; None:
    the range is one of logarithms."""
    found: dict[int, str] = {}
    for value, text in _round_logs(scale) if step is None else _round_values(scale, step):
        row = math.floor((scale.high - value) / scale.span * rows)
        if 0 <= row < rows and not any(abs(row - other) < 2 for other in found):
            found[row] = text
    width = max((len(text) for text in found.values()), default=0)
    return {row: text.rjust(width) for row, text in sorted(found.items())}


def _round_values(scale: Range, step: float) -> list[tuple[float, str]]:
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [(k * step, _label(k * step, step)) for k in range(first, last + 1)]


def _round_logs(scale: Range) -> list[tuple[float, str]]:
    """1, 2 and 5 times powers of ten first."""
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    return [
        (power + math.log10(factor), f"{factor * 10.0**power:.2g}")
        for factor in (1, 2, 5, 3, 1.5, 7)
        for power in powers
    ]


def round_step(raw: float, whole: bool = False) -> float:
    """1, 2, 2.5 or 5 times a power of ten, at least `raw`. `whole`: 1 or more, without 2.5."""
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    raw = max(1.0, raw) if whole else raw
    size: float = 10.0 ** math.floor(math.log10(raw))
    factors = (f for f in (1, 2, 2.5, 5, 10) if not (whole and f == 2.5 and size < 10))
    return next((size * f for f in factors if raw <= size * f * (1 + 1e-9)), size * 10)


def _label(value: float, step: float) -> str:
    if abs(value) >= 1e5 or (value != 0 and step < 1e-5):
        return f"{value:.1e}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return f"{value:.{digits}f}"


# ---------------------------------------------------------------------------
# The x axis: round places with their words, and the part of it that is shown.

STEP, EPOCH, TIME = "step", "epoch", "time"
#: seconds between two ticks
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
#: cells that a number and the space around it take
_CELLS_EACH = 12


def axis_ticks(low: float, high: float, room: int, unit: str = STEP) -> list[tuple[float, str]]:
    """(x, label) from left to right, both ends left out where they are 0."""
    if high <= low or not math.isfinite(high - low):
        return []
    raw = (high - low) / max(1, room // _CELLS_EACH)
    step = time_step(raw) if unit == TIME else round_step(raw, whole=unit == STEP)
    first, last = math.floor(low / step + 1e-9) + 1, math.floor(high / step + 1e-9)
    return [
        (k * step, time_text(k * step) if unit == TIME else f"{k * step:.10g}")
        for k in range(first, min(last, first + 999) + 1)
    ]


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


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the x axis that a zoomed chart shows. `follows`: it ends at the newest value and moves with
    it."""

    low: float
    high: float
    follows: bool = False


def shown(window: Window | None, end: float, newest: float) -> tuple[float, float]:
    """Both ends of what is shown of the axis 0 to `end`; None: all of it."""
    if window is None:
        return 0.0, end
    span = min(end, window.high - window.low)
    high = max(newest, span) if window.follows else window.high
    high = min(end, max(high, span))
    return high - span, high


def zoomed(
    window: Window | None,
    factor: float,
    end: float,
    newest: float,
    *,
    at: float | None,
    least: float,
) -> Window | None:
    """`factor` of what was shown, at least `least`: around `at`, else up to the newest value if it is in
    sight, else around the middle. None: everything."""
    low, high = shown(window, end, newest)
    span = max(min(least, end), (high - low) * factor)
    if span >= end * (1 - 1e-9):
        return None
    if at is None or not low <= at <= high:
        if low <= newest <= high:
            if factor < 1 and newest < span:  # what is still to be trained goes first
                span = max(min(least, end), newest)
            return Window(max(newest, span) - span, max(newest, span), follows=True)
        at = (low + high) / 2
    start = max(0.0, min(end - span, at - (at - low) / (high - low) * span))
    return Window(start, start + span)


def panned(window: Window | None, by: float, end: float, newest: float) -> Window | None:
    """Moved by a share of its width, no further than the newest value, which it then follows."""
    if window is None:
        return None
    low, high = shown(window, end, newest)
    span, furthest = high - low, max(newest, high - low)
    wanted = max(span, high + by * span)
    if by > 0 and wanted >= furthest:
        return Window(furthest - span, furthest, follows=True)
    return Window(wanted - span, wanted)
