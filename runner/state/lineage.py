"""Which checkpoints belong to the training that the newest attempt continues; what stopping would cost. Pure.

A later attempt that starts at or before a step trains it again: files of earlier attempts from that step on
are abandoned. They stay on disk, but no verdict depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from runner.model import AlarmKind, AttemptStatus, Checkpoint, Status
from runner.model.lean import dataclass


class OfStep(Protocol):
    """Something an attempt wrote at a true step: a checkpoint, an image, a validation."""

    @property
    def attempt(self) -> int: ...
    @property
    def step(self) -> int | None: ...


def superseded(one: OfStep, attempts: Sequence[AttemptStatus]) -> AttemptStatus | None:
    """The later attempt that trained its step again; None: none did."""
    step = one.step
    if step is None:
        return None
    later = (a for a in attempts if a.attempt > one.attempt and a.first_step is not None)
    return next((a for a in later if a.first_step is not None and a.first_step <= step), None)


def current(
    checkpoints: Iterable[Checkpoint], attempts: Sequence[AttemptStatus]
) -> tuple[Checkpoint, ...]:
    """Those with steps that no later attempt trained again."""
    return tuple(one for one in checkpoints if superseded(one, attempts) is None)


def resumable(
    checkpoints: Iterable[Checkpoint], attempts: Sequence[AttemptStatus], source: str | None
) -> tuple[Checkpoint, ...]:
    """Those that a resume may start from: the current ones, and the one whose state (path `source`) the
    newest attempt started from, even if it trains the steps before that state again."""
    return tuple(
        one
        for one in checkpoints
        if superseded(one, attempts) is None or (source is not None and one.state_path == source)
    )


def lasting_bad_step(status: Status) -> int | None:
    """The first true step with untrusted weights; None: none. A bad loss counts unless the guard saw good
    exact losses after it (ONE_BAD_STEP): then later checkpoints are as good as their own numbers."""
    first, alarms = status.first_nonfinite_step, status.alarms
    if not any(a.kind is AlarmKind.ONE_BAD_STEP and a.step == first for a in alarms):
        return first
    lasting = (a.step for a in alarms if a.kind is AlarmKind.NONFINITE and a.step is not None)
    return min((step for step in lasting if first is not None and step >= first), default=None)


def safe_step(checkpoints: Iterable[Checkpoint], untrusted: int | None = None) -> int:
    """The true step of the newest complete training state of finite weights before step `untrusted`; 0
    without any."""
    return _newest(
        (c for c in checkpoints if c.state_complete and c.finite is not False), untrusted
    )


def weights_step(checkpoints: Iterable[Checkpoint], untrusted: int | None = None) -> int:
    """The true step of the newest checkpoint before step `untrusted` verified as complete and finite and
    still existing; 0 without any."""
    there = (c for c in checkpoints if not (c.removed or c.missing))
    return _newest((c for c in there if c.was_good), untrusted)


def _newest(checkpoints: Iterable[Checkpoint], untrusted: int | None) -> int:
    steps = (c.step for c in checkpoints if c.step is not None)
    return max((step for step in steps if untrusted is None or step < untrusted), default=0)


@dataclass(frozen=True, slots=True)
class StopCost:
    """`kept_step`: the true step that a resume would start at, with a state or (`with_state` False) from
    weights only; 0: nothing is saved. `steps`, `seconds`: what stopping now would lose; seconds None: pace
    unknown."""

    kept_step: int
    with_state: bool
    steps: int
    seconds: float | None


def stop_cost(
    step: int, state_step: int, weights_step: int, seconds_per_step: float | None
) -> StopCost:
    """The cost of stopping at true step `step`: a resume prefers a state to newer weights."""
    kept = state_step or weights_step
    steps = max(0, step - kept)
    seconds = None if seconds_per_step is None else steps * seconds_per_step
    return StopCost(kept, bool(state_step), steps, seconds)
