"""What is known of an attempt, and the one function that changes it: `apply`. Pure.

The supervisor applies an event when it journals it, a replay applies journal lines, a log reader applies the
log's events: the same facts give the same state.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from runner.model import AttemptStatus, JournalEvent, Phase
from runner.model.events import BannerSeen, EpochStarted, ResumeSeen
from runner.state.step_mapper import StepMapper

#: phases between two steps that are not training
PAUSES = (Phase.SAVING, Phase.SAMPLING, Phase.VALIDATING)


@dataclass(slots=True)
class StepRow:
    """A line for steps.jsonl, final once returned. `loss` is exact, `average` the one of the trainer's
    bar; `at` is wall-clock seconds, None if the step was not observed."""

    step: int
    at: float | None
    loss: float | None = None
    average: float | None = None
    lr: float | None = None


@dataclass(slots=True)
class AttemptState:
    """One attempt by its events and rows. Steps are true steps; times are Unix seconds, 0.0 unknown.

    `first_step`, `last_step`: trained by this attempt; None before the first. `loss`: the exact loss of the
    newest step that has one (`loss_step`), `average` likewise. `validations`: finite losses of complete ones
    by step. `ended`: the data of the event `ended`."""

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
    validations: dict[int, float] = field(default_factory=dict)
    warnings: int = 0
    last_warning: str | None = None
    model_saved: bool = False
    stop_by: str | None = None
    stopping: bool = False
    stop_after_save: bool = False
    ended: dict[str, Any] | None = None

    def copy(self) -> AttemptState:
        made = copy(self)
        made.mapper = copy(self.mapper)
        made.validations = self.validations.copy()
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
        """Of the full run, by the banner; a trainer that ignores earlier steps reports the rest."""
        told = self.banner.get("total_steps")
        return None if told is None else self.mapper.origin_step + told


def apply(state: AttemptState, fact: JournalEvent | StepRow) -> None:
    """Change the state by one event of this attempt, or by one step: the only way to change it. Events and
    rows may arrive in any relative order."""
    if isinstance(fact, StepRow):
        _on_step(state, fact)
        return
    match fact.kind:
        case "phase":
            _on_phase(state, fact)
        case "banner":
            _on_banner(state, fact)
        case "epoch":
            state.epoch, state.epochs = int_of(fact, "epoch"), int_of(fact, "epochs")
            if state.epoch is not None:
                state.mapper.on(EpochStarted(0, state.epoch, state.epochs or 0))
        case "resumed":
            state_step, skipped = int_of(fact, "state_step"), int_of(fact, "skip_steps")
            state.mapper.on(ResumeSeen(0, state_step=state_step, skip_steps=skipped))
        case "device":
            state.device = text_of(fact, "device")
        case "warning":
            # of very many, not every one is journaled: then it has their number
            state.warnings = int_of(fact, "count") or state.warnings + 1
            state.last_warning = text_of(fact, "text")
        case "loss_not_finite":
            step, known = int_of(fact, "step"), state.first_nonfinite_step
            if known is None or (step is not None and step < known):
                state.first_nonfinite_step = step
        case "validated":
            at, loss = int_of(fact, "step"), fact.data.get("loss")
            if at is not None and isinstance(loss, int | float) and math.isfinite(loss):
                state.validations[at] = float(loss)
        case "checkpoint_saving" if fact.data.get("epoch") is None:
            # saved before the bar shows the step; an epoch's step is computed, and proves nothing
            saved = int_of(fact, "step")
            if saved is not None and saved > state.mapper.base_step:
                _reach(state, saved)
        case "model_saved":
            state.model_saved, state.saving_since = True, None
        case _:
            _on_supervision(state, fact)


def _on_supervision(state: AttemptState, event: JournalEvent) -> None:
    """Events not caused by the trainer."""
    match event.kind:
        case "started" | "adopted":
            state.phase_since = state.phase_since or event.at
        case "ordered" if event.data.get("order") == "stop":
            state.stop_by = text_of(event, "by")
            state.stop_after_save = event.data.get("mode") == "after_save"
        case "stop_cancelled":
            state.stop_by, state.stop_after_save = None, False
        case "signalled":
            state.stopping, state.stop_after_save = True, False
        case "ended":
            state.ended = event.data


def _on_step(state: AttemptState, row: StepRow) -> None:
    step = row.step
    _reach(state, step)
    if row.average is not None and step >= state.average_step:
        state.average, state.average_step = row.average, step
    if row.loss is not None and step >= state.loss_step:
        state.loss, state.loss_step = row.loss, step


def _reach(state: AttemptState, step: int) -> None:
    if state.last_step is None or step > state.last_step:
        state.last_step = step
    if state.first_step is None or step < state.first_step:
        state.first_step = step


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


def phase_of(event: JournalEvent) -> Phase | None:
    """The phase of a `phase` event; None if unknown."""
    found = Phase(str(event.data.get("phase")))
    return found if found is not Phase.UNKNOWN else None


def int_of(event: JournalEvent, name: str) -> int | None:
    """A field of an event; None if it is not an integer."""
    value = event.data.get(name)
    return value if isinstance(value, int) else None


def text_of(event: JournalEvent, name: str) -> str | None:
    """A field of an event; None if it is not text."""
    value = event.data.get(name)
    return value if isinstance(value, str) else None
