"""What is known of an attempt, and the one function that changes it: `apply`. Pure.

The supervisor applies an event in the moment in which it journals it, a replay applies the lines of the
journal, a reader of a log those that the log makes: the same facts give the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

from runner.model import AttemptPlan, AttemptStatus, JournalEvent, Phase
from runner.model.events import BannerSeen, EpochStarted, ResumeSeen
from runner.state.step_mapper import StepMapper

#: phases that come between two steps and are no training
PAUSES = (Phase.SAVING, Phase.SAMPLING, Phase.VALIDATING)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A line for steps.jsonl; `at` is wall-clock seconds, None when nobody watched."""

    step: int
    at: float | None
    loss: float | None
    average: float | None
    lr: float | None


class TrainedStep(Protocol):
    """What a StepRow tells of its step, written or not: `loss` is exact, `average` the trainer's bar's."""

    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float | None: ...
    @property
    def average(self) -> float | None: ...


@dataclass(slots=True)
class AttemptState:
    """One attempt by its events and rows. Steps are true steps; times are seconds since 1970, 0.0 unknown.

    `first_step`, `last_step`: trained by this attempt; None before the first. `loss`: the exact loss of the
    newest step that has one (`loss_step`), `average` likewise. `ended`: the data of the event `ended`."""

    attempt: int = 0
    mapper: StepMapper = field(default_factory=StepMapper)
    phase: Phase = Phase.LAUNCHING
    phase_detail: str = ""
    phase_since: float = 0.0
    saving_since: float | None = None
    banner: dict[str, int] = field(default_factory=dict)
    device: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    first_step: int | None = None
    last_step: int | None = None
    loss: float | None = None
    loss_step: int = 0
    average: float | None = None
    average_step: int = 0
    first_nonfinite_step: int | None = None
    warnings: int = 0
    last_warning: str | None = None
    model_saved: bool = False
    stop_by: str | None = None
    stopping: bool = False
    stop_after_save: bool = False
    ended: dict[str, Any] | None = None

    @classmethod
    def begin(cls, attempt: int, plan: AttemptPlan | None = None) -> AttemptState:
        """Before its first event."""
        if plan is None:
            return cls(attempt)
        return cls(attempt, StepMapper(plan.base_step, plan.origin_step))

    def copy(self) -> AttemptState:
        made = copy(self)
        made.mapper = copy(self.mapper)
        return made

    @property
    def step(self) -> int:
        """The newest step: trained, or the one that the attempt continues from."""
        return self.mapper.base_step if self.last_step is None else self.last_step

    def status(self, started_at: float) -> AttemptStatus:
        """Its line in the status, without its end."""
        return AttemptStatus(self.attempt, started_at, self.first_step, self.last_step)

    @property
    def total_steps(self) -> int | None:
        """Of the whole run, by the banner; a trainer that knows nothing of what came before tells the rest."""
        told = self.banner.get("total_steps")
        return None if told is None else self.mapper.origin_step + told


def apply(state: AttemptState, fact: JournalEvent | TrainedStep) -> None:
    """Change the state by one event of this attempt, or by one step: the only way to change it. Events and
    rows may come in any order relative to each other."""
    if not isinstance(fact, JournalEvent):
        _on_step(state, fact)
        return
    change = _CHANGES.get(fact.kind)
    if change is not None:
        change(state, fact)


def _on_step(state: AttemptState, row: TrainedStep) -> None:
    step = row.step
    if state.last_step is None or step > state.last_step:
        state.last_step = step
    if state.first_step is None or step < state.first_step:
        state.first_step = step
    if row.average is not None and step >= state.average_step:
        state.average, state.average_step = row.average, step
    if row.loss is not None and step >= state.loss_step:
        state.loss, state.loss_step = row.loss, step


def _on_start(state: AttemptState, event: JournalEvent) -> None:
    if not state.phase_since:
        state.phase_since = event.at


def _on_phase(state: AttemptState, event: JournalEvent) -> None:
    phase = phase_of(event)
    if phase is None:
        return
    if phase is not state.phase:
        state.phase, state.phase_since = phase, event.at
    state.phase_detail = str(event.data.get("detail", ""))
    if phase is not Phase.SAVING:
        state.saving_since = None
    elif state.saving_since is None:
        state.saving_since = event.at


def _on_banner(state: AttemptState, event: JournalEvent) -> None:
    state.banner = {str(k): v for k, v in event.data.items() if isinstance(v, int)}
    for name in ("batches_per_epoch", "accumulation"):
        if name in state.banner:
            state.mapper.on(BannerSeen(0, name, state.banner[name]))


def _on_epoch(state: AttemptState, event: JournalEvent) -> None:
    state.epoch, state.epochs = int_of(event, "epoch"), int_of(event, "epochs")
    if state.epoch is not None:
        state.mapper.on(EpochStarted(0, state.epoch, state.epochs or 0))


def _on_resumed(state: AttemptState, event: JournalEvent) -> None:
    state.mapper.on(
        ResumeSeen(
            0, state_step=int_of(event, "state_step"), skip_steps=int_of(event, "skip_steps")
        )
    )


def _on_device(state: AttemptState, event: JournalEvent) -> None:
    state.device = text_of(event, "device")


def _on_warning(state: AttemptState, event: JournalEvent) -> None:
    # of very many, not every one is journaled: then it says how many there were
    state.warnings = int_of(event, "count") or state.warnings + 1
    state.last_warning = text_of(event, "text")


def _on_nonfinite(state: AttemptState, event: JournalEvent) -> None:
    step = int_of(event, "step")
    known = state.first_nonfinite_step
    if known is None or (step is not None and step < known):
        state.first_nonfinite_step = step


def _on_model_saved(state: AttemptState, _: JournalEvent) -> None:
    state.model_saved, state.saving_since = True, None


def _on_order(state: AttemptState, event: JournalEvent) -> None:
    if event.data.get("order") == "stop":
        state.stop_by = text_of(event, "by")
        state.stop_after_save = event.data.get("mode") == "after_save"


def _on_cancel(state: AttemptState, _: JournalEvent) -> None:
    state.stop_by, state.stop_after_save = None, False


def _on_signal(state: AttemptState, _: JournalEvent) -> None:
    state.stopping, state.stop_after_save = True, False


def _on_end(state: AttemptState, event: JournalEvent) -> None:
    state.ended = event.data


_CHANGES: dict[str, Callable[[AttemptState, JournalEvent], None]] = {
    "started": _on_start,
    "adopted": _on_start,
    "phase": _on_phase,
    "banner": _on_banner,
    "epoch": _on_epoch,
    "resumed": _on_resumed,
    "device": _on_device,
    "warning": _on_warning,
    "loss_not_finite": _on_nonfinite,
    "model_saved": _on_model_saved,
    "ordered": _on_order,
    "stop_cancelled": _on_cancel,
    "signalled": _on_signal,
    "ended": _on_end,
}


def phase_of(event: JournalEvent) -> Phase | None:
    """The phase that an event `phase` names; None if there is no such."""
    try:
        return Phase(str(event.data.get("phase")))
    except ValueError:
        return None


def int_of(event: JournalEvent, name: str) -> int | None:
    value = event.data.get(name)
    return value if isinstance(value, int) else None


def text_of(event: JournalEvent, name: str) -> str | None:
    value = event.data.get(name)
    return value if isinstance(value, str) else None
