"""The loss of a run in a few points, for a row of a list."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runner.model import LossSeries

POINTS = 20
#: this share of the points fits the height; the first steps of a run are often far above the rest
SHARE_IN_SIGHT = 0.9


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: 0 (lowest) to 1 over the trained steps, None where the loss is unknown or not finite.
    `smooth`: the smoothed loss at the last step, as the monitor shows it."""

    points: tuple[float | None, ...] = ()
    smooth: float | None = None


def curve_of(series: LossSeries) -> Curve:
    buckets = series.buckets
    if not buckets:
        return Curve((), series.smooth)
    last = len(buckets) - 1
    picked = [buckets[round(i * last / (POINTS - 1))].smooth for i in range(POINTS)]
    known = sorted(value for value in picked if value is not None and math.isfinite(value))
    if not known:
        return Curve((), series.smooth)
    low, high = known[0], known[int((len(known) - 1) * SHARE_IN_SIGHT)]
    span = high - low
    points = tuple(
        None
        if value is None or not math.isfinite(value)
        else min(1.0, (value - low) / span)
        if span > 0
        else 0.0
        for value in picked
    )
    return Curve(points, series.smooth)
