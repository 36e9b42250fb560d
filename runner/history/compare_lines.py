"""The smoothed losses of several runs on one axis: by step, epoch, time or images. Pure, and bounded: the
number of points does not grow with a run.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from runner.model import LossBucket
from runner.model.units import finite

if TYPE_CHECKING:
    from runner.history.compare import ComparedRun

#: places on the common axis; a line has at most one point, and one gap, in each
PLACES = 600


class Axis(StrEnum):
    """The axis of a comparison: true steps, true epochs, seconds trained, images seen."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    IMAGES = "images"


#: why a run has no line on an axis
MISSING = {
    Axis.STEP: "no loss",
    Axis.EPOCH: "steps per epoch unknown",
    Axis.TIME: "times unknown",
    Axis.IMAGES: "batch size unknown",
}


@dataclass(frozen=True, slots=True)
class Line:
    """`points`: (x, smoothed loss) by rising x; None: NaN here, a gap in the line. `missing`: why there is no
    line."""

    points: tuple[tuple[float, float | None], ...] = ()
    missing: str = ""

    @property
    def end(self) -> float:
        return self.points[-1][0] if self.points else 0.0

    def at(self, x: float) -> float | None:
        """The loss at `x`: of the last point before it; None before the first one and after the end."""
        place = bisect_right(self.points, x, key=lambda point: point[0])
        if place == 0 or x > self.end:
            return None
        return self.points[place - 1][1]


def lines_of(runs: Sequence[ComparedRun], axis: Axis) -> tuple[Line, ...]:
    """One line a run, on an axis that reaches to the end of the longest."""
    raw = [_points(run, axis) for run in runs]
    end = max((points[-1][0] for points in raw if points), default=0.0)
    return tuple(
        Line(_thinned(points, end), "" if points else MISSING[axis if run.buckets else Axis.STEP])
        for run, points in zip(runs, raw, strict=True)
    )


def planned_end(run: ComparedRun, axis: Axis) -> float:
    """Where the line of a live run will end; 0 if unknown, or ended. Time is rounded up so that the axis does
    not move with every step."""
    if run.planned_steps is None:
        return 0.0
    end = _x(run, axis, run.planned_steps, run.planned_s) or 0.0
    if axis is not Axis.TIME:
        return end
    unit = 10.0 ** math.floor(math.log10(end)) / 2 if end > 0 else 1.0
    return math.ceil(end / unit) * unit


def _points(run: ComparedRun, axis: Axis) -> list[tuple[float, float | None]]:
    """Empty if the run's axis is unknown or no loss is finite."""
    found: list[tuple[float, float | None]] = []
    for bucket, seconds in zip(run.buckets, run.seconds, strict=True):
        x = _x(run, axis, bucket.last_step, seconds)
        if x is None or (found and x < found[-1][0]):
            continue
        broken = bucket.nonfinite >= bucket.count
        found.append((x, None if broken else finite(bucket.smooth)))
    return found if any(y is not None for _, y in found) else []


def _x(run: ComparedRun, axis: Axis, steps: int, seconds: float | None) -> float | None:
    """Position of a number of steps, or seconds, on the axis."""
    if axis is Axis.TIME:
        return seconds
    if axis is Axis.EPOCH:
        return steps / run.steps_per_epoch if run.steps_per_epoch else None
    if axis is Axis.IMAGES:
        return float(steps * run.images_per_step) if run.images_per_step else None
    return float(steps)


def _thinned(
    points: list[tuple[float, float | None]], end: float
) -> tuple[tuple[float, float | None], ...]:
    """The last point of each place; a gap within a place is kept, so that no line is drawn over it."""
    if len(points) <= PLACES or end <= 0:
        return tuple(points)
    kept: list[tuple[float, float | None]] = []
    last, held = -1, 0
    for x, y in points:
        place = int(x / end * PLACES)
        if place != last:
            last, held = place, 0
        if held and (kept[-1][1] is None) == (y is None):
            kept[-1] = (x, y)
            continue
        if held == 2:  # alternating finite and NaN: one gap and one point show it
            del kept[-2]
        kept.append((x, y))
        held = min(2, held + 1)
    return tuple(kept)


def seconds_trained(
    buckets: Sequence[LossBucket], begins: Sequence[int] = ()
) -> tuple[float | None, ...]:
    """Training seconds at the end of each bucket: from the first step, without the time between attempts.
    `begins`: first steps of later attempts. None: not recorded."""
    per_step = _usual_step_s(buckets)
    found: list[float | None] = []
    total, before = 0.0, None
    for bucket in buckets:
        now = finite(bucket.elapsed_s)
        if now is None:
            found.append(None)
            continue
        usual = bucket.count * per_step
        passed = usual if before is None else max(0.0, now - before[0])
        if before is not None and any(before[1] < one <= bucket.last_step for one in begins):
            passed = min(passed, usual)
        total += passed
        before = (now, bucket.last_step)
        found.append(total)
    return tuple(found)


def _usual_step_s(buckets: Sequence[LossBucket]) -> float:
    """The median pace: saves, samples and nights between attempts do not count."""
    paces = [
        (b.elapsed_s - a.elapsed_s) / (b.last_step - a.last_step)
        for a, b in pairwise(buckets)
        if a.elapsed_s is not None and b.elapsed_s is not None and b.last_step > a.last_step
    ]
    usable = [pace for pace in paces if math.isfinite(pace) and pace >= 0]
    return median(usable) if usable else 0.0
