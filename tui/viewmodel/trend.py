"""What the loss and the pace do, said only where the numbers carry it.

The loss of a diffusion training is mostly noise (its size depends on the timestep drawn), so a slope
counts as one only if it stands clear of its own standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from runner.model import LossBucket, LossSeries
from runner.model.lean import dataclass

#: slope over standard error from which on a trend is called one
CLEAR = 3.0
#: the running average's neighbours are not independent, so it must stand out more
CLEAR_OF_AVERAGE = 6.0
MIN_STEPS = 20
MIN_BUCKETS = 8
STEADY = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Trend:
    """`kind`: falling, rising, flat (no clear slope) or early (too few steps). `percent` is the
    change over `span` ("an epoch", "over the last 90 steps"), in percent of the present level."""

    kind: str
    percent: float = 0.0
    span: str = ""


def loss_trend(series: LossSeries, steps_per_epoch: float | None) -> Trend:
    """The slope of the finite losses over the last two epochs (or what there is of them)."""
    finite = [b for b in series.buckets if b.mean is not None and b.count > b.nonfinite]
    if not finite:
        return Trend("early")
    end = finite[-1].last_step
    seen = end - finite[0].first_step + 1
    window = max(100.0, 2 * steps_per_epoch) if steps_per_epoch else max(100.0, seen / 2)
    used = [b for b in finite if b.last_step > end - window]
    steps = sum(b.count - b.nonfinite for b in used)
    if steps < MIN_STEPS or len(used) < MIN_BUCKETS:
        return Trend("early")
    slope, error, level = _fit(used)
    clear = CLEAR if series.exact else CLEAR_OF_AVERAGE
    if level <= 0 or abs(slope) <= clear * error:
        return Trend("flat")
    covered = end - used[0].first_step + 1
    per_epoch = steps_per_epoch is not None and covered >= steps_per_epoch / 2
    reach = steps_per_epoch if per_epoch and steps_per_epoch else float(covered)
    change = slope * reach / level * 100
    if abs(change) < 0.5:
        return Trend("flat")
    span = "an epoch" if per_epoch else f"over the last {covered} steps"
    return Trend("falling" if change < 0 else "rising", change, span)


def _fit(buckets: Sequence[LossBucket]) -> tuple[float, float, float]:
    """Weighted least squares: slope per step, its standard error, mean level."""
    rows = [
        ((b.first_step + b.last_step) / 2, b.mean, float(b.count - b.nonfinite))
        for b in buckets
        if b.mean is not None
    ]
    weight = sum(w for _, _, w in rows)
    mean_x = sum(x * w for x, _, w in rows) / weight
    mean_y = sum(y * w for _, y, w in rows) / weight
    spread = sum(w * (x - mean_x) ** 2 for x, _, w in rows)
    if spread <= 0 or len(rows) < 3:
        return 0.0, math.inf, mean_y
    slope = sum(w * (x - mean_x) * (y - mean_y) for x, y, w in rows) / spread
    rest = sum(w * (y - mean_y - slope * (x - mean_x)) ** 2 for x, y, w in rows)
    return slope, math.sqrt(rest / (len(rows) - 2) / spread), mean_y


@dataclass(frozen=True, slots=True)
class Pace:
    """Recent seconds a step against the run's own median. `kind`: steady, slower, faster, unknown."""

    kind: str
    recent_s: float | None = None
    usual_s: float | None = None


def pace_of(series: LossSeries) -> Pace:
    """Needs `LossBucket.elapsed_s`; without it the pace is unknown, not steady."""
    times = _step_times(series.buckets)
    if len(times) < 12:
        return Pace("unknown")
    recent = _median(times[-max(4, len(times) // 20) :])
    usual = _median(times)
    if usual <= 0:
        return Pace("unknown")
    ratio = recent / usual
    kind = "slower" if ratio > STEADY[1] else "faster" if ratio < STEADY[0] else "steady"
    return Pace(kind, recent, usual)


def _step_times(buckets: Sequence[LossBucket]) -> list[float]:
    """Seconds a step, one value a pair of neighbouring buckets; medians forgive saves and resumes."""
    times = []
    for before, after in pairwise(buckets):
        if before.elapsed_s is None or after.elapsed_s is None:
            continue
        steps = after.last_step - before.last_step
        seconds = after.elapsed_s - before.elapsed_s
        if steps > 0 and seconds >= 0:
            times.append(seconds / steps)
    return times


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
