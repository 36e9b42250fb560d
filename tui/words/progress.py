"""How far a run is, and which checkpoints are still expected. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from runner.history.report import current_step, kept_step, steps_per_epoch_of, stop_cost_of
from runner.model import (
    AlarmKind,
    Checkpoint,
    ExpectedCheckpoint,
    Forecast,
    JournalEvent,
    Outcome,
    RunSnapshot,
    RunState,
)
from runner.model.lean import dataclass
from runner.state.lineage import StopCost, current

# ---------------------------------------------------------------------------
# How far a run is, in numbers: the one place that decides on the source of each number.


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps are true steps; None: unknown. `seconds_per_step`: the one pace that is shown; `left_s`: the one
    time to the end, the supervisor's (with saves and samples), else steps times pace. `safe_step`: of the
    newest complete state, which a resume needs; `kept_step`: of the newest checkpoint that is complete
    and finite, from before the loss became NaN if it did; 0: none."""

    step: int
    total_steps: int | None
    epoch: int | None
    epochs: int | None
    steps_per_epoch: float | None
    seconds_per_step: float | None
    left_s: float | None
    safe_step: int
    kept_step: int
    trained_s: float | None
    stop_cost: StopCost

    @property
    def fraction(self) -> float | None:
        if not self.total_steps or self.total_steps <= 0:
            return None
        return max(0.0, min(1.0, self.step / self.total_steps))

    def seconds_until(self, step: int) -> float | None:
        """How long until `step` is trained: its part of the time to the end."""
        if step < self.step:
            return None
        if self.left_s is not None and self.total_steps and self.total_steps > self.step:
            return (step - self.step) * self.left_s / (self.total_steps - self.step)
        per_step = self.seconds_per_step
        return (step - self.step) * per_step if per_step is not None else None


def is_live(snapshot: RunSnapshot) -> bool:
    """A trainer is, or is about to be, at work."""
    return snapshot.state in (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


def newest_event(snapshot: RunSnapshot, kind: str) -> JournalEvent | None:
    """Of the attempt that the status is about: what happened in an earlier one is over."""
    attempt = snapshot.status.attempt if snapshot.status is not None else 1
    found = (e for e in reversed(snapshot.events) if e.kind == kind and e.attempt == attempt)
    return next(found, None)


def progress_of(snapshot: RunSnapshot) -> Progress:
    """The step journal runs ahead of status.json by up to a second, so the larger step counts."""
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    step = current_step(snapshot)
    total = (status.total_steps if status else None) or (forecast.steps if forecast else None)
    epochs = (status.epochs if status else None) or (forecast.epochs if forecast else None)
    seconds = status.seconds_per_step if status else None
    return Progress(
        step=step,
        total_steps=total,
        epoch=status.epoch if status else None,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch_of(snapshot),
        seconds_per_step=seconds,
        left_s=_left_s(snapshot, step, total, seconds),
        safe_step=status.safe_step if status else 0,
        kept_step=kept_step(snapshot),
        trained_s=status.trained_s if status else None,
        stop_cost=stop_cost_of(snapshot),
    )


def _left_s(
    snapshot: RunSnapshot, step: int, total: int | None, seconds: float | None
) -> float | None:
    if not is_live(snapshot):
        return None
    if snapshot.status is not None and snapshot.status.eta_s is not None:
        return snapshot.status.eta_s
    if seconds is None or total is None:
        return None
    return max(0, total - step) * seconds


def current_checkpoints(snapshot: RunSnapshot) -> tuple[Checkpoint, ...]:
    """Without those whose steps a later attempt trained again."""
    status = snapshot.status
    return current(status.checkpoints, status.attempts) if status is not None else ()


def is_good(checkpoint: Checkpoint) -> bool:
    """Verified as complete and finite, and not deleted."""
    there = not checkpoint.removed and not checkpoint.missing
    return bool(checkpoint.complete and checkpoint.finite and there)


def first_nonfinite(snapshot: RunSnapshot) -> int | None:
    """The first step whose loss, exact or averaged, was not finite."""
    known = [snapshot.loss.first_nonfinite_step]
    if snapshot.status is not None:
        known.append(snapshot.status.first_nonfinite_step)
    return min((step for step in known if step is not None), default=None)


def nan_since(snapshot: RunSnapshot) -> int | None:
    """The step from which on the loss is not finite; None: it is. The supervisor's alarms decide; where there
    are none, single exact losses may recover (a skipped step), sd-scripts' running average never does."""
    first, status = first_nonfinite(snapshot), snapshot.status
    kinds = (AlarmKind.NONFINITE, AlarmKind.ONE_BAD_STEP)
    alarms = [one for one in status.alarms if one.kind in kinds] if status is not None else []
    lasting = [one for one in alarms if one.kind is AlarmKind.NONFINITE and one.over_at is None]
    if lasting:
        return lasting[-1].step if lasting[-1].step is not None else first
    if snapshot.outcome is Outcome.DIVERGED:
        return first
    last = snapshot.loss.last
    recovered = snapshot.loss.exact and last is not None and math.isfinite(last)
    return None if alarms or recovered else first


def loss_now(snapshot: RunSnapshot) -> float | None:
    """The loss that is shown everywhere: smoothed, and NaN from the step on from which it is not finite."""
    series = snapshot.loss
    if nan_since(snapshot) is not None:
        return math.nan
    return series.smooth if series.smooth is not None else series.last


# ---------------------------------------------------------------------------
# Which checkpoints are still expected, and which of the forecast won't be written.


def expected_checkpoints(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    """Not written yet, by step: by the plan of the newest attempt, with what the first one should have
    written; else by the forecast.

    After a resume sd-scripts counts steps from 0 again and the save grid shifts: without a plan only the last
    file of the run is known.
    """
    planned = _planned(snapshot)
    if planned:
        missed = (one for one in _unplanned(snapshot) if _due_before(snapshot, one))
        return _in_order([*_unwritten(snapshot, planned), *missed])
    forecast = _forecast(snapshot)
    if forecast is None:
        return ()
    status = snapshot.status
    resumed = status is not None and status.attempt > 1
    return _in_order(
        [
            one
            for one in _unwritten(snapshot, forecast.checkpoints)
            if not resumed or is_final(snapshot, one)
        ]
    )


def impossible_checkpoints(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    """Files of the forecast that a resumed attempt will not write: its save grid is another one."""
    return _in_order([one for one in _unplanned(snapshot) if not _due_before(snapshot, one)])


def is_final(snapshot: RunSnapshot, one: ExpectedCheckpoint) -> bool:
    """Is it the file that the training ends with?"""
    forecast = _forecast(snapshot)
    return forecast is not None and one.name == forecast.final


def next_expected(snapshot: RunSnapshot, progress: Progress) -> ExpectedCheckpoint | None:
    """The next file that will be written after the present step, the last one of the run excepted:
    waiting for the end is not a way to stop."""
    for one in expected_checkpoints(snapshot):
        if one.step > progress.step and not is_final(snapshot, one):
            return one
    return None


def _in_order(found: list[ExpectedCheckpoint]) -> tuple[ExpectedCheckpoint, ...]:
    return tuple(sorted(found, key=lambda one: one.step))


def _forecast(snapshot: RunSnapshot) -> Forecast | None:
    return snapshot.spec.forecast if snapshot.spec is not None else None


def _planned(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    return snapshot.plan.expected if snapshot.plan is not None else ()


def _unplanned(snapshot: RunSnapshot) -> list[ExpectedCheckpoint]:
    """Of the forecast, what is neither written nor in the plan of a resumed attempt."""
    planned, forecast = _planned(snapshot), _forecast(snapshot)
    if forecast is None or not planned or (snapshot.plan is not None and snapshot.plan.attempt < 2):
        return []
    names, steps = {one.name for one in planned}, {one.step for one in planned}
    return [
        one
        for one in _unwritten(snapshot, forecast.checkpoints)
        if one.name not in names and one.step not in steps
    ]


def _due_before(snapshot: RunSnapshot, one: ExpectedCheckpoint) -> bool:
    """Was it for the first attempt to write? That one kept to the forecast."""
    attempts = snapshot.status.attempts if snapshot.status is not None else ()
    last = attempts[0].last_step if attempts else None
    return last is not None and one.step <= last


def _unwritten(
    snapshot: RunSnapshot, planned: Iterable[ExpectedCheckpoint]
) -> list[ExpectedCheckpoint]:
    """By name; a resumed run's files have other names, so the same step counts as well."""
    written = current_checkpoints(snapshot)
    names, steps = {c.name for c in written}, {c.step for c in written}
    ended = any(c.final for c in written)
    return [
        one
        for one in planned
        if one.name not in names and not (ended if is_final(snapshot, one) else one.step in steps)
    ]
