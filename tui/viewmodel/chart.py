"""What the loss chart draws: the whole run on the x axis, including what is still to come."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runner.model import LossBucket, RunSnapshot, RunState
from runner.units import loss
from tui.viewmodel.expected import expected_checkpoints
from tui.viewmodel.progress import progress_of


@dataclass(frozen=True, slots=True)
class ChartModel:
    """Steps are true steps. `end_step`: right edge of the x axis; `epoch_steps`: last step of each
    epoch; `written`, `expected`: steps of checkpoints."""

    buckets: tuple[LossBucket, ...] = ()
    end_step: int = 1
    last_step: int = 0
    epoch_steps: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    expected: tuple[int, ...] = ()
    first_nonfinite_step: int | None = None
    value: str = ""
    source: str = ""
    read_fraction: float = 1.0


def chart_model(snapshot: RunSnapshot | None) -> ChartModel:
    if snapshot is None:
        return ChartModel()
    progress = progress_of(snapshot)
    series = snapshot.loss
    last = series.last_step or 0
    end = progress.total_steps or (_headroom(last) if snapshot.state is RunState.RUNNING else last)
    end = max(end, last, 1)
    status = snapshot.status
    written = sorted(
        {c.step for c in status.checkpoints if c.step is not None and not c.removed}
        if status
        else ()
    )
    shown = series.smooth if series.smooth is not None else series.last
    return ChartModel(
        buckets=series.buckets,
        end_step=end,
        last_step=last,
        epoch_steps=_epochs(progress.steps_per_epoch, end),
        written=tuple(written),
        expected=tuple(one.step for one in expected_checkpoints(snapshot)),
        first_nonfinite_step=series.first_nonfinite_step,
        value=loss(shown) if series.rows else "",
        source=_source(snapshot),
        read_fraction=snapshot.read_fraction,
    )


def _source(snapshot: RunSnapshot) -> str:
    if not snapshot.loss.rows:
        return ""
    return "exact, smoothed" if snapshot.loss.exact else "running average of the console"


def _headroom(last: int) -> int:
    """A right edge for a run of unknown length that moves seldom: the next 1, 2 or 5 times 10^n."""
    if last < 10:
        return 10
    size: int = 10 ** int(math.log10(last))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= last)


def _epochs(steps_per_epoch: float | None, end: int) -> tuple[int, ...]:
    """Ends of epochs, thinned to at most 40 by leaving out all but every n-th."""
    if steps_per_epoch is None or steps_per_epoch < 1:
        return ()
    number = int(end / steps_per_epoch + 1e-9)
    every = max(1, math.ceil(number / 40))
    return tuple(round(k * steps_per_epoch) for k in range(every, number + 1, every))
