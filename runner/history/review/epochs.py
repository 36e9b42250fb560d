"""The losses of a run by epoch, and thinned for drawing. Pure."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.state.losses import UNKNOWN, StepTable

#: more points than any terminal has columns
CURVE_POINTS = 400


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch. `steps`: valid rows, from `first_step` to `last_step`; `mean`, `lowest`, `highest`: of its
    finite losses; `smooth`: the smoothed loss at its last step; `seconds`: from the last step before it to
    its own last one, including saves and samples, without breaks between attempts; `whole`: no step is
    missing."""

    epoch: int
    first_step: int
    last_step: int
    steps: int
    mean: float | None
    lowest: float | None
    highest: float | None
    smooth: float | None
    nonfinite: int
    seconds: float | None
    validation: float | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A group of neighbouring steps: the mean of their finite losses and the smoothed loss at `step`, the
    last."""

    step: int
    mean: float | None
    smooth: float | None


def epoch_rows(
    table: StepTable,
    smooth: array[float],
    steps_per_epoch: int | None,
    validations: Mapping[int, float] | None = None,
) -> tuple[EpochRow, ...]:
    """A row per epoch with steps. `validations`: validation loss by true step."""
    if not len(table) or not steps_per_epoch or steps_per_epoch < 1:
        return ()
    found, at = [], 0
    while at < len(table):
        epoch = (table.steps[at] - 1) // steps_per_epoch + 1
        begin, end = (epoch - 1) * steps_per_epoch + 1, epoch * steps_per_epoch
        until = bisect_right(table.steps, end, at)
        finite = _finite(table.values[at:until])
        known = until - at - table.kinds[at:until].count(UNKNOWN)
        heard = [step for step in validations or {} if begin <= step <= end]
        found.append(
            EpochRow(
                epoch=epoch,
                first_step=table.steps[at],
                last_step=table.steps[until - 1],
                steps=until - at,
                mean=_mean(finite),
                lowest=min(finite, default=None),
                highest=max(finite, default=None),
                smooth=table.smooth_of(smooth, until - 1),
                nonfinite=known - len(finite),
                seconds=table.time_of(at, until - 1),
                validation=validations[max(heard)] if validations and heard else None,
                whole=until - at == steps_per_epoch,
            )
        )
        at = until
    return tuple(found)


def curve(
    table: StepTable, smooth: array[float], most: int = CURVE_POINTS
) -> tuple[CurvePoint, ...]:
    """The losses in at most `most` points, each of equally many steps."""
    size = math.ceil(len(table) / most) or 1
    ends = [min(at + size, len(table)) - 1 for at in range(0, len(table), size)]
    return tuple(
        CurvePoint(
            table.steps[end],
            _mean(_finite(table.values[n * size : end + 1])),
            None if math.isnan(smooth[end]) else smooth[end],
        )
        for n, end in enumerate(ends)
    )


def smooth_at(table: StepTable, smooth: array[float], step: int | None) -> float | None:
    """The smoothed loss at a true step, NaN if not finite; None: that step has no row."""
    if step is None:
        return None
    at = bisect_left(table.steps, step)
    known = at < len(table) and table.steps[at] == step
    return table.smooth_of(smooth, at) if known else None


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
