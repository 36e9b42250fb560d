"""Any number of buckets folded to the columns of a chart: what is drawn does not grow with the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.model import LossBucket
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of text covers: bounds of the raw finite losses (None: no finite loss here) and
    whether a loss in it was not finite."""

    low: float | None = None
    high: float | None = None
    nonfinite: bool = False


EMPTY = Column()


def fold_columns(buckets: Sequence[LossBucket], end_step: int, width: int) -> list[Column]:
    """Columns over the steps 1..end_step, left to right; a bucket that touches several fills them."""
    lows = [math.inf] * width
    highs = [-math.inf] * width
    broken = [False] * width
    per_step = width / end_step
    for bucket in buckets:
        first = min(width - 1, int((bucket.first_step - 1) * per_step))
        last = min(width - 1, max(first, math.ceil(bucket.last_step * per_step - 1e-9) - 1))
        for x in range(max(0, first), last + 1):
            if bucket.low is not None and bucket.low < lows[x]:
                lows[x] = bucket.low
            if bucket.high is not None and bucket.high > highs[x]:
                highs[x] = bucket.high
            broken[x] = broken[x] or bucket.nonfinite > 0
    return [
        Column(low, high, nonfinite) if low <= high else Column(None, None, nonfinite)
        for low, high, nonfinite in zip(lows, highs, broken, strict=True)
    ]


def fold_line(
    buckets: Sequence[LossBucket], end_step: int, width: int
) -> list[tuple[float, float] | None]:
    """The smoothed line as points (x in columns, loss), at most one for each of `width` places; None
    is a gap: there the loss was not finite."""
    points: list[tuple[float, float] | None] = []
    place = -1
    for bucket in buckets:
        x = (bucket.last_step - 0.5) / end_step * width
        if bucket.nonfinite >= bucket.count or bucket.smooth is None:
            if points and points[-1] is not None:
                points.append(None)
            place = -1
            continue
        if not math.isfinite(bucket.smooth):
            continue
        point = (min(width - 0.001, x), bucket.smooth)
        if int(x) == place and points:
            points[-1] = point
        else:
            points.append(point)
        place = int(x)
    return points
