"""Console events and exact losses in, journal events and rows out; the attempt's state follows from these.

Pure: no files, no clock of its own (`now` is handed in, wall-clock seconds). The supervisor feeds it and writes
down what it answers; feeding it the same bytes again gives the same events and rows, which is how a new
supervisor takes over from a killed one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import PurePath

from runner.model import (
    AttemptStatus,
    BannerSeen,
    Checkpoint,
    CheckpointRemoved,
    CheckpointSaving,
    ConsoleEvent,
    DeviceSeen,
    EpochStarted,
    ExceptionSeen,
    FatalSeen,
    JournalEvent,
    ModelSaved,
    NothingToTrain,
    Phase,
    PhaseChanged,
    ResumeSeen,
    SampleStarted,
    StateRemoved,
    StateSaved,
    StateSaving,
    StepShown,
    SubsetSeen,
    ValidationSeen,
    WarningSeen,
)
from runner.state.attempt_state import PAUSES, AttemptState, StepRow, apply
from runner.state.checkpoint_book import CheckpointBook
from runner.state.evidence import EvidenceCollector
from runner.state.pace import Pace
from runner.state.step_mapper import StepMapper
from runner.store.series import SMOOTHING
from runner.trainers.sd_scripts.names import parse_checkpoint_name

#: a step's row waits so long for its exact loss before it is written with the average alone
ROW_PATIENCE_S = 0.15
#: of more warnings than this, one of so many is journaled
WARNINGS_JOURNALED, WARNINGS_APART = 200, 100


@dataclass(slots=True)
class _Row:
    step: int
    seen_at: float
    loss: float | None = None
    average: float | None = None
    lr: float | None = None


@dataclass(slots=True)
class Bar:
    """What the trainer's bar has shown, in its own numbers."""

    shown_step: int = 0
    average: float | None = None
    first_nonfinite: int | None = None

    def show(self, event: StepShown) -> None:
        if event.shown_step > self.shown_step:
            self.shown_step = event.shown_step
        if event.average is None:
            return
        self.average = event.average
        if self.first_nonfinite is None and not math.isfinite(event.average):
            self.first_nonfinite = event.shown_step


class Translator:
    """Of one attempt. `state` changes only by `apply`, with what `take_events` and `take_rows` hand out to be
    written; a few events (each new detail of a phase, warnings beyond a number) change it and are written
    only as the last of their kind. Besides it: what only the console tells (`bar`, `evidence`,
    `images`, `past_step`), the measured pace, and the checkpoints."""

    def __init__(
        self,
        attempt: int,
        *,
        base_step: int = 0,
        origin_step: int = 0,
        catching_up: bool = False,
        stop_step: int | None = None,
    ) -> None:
        self.attempt = attempt
        self.stop_step = stop_step
        self.catching_up = catching_up
        self.state = AttemptState(attempt, StepMapper(base_step, origin_step))
        self.bar = Bar()
        self.pace = Pace()
        self.book = CheckpointBook(attempt)
        self.evidence = EvidenceCollector()
        #: the newest step trained after the planned last one
        self.past_step: int | None = None
        self._banner: dict[str, int] = {}
        self._exact = False
        self._bar_step: int | None = None
        self._warnings = 0
        self._pending: OrderedDict[int, _Row] = OrderedDict()
        self._written = 0
        self._rows: list[StepRow] = []
        self._events: list[JournalEvent] = []
        #: by kind: applied, and not written so far
        self._passing: dict[str, JournalEvent] = {}
        self._offset = 0
        self._state_of: dict[str, str] = {}
        self._subsets: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._validations: list[tuple[int, float]] = []
        self._ema = 0.0
        self._weight = 0.0
        self._broken = False

    # ----------------------------------------------------------------- in

    def on_console(self, event: ConsoleEvent, now: float) -> None:
        """Take one event of the console parser."""
        self._offset = event.offset
        self.evidence.on(event)
        match event:
            case StepShown():
                self._on_step(event, now)
            case PhaseChanged():
                self._enter(event.phase, event.detail, now, event.offset)
            case DeviceSeen(device=device):
                if self.state.device is None:
                    self._tell("device", now, event.offset, device=device)
            case BannerSeen(name=name, value=value):
                self._banner[name] = value
                if "total_steps" in self._banner:
                    self._tell("banner", now, event.offset, **self._banner)
            case EpochStarted():
                self._tell("epoch", now, event.offset, epoch=event.epoch, epochs=event.epochs)
            case _:
                self._on_rare(event, now)

    def _on_rare(self, event: ConsoleEvent, now: float) -> None:
        match event:
            case SampleStarted() | ValidationSeen() if self.past_step is not None:
                pass  # of weights that do not count
            case CheckpointSaving(path=path):
                self._on_saving(path, now, event.offset)
            case StateSaving(path=path):
                self._enter(Phase.SAVING, PurePath(path).name, now, event.offset)
            case StateSaved(path=path):
                self._on_state(path, now, event.offset)
            case CheckpointRemoved(path=path):
                self._on_removed(path, now, event.offset, "checkpoint_removed")
            case StateRemoved(path=path):
                self._on_removed(path, now, event.offset, "state_removed")
            case SampleStarted():
                self._tell("sampling", now, event.offset, step=self.state.step)
            case ValidationSeen():
                self._validations.append((self.state.step, event.loss))
                if event.whole_epoch:
                    self._tell(
                        "validated", now, event.offset, step=self.state.step, loss=event.loss
                    )
            case ResumeSeen():
                self._tell(
                    "resumed", now, event.offset, state_path=event.state_path,
                    state_step=event.state_step, skip_steps=event.skip_steps,
                )  # fmt: skip
            case WarningSeen():
                self._on_warning(event, now)
            case ExceptionSeen():
                self._tell("exception", now, event.offset, name=event.name, text=event.message)
            case FatalSeen(text=text):
                self._tell("fatal", now, event.offset, text=text)
            case SubsetSeen(is_reg=False):
                self._subsets[event.image_dir] = event.images
            case SubsetSeen(is_reg=None):
                self._folders[event.image_dir] = event.images
            case NothingToTrain():
                self._tell("nothing_to_train", now, event.offset, text=event.text)
            case ModelSaved():
                self._tell("model_saved", now, event.offset)

    def _on_warning(self, event: WarningSeen, now: float) -> None:
        self._warnings += 1
        told: dict[str, object] = {"level": event.level, "text": event.text}
        if self._warnings <= WARNINGS_JOURNALED:
            self._tell("warning", now, event.offset, **told)
            return
        told["count"] = self._warnings
        tell = self._pass if self._warnings % WARNINGS_APART else self._tell
        tell("warning", now, event.offset, **told)

    def on_exact(
        self, shown_step: int, loss: float | None, at: float, lr: float | None = None
    ) -> None:
        """An exact loss (or only the learning rate) from TensorBoard; `shown_step` is its x (the trainer's
        global_step)."""
        step = self.state.mapper.true_from_global(shown_step)
        if step is None or self.is_past_plan(step):
            return
        if loss is None:
            self._on_rate(step, at, lr)
            return
        self._exact = True
        self._note_finite(step, loss)
        row = self._pending.get(step)
        if row is not None:
            row.loss, row.lr, row.seen_at = loss, lr, at
            self._flush_until(step)
        elif step > self._written:
            row = self._pending.setdefault(step, _Row(step, at))
            row.loss, row.lr = loss, lr
        else:
            self._write(StepRow(step, at, loss, None, lr))

    def _on_rate(self, step: int, at: float, lr: float | None) -> None:
        """The learning rate came apart from its loss: it is added to the step's row."""
        row = self._pending.get(step)
        if row is not None:
            row.lr = lr
        elif step <= self._written:
            self._write(StepRow(step, at, None, None, lr))

    def tick(self, now: float) -> None:
        """Let go of rows that waited long enough for an exact loss."""
        self.pace.look(now)
        due = [s for s, row in self._pending.items() if now - row.seen_at > ROW_PATIENCE_S]
        if due and self.state.phase not in PAUSES:
            self._flush_until(max(due), only_finished=False)

    # ----------------------------------------------------------------- steps

    def is_past_plan(self, step: int) -> bool:
        """Trained after the planned last step: it belongs to no result of this run."""
        return self.stop_step is not None and step > self.stop_step

    def _on_step(self, event: StepShown, now: float) -> None:
        self.bar.show(event)
        mapper = self.state.mapper
        step = mapper.true_from_bar(event.shown_step)
        if step is None or event.shown_step == 0:
            return
        if self.is_past_plan(step):
            self.past_step = max(step, self.past_step or 0)
            return
        if self._bar_step is None or step > self._bar_step:
            self.pace.on_step(step, now)
            self._bar_step = step
            if self.state.saving_since is not None:
                # the bar moves again: whatever was being saved is saved
                self._enter(Phase.TRAINING, "", now, event.offset)
        row = self._pending.get(step)
        if row is None:
            if step <= self._written:
                return
            row = self._pending[step] = _Row(step, now)
            # with exact losses those of the steps before are about to come: see `tick`
            if not self._exact:
                self._flush_until(step - 1)
        if event.average is not None:
            row.average = event.average * mapper.average_factor(event.shown_step)
            self._note_average(step, event.average)
        # what the row tells of its step holds before the row is written
        apply(self.state, row)
        if row.loss is not None and event.average is not None:
            self._flush_until(step)  # its exact loss came first: nothing to wait for

    def _note_average(self, step: int, average: float) -> None:
        """The average of a step may still be the one of the step before: the exact loss decides."""
        if math.isfinite(average):
            return
        if not self._exact:
            self._note_finite(step, average)

    def _note_finite(self, step: int, loss: float) -> None:
        if math.isfinite(loss):
            return
        known = self.state.first_nonfinite_step
        if known is None or step < known:
            self._tell("loss_not_finite", 0.0, None, step=step)

    def _flush_until(self, step: int, *, only_finished: bool = True) -> None:
        """Write down the waiting rows up to `step`, in order."""
        for waiting in sorted(self._pending):
            if waiting > step:
                break
            row = self._pending.pop(waiting)
            known = row.loss is not None or row.average is not None
            if only_finished and not known and row.step != self.state.first_step:
                continue
            at = None if self.catching_up and row.loss is None else row.seen_at
            self._write(StepRow(row.step, at, row.loss, row.average, row.lr))
            self._written = max(self._written, row.step)
            self._smooth(row)

    def _write(self, row: StepRow) -> None:
        apply(self.state, row)
        self._rows.append(row)

    def _smooth(self, row: _Row) -> None:
        """A checkpoint carries the smoothed loss at its step: a single step's says little."""
        value = row.loss if row.loss is not None else row.average
        self._broken = not math.isfinite(value) if value is not None else self._broken
        if value is not None and not self._broken:
            self._ema = SMOOTHING * self._ema + (1 - SMOOTHING) * value
            self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        for key in self.book.own_keys:
            if self.book[key].step == row.step:
                self.book.update(key, loss=self.smooth)

    def continue_smoothing(self, average: float, weight: float) -> None:
        """Begin with the smoothed loss of the attempts before (`runner.state.losses.smoothing_until`): a run
        has one smoothed loss, over all of its attempts."""
        self._ema, self._weight = average, weight

    @property
    def smooth(self) -> float | None:
        """The smoothed loss of the run up to the newest written row: NaN where that row's loss is not
        finite, whatever was before."""
        if self._broken:
            return math.nan
        return self._ema / self._weight if self._weight else None

    # ----------------------------------------------------------------- files

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Of this attempt, in the order of saving."""
        return self.book.own

    def validation_at(self, step: int | None) -> float | None:
        """The newest validation loss at or before a true step, as the console shows it; it may be NaN."""
        if step is None:
            return None
        return next((loss for at, loss in reversed(self._validations) if at <= step), None)

    def _on_saving(self, path: str, now: float, offset: int) -> None:
        self._enter(Phase.SAVING, PurePath(path).name, now, offset)
        name = PurePath(path).name
        found = parse_checkpoint_name(name)
        step: int | None = self.state.step
        if found.step is not None:
            step = self.state.mapper.true_from_name(found.step)
        elif found.epoch is not None:
            step = self.state.mapper.true_from_epoch(found.epoch) or self.state.step
        elif self.past_step is not None:
            step = self.past_step
        if step is not None and self.is_past_plan(step):
            self._tell("saved_past_plan", now, offset, path=path, step=step)
            return
        checkpoint = Checkpoint(
            name=name,
            path=path,
            step=step,
            epoch=found.epoch,
            attempt=self.attempt,
            saved_at=now,
            loss=self.smooth,
            final=found.final or (step is not None and step == self.stop_step),
            state_path=self._state_of.pop(found.stem, None),
        )
        self.book.add(checkpoint)
        self._tell(
            "checkpoint_saving", now, offset, name=name, path=path, step=step, epoch=found.epoch
        )

    def _on_state(self, path: str, now: float, offset: int) -> None:
        stem, step = PurePath(path).name.removesuffix("-state"), self.state.step
        for key in self.book.own_keys:
            if PurePath(self.book[key].name).stem == stem:
                changed = self.book.update(key, state_path=path)
                step = changed.step or step
                break
        else:
            self._state_of[stem] = path
        self._tell("state_saved", now, offset, path=path, step=step)

    def _on_removed(self, path: str, now: float, offset: int, kind: str) -> None:
        name = PurePath(path).name
        for key in self.book.own_keys:
            one = self.book[key]
            if kind == "checkpoint_removed" and one.name == name:
                self.book.update(key, removed=True)
            state = one.state_path
            if kind == "state_removed" and state is not None and PurePath(state).name == name:
                self.book.update(key, state_path=None, state_complete=None)
        self._tell(kind, now, offset, path=path)

    # ----------------------------------------------------------------- phases

    def _enter(self, phase: Phase, detail: str, now: float, offset: int) -> None:
        if phase in PAUSES:
            self.pace.pause(now)
        state = self.state
        saves_again = phase is Phase.SAVING and state.saving_since is None
        if phase is not state.phase:
            self._tell("phase", now, offset, phase=str(phase), detail=detail)
        elif detail != state.phase_detail or saves_again:
            self._pass("phase", now, offset, phase=str(phase), detail=detail)

    # ----------------------------------------------------------------- out

    def _tell(self, kind: str, now: float, offset: int | None, /, **data: object) -> None:
        """Change the state by an event, and have it written."""
        self._passing.pop(kind, None)
        self._events.append(self._applied(JournalEvent(now, kind, self.attempt, offset, data)))

    def _pass(self, kind: str, now: float, offset: int | None, /, **data: object) -> None:
        """Change the state by an event that is written only if it stays the last of its kind."""
        self._passing[kind] = self._applied(JournalEvent(now, kind, self.attempt, offset, data))

    def _applied(self, event: JournalEvent) -> JournalEvent:
        apply(self.state, event)
        return event

    def take_rows(self) -> list[StepRow]:
        """Rows to write, once."""
        rows, self._rows = self._rows, []
        return rows

    def take_events(self, now: float) -> list[JournalEvent]:
        """Events to write, once."""
        events, self._events = self._events, []
        return [replace(e, at=now) if e.at == 0.0 else e for e in events]

    def finish(self) -> None:
        """The trainer is gone: nothing more will come."""
        if self._pending:
            self._flush_until(max(self._pending), only_finished=False)
        if self._banner and "total_steps" not in self._banner:
            self._tell("banner", 0.0, self._offset, **self._banner)
            self._banner = {}
        # where it ended is what counts for them: a journal has its offsets in order
        self._events += [replace(e, offset=self._offset) for e in self._passing.values()]
        self._passing.clear()

    @property
    def images(self) -> int | None:
        """Image files to train on, without regularisation images and repeats."""
        return sum(self._subsets.values()) if self._subsets else None

    @property
    def images_found(self) -> int | None:
        """The same; where the trainer did not describe its dataset, the files of all folders that it found."""
        counts = self._subsets or self._folders
        return sum(counts.values()) if counts else None

    def attempt_status(self, started_at: float) -> AttemptStatus:
        return AttemptStatus(self.attempt, started_at, self.state.first_step, self.state.last_step)
