"""What the loss chart draws: the whole run on the x axis, including what is still to come."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from runner.model import AttemptStatus, LossBucket, RunSnapshot, RunState
from runner.model.lean import dataclass
from runner.model.units import loss
from tui.words.progress import expected_checkpoints, loss_now, progress_of


@dataclass(frozen=True, slots=True)
class ChartModel:
    """Steps are true steps. `end_step`: right edge of the x axis; `epoch_steps`: last step of each
    epoch; `written`, `expected`: steps of checkpoints; `resumes`: (attempt, its first step) of all but
    the first; `told`: what became of replaced steps, from the most words to the fewest."""

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
    resumes: tuple[tuple[int, int], ...] = ()
    told: tuple[str, ...] = ()


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
        {c.step for c in status.checkpoints if c.step is not None and not (c.removed or c.missing)}
        if status
        else ()
    )
    attempts = status.attempts if status else ()
    return ChartModel(
        buckets=series.buckets,
        end_step=end,
        last_step=last,
        epoch_steps=_epochs(progress.steps_per_epoch, end),
        written=tuple(written),
        expected=tuple(one.step for one in expected_checkpoints(snapshot)),
        first_nonfinite_step=series.first_nonfinite_step,
        value=loss(loss_now(snapshot)) if series.rows else "",
        source=_source(snapshot),
        read_fraction=snapshot.read_fraction,
        resumes=tuple((a.attempt, a.first_step) for a in attempts[1:] if a.first_step is not None),
        told=_told(attempts),
    )


def replaced_steps(attempts: Sequence[AttemptStatus]) -> tuple[tuple[int, int], ...]:
    """First and last of the steps that a later attempt trained again; the older ones are no part of
    the training any more."""
    found = []
    reached = 0
    for one in attempts:
        if one.first_step is None:
            continue
        if one.first_step <= reached:
            found.append((one.first_step, reached))
        reached = one.last_step if one.last_step is not None else one.first_step
    return tuple(found)


def span_word(span: tuple[int, int]) -> str:
    return f"{span[0]}-{span[1]}" if span[0] != span[1] else str(span[0])


def _told(attempts: Sequence[AttemptStatus]) -> tuple[str, ...]:
    """Empty for a run that was never resumed."""
    begun = [one for one in attempts[1:] if one.first_step is not None]
    if not begun:
        return ()
    newest = f"attempt {begun[-1].attempt} from {begun[-1].first_step}"
    again = replaced_steps(attempts)
    if not again:
        return (newest,)
    every = f"{', '.join(map(span_word, again))} trained again"
    last = f"{span_word(again[-1])} trained again"
    return tuple(dict.fromkeys((f"{newest}, {every}", every, last)))


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


def loss_at(buckets: Sequence[LossBucket], step: int) -> float | None:
    """The smoothed loss at a true step; None: no loss was recorded around it."""
    at = bisect_left(buckets, step, key=lambda bucket: bucket.last_step)
    if at < len(buckets) and buckets[at].first_step <= step:
        return buckets[at].smooth
    # a step between two rows: the console shows not every one
    return buckets[at - 1].smooth if 0 < at < len(buckets) else None
