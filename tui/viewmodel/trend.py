"""What the loss does from epoch to epoch, and whether the pace changes: only what the numbers carry.

The loss of a diffusion training is mostly noise (its size depends on the timestep drawn), so a change counts
as one only if it stands clear of its own standard error, and ends only where it clearly does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from runner.model import LossBucket, LossSeries
from runner.model.lean import dataclass

#: shorter epochs are compared in groups of as many steps
MIN_STEPS = 50
#: standard errors from which on a change is called one, and down to which it still is
BEGINS, ENDS = 2.5, 1.0
#: the running average's neighbours are not independent
LOOSER = 2.0
#: share of the mean below which a change is not worth a word
SMALLEST = 0.01
STEADY = (0.8, 1.25)
MIN_PAIRS = 12


@dataclass(frozen=True, slots=True)
class Trend:
    """`kind`: falling, rising, flat (no clear change), or unknown (before two epochs). `change`: of the mean,
    as a share of the mean before, from `before` to `after` ("epoch 1" or "epochs 1-3", without the noun)."""

    kind: str = "unknown"
    change: float = 0.0
    noun: str = "epoch"
    before: str = ""
    after: str = ""


def loss_trend(series: LossSeries, steps_per_epoch: float | None) -> Trend:
    """Of the last two complete epochs, by the means of the summary's epoch table. All epochs are walked through
    in order: what was called a change before needs less to be called one still."""
    length = round(steps_per_epoch or 0)
    if length < 1:
        return Trend()
    group = -(-MIN_STEPS // length)

    def name(n: int) -> str:
        return str(n + 1) if group == 1 else f"{n * group + 1}-{(n + 1) * group}"

    found = Trend()
    for (a, before, error_a), (b, after, error_b) in pairwise(_means(series, length * group)):
        change = after - before
        kind = "falling" if change < 0 else "rising"
        limit = (ENDS if found.kind == kind else BEGINS) * math.hypot(error_a, error_b)
        limit *= 1.0 if series.exact else LOOSER
        if before <= 0 or abs(change) <= max(limit, SMALLEST * before):
            kind = "flat"
        share = change / before if before > 0 else 0.0
        found = Trend(kind, share, "epoch" if group == 1 else "epochs", name(a), name(b))
    return found


def _means(series: LossSeries, length: int) -> list[tuple[int, float, float]]:
    """(number from 0, mean, its standard error) of each complete stretch of `length` steps; a bucket that lies
    in two counts for each by its share."""
    parts: dict[int, list[tuple[float, float]]] = {}
    for b in series.buckets:
        if b.mean is None:
            continue
        weight = (b.count - b.nonfinite) / (b.last_step - b.first_step + 1)
        for n in range((b.first_step - 1) // length, (b.last_step - 1) // length + 1):
            steps = min(b.last_step, (n + 1) * length) - max(b.first_step, n * length + 1) + 1
            parts.setdefault(n, []).append((b.mean, weight * steps))
    complete = (series.last_step or 0) // length
    return [(n, *_mean(found)) for n, found in parts.items() if n < complete and len(found) > 2]


def _mean(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    total = math.fsum(weight for _, weight in parts)
    mean = math.fsum(value * weight for value, weight in parts) / total
    spread = math.fsum(weight * (value - mean) ** 2 for value, weight in parts) / total
    return mean, math.sqrt(spread / (len(parts) - 1))


def pace_change(series: LossSeries, recent_s: float | None) -> tuple[str, float | None]:
    """`recent_s`, the run's pace of now, against its own median seconds a step: (steady, slower, faster or
    unknown; the median). Medians forgive saves and resumes."""
    times = sorted(_step_times(series.buckets))
    usual = times[len(times) // 2] if len(times) >= MIN_PAIRS else 0.0
    if usual <= 0 or recent_s is None:
        return "unknown", None
    ratio = recent_s / usual
    return "slower" if ratio > STEADY[1] else "faster" if ratio < STEADY[0] else "steady", usual


def _step_times(buckets: Sequence[LossBucket]) -> list[float]:
    """Seconds a step, one value a pair of neighbouring buckets."""
    return [
        (after.elapsed_s - before.elapsed_s) / (after.last_step - before.last_step)
        for before, after in pairwise(buckets)
        if before.elapsed_s is not None
        and after.elapsed_s is not None
        and after.last_step > before.last_step
        and after.elapsed_s >= before.elapsed_s
    ]
