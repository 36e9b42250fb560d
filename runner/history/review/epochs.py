"""The losses of a run by epoch, and thinned for drawing. Pure."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.state.losses import UNKNOWN, StepTable

#: more points than any terminal has columns
CURVE_POINTS = 400


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch. `steps`: rows that count, of `first_step` to `last_step`; `mean`, `lowest`, `highest`: of its
    finite losses; `smooth`: the smoothed loss at its last step; `seconds`: from the last step before it to its
    own last one, saves and samples included, breaks between attempts not; `whole`: all its steps are there."""

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
    """Some neighbouring steps: the mean of their finite losses and the smoothed loss at `step`, the last."""

    step: int
    mean: float | None
    smooth: float | None


def epoch_rows(
    table: StepTable,
    smooth: array[float],
    steps_per_epoch: int | None,
    validations: Mapping[int, float] | None = None,
) -> tuple[EpochRow, ...]:
    """A row an epoch that has any step. `validations`: loss of the validation by true step."""
    if not len(table) or not steps_per_epoch or steps_per_epoch < 1:
        return ()
    found = []
    number = (table.steps[0] - 1) // steps_per_epoch + 1
    last = (table.steps[-1] - 1) // steps_per_epoch + 1
    while number <= last:
        begin = (number - 1) * steps_per_epoch + 1
        end = number * steps_per_epoch
        at, until = bisect_left(table.steps, begin), bisect_right(table.steps, end)
        if at < until:
            heard = [v for step, v in sorted((validations or {}).items()) if begin <= step <= end]
            row = _row(table, smooth, number, at, until, heard[-1] if heard else None)
            found.append(row if until - at == steps_per_epoch else _part(row))
        number += 1
    return tuple(found)


def _row(
    table: StepTable,
    smooth: array[float],
    number: int,
    at: int,
    until: int,
    validation: float | None,
) -> EpochRow:
    finite = [value for value in table.values[at:until] if math.isfinite(value)]
    known = until - at - table.kinds[at:until].count(UNKNOWN)
    return EpochRow(
        epoch=number,
        first_step=table.steps[at],
        last_step=table.steps[until - 1],
        steps=until - at,
        mean=math.fsum(finite) / len(finite) if finite else None,
        lowest=min(finite, default=None),
        highest=max(finite, default=None),
        smooth=table.smooth_of(smooth, until - 1),
        nonfinite=known - len(finite),
        seconds=table.time_of(at, until - 1),
        validation=validation,
    )


def _part(row: EpochRow) -> EpochRow:
    return replace(row, whole=False)


def curve(
    table: StepTable, smooth: array[float], most: int = CURVE_POINTS
) -> tuple[CurvePoint, ...]:
    """The losses in at most `most` points, each of equally many steps."""
    if not len(table):
        return ()
    size = math.ceil(len(table) / most)
    found = []
    for at in range(0, len(table), size):
        until = min(at + size, len(table))
        finite = [value for value in table.values[at:until] if math.isfinite(value)]
        end = smooth[until - 1]
        found.append(
            CurvePoint(
                table.steps[until - 1],
                math.fsum(finite) / len(finite) if finite else None,
                None if math.isnan(end) else end,
            )
        )
    return tuple(found)


def smooth_at(table: StepTable, smooth: array[float], step: int | None) -> float | None:
    """The smoothed loss at a true step, NaN where it is not finite; None: that step has no row."""
    if step is None or not len(table):
        return None
    at = bisect_left(table.steps, step)
    if at == len(table) or table.steps[at] != step:
        return None
    return table.smooth_of(smooth, at)
