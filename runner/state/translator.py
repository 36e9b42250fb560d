"""Console events and exact losses in, journal events and rows out; the attempt's state follows from these.

Pure: no files, no clock (the caller passes `now`, wall-clock seconds). The supervisor feeds it and writes its
results; the same bytes give the same events and rows, so a new supervisor can take over from a killed one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from pathlib import PurePath

from runner.model import Checkpoint, JournalEvent, Phase
from runner.model.events import (
    BannerSeen,
    CheckpointRemoved,
    CheckpointSaving,
    ConsoleEvent,
    DeviceSeen,
    EpochStarted,
    ExceptionSeen,
    FatalSeen,
    ModelSaved,
    NothingToTrain,
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
from runner.state.evidence import Bar, EvidenceCollector, Images
from runner.state.flat_loss import FlatLoss
from runner.state.pace import Pace
from runner.state.row_buffer import RowBuffer
from runner.state.step_mapper import StepMapper
from runner.trainers.names import KOHYA_NAMES, CheckpointName

#: beyond this many warnings, only one in this many is journaled
WARNINGS_JOURNALED, WARNINGS_APART = 200, 100


class Translator:
    """For one attempt. `state` changes only by `apply`, with the results of `take_events` and `take_rows`; a
    few events (each new detail of a phase, excess warnings) change it and are written only as the last of
    their kind. It also has console-only facts, the pace and the checkpoints."""

    def __init__(
        self,
        attempt: int,
        *,
        base_step: int = 0,
        origin_step: int = 0,
        catching_up: bool = False,
        stop_step: int | None = None,
        output_name: str | None = None,
    ) -> None:
        self.attempt = attempt
        self._names = names = KOHYA_NAMES.of(output_name)
        self.stop_step = stop_step
        self.state = AttemptState(attempt, StepMapper(base_step, origin_step))
        self.bar, self.images = Bar(), Images()
        self.flat = FlatLoss()
        self.pace = Pace()
        self.book = CheckpointBook(attempt, names)
        self.rows = RowBuffer(self.state, self.book, catching_up=catching_up)
        self.evidence = EvidenceCollector(names)
        #: (true step, loss) of validations, in order; a loss may be NaN
        self._validations: list[tuple[int, float]] = []
        #: the newest step trained after the planned last one
        self.past_step: int | None = None
        self._banner: dict[str, int] = {}
        self._bar_step: int | None = None
        self._warnings = 0
        self._events: list[JournalEvent] = []
        #: by kind: applied, not written yet
        self._passing: dict[str, JournalEvent] = {}
        #: of the current event
        self._now, self._offset = 0.0, 0

    # ----------------------------------------------------------------- in

    def on_console(self, event: ConsoleEvent, now: float) -> None:
        """Take one event of the console parser."""
        self._now, self._offset = now, event.offset
        self.evidence.on(event)
        match event:
            case StepShown():
                self._on_step(event)
            case PhaseChanged(phase=phase, detail=detail):
                self._enter(phase, detail)
            case DeviceSeen(device=device):
                if self.state.device is None:
                    self._emit("device", device=device)
            case BannerSeen(name=name, value=value):
                self._banner[name] = value
                if "total_steps" in self._banner:
                    self._emit("banner", **self._banner)
            case EpochStarted(epoch=epoch, epochs=epochs):
                self._emit("epoch", epoch=epoch, epochs=epochs)
            case SubsetSeen():
                self.images.see(event)
            case SampleStarted() | ValidationSeen() if self.past_step is not None:
                pass  # of ignored weights
            case SampleStarted():
                self._emit("sampling", step=self.state.step)
            case ValidationSeen(loss=loss):
                self._validations.append((self.state.step, loss))
                if event.whole_epoch:
                    self._emit("validated", step=self.state.step, loss=loss)
            case _:
                self._on_file(event)

    def _on_file(self, event: ConsoleEvent) -> None:
        match event:
            case CheckpointSaving(path=path):
                self._on_saving(path)
            case StateSaving(path=path):
                self._enter(Phase.SAVING, PurePath(path).name)
            case StateSaved(path=path):
                one = self.book.add_state(path)
                step = one.step if one is not None else None
                self._emit("state_saved", path=path, step=step or self.state.step)
            case CheckpointRemoved(path=path):
                self.book.remove(path)
                self._emit("checkpoint_removed", path=path)
            case StateRemoved(path=path):
                self.book.remove_state(path)
                self._emit("state_removed", path=path)
            case ModelSaved():
                self._emit("model_saved")
            case _:
                self._on_word(event)

    def _on_word(self, event: ConsoleEvent) -> None:
        match event:
            case ResumeSeen(state_path=path, state_step=step, skip_steps=skipped):
                self._emit("resumed", state_path=path, state_step=step, skip_steps=skipped)
            case WarningSeen(level=level, text=text):
                self._on_warning({"level": level, "text": text})
            case ExceptionSeen(name=name, message=text):
                self._emit("exception", name=name, text=text)
            case FatalSeen(text=text):
                self._emit("fatal", text=text)
            case NothingToTrain(text=text):
                self._emit("nothing_to_train", text=text)

    def _on_warning(self, data: dict[str, object]) -> None:
        self._warnings += 1
        if self._warnings > WARNINGS_JOURNALED:
            data = {**data, "count": self._warnings}
        passes = self._warnings > WARNINGS_JOURNALED and self._warnings % WARNINGS_APART
        (self._pass if passes else self._emit)("warning", **data)

    def on_exact(
        self, shown_step: int, loss: float | None, at: float, lr: float | None = None
    ) -> int | None:
        """An exact loss (or only the learning rate) from TensorBoard; `shown_step` is its x (the trainer's
        global_step). Returns its true step; None: unknown, or outside the plan."""
        step = self.state.mapper.true_from_global(shown_step)
        if step is None or shown_step < 1 or self._is_past_plan(step):
            return None  # at 0: batches of an accumulation before the first step
        if loss is None:
            self.rows.add_rate(step, at, lr)
        else:
            self._note_finite(step, loss)
            self.flat.on_exact(shown_step, loss)
            self.rows.add_loss(step, loss, at, lr)
        return step

    def tick(self, now: float, losses_read_at: float | None = None) -> None:
        """Called periodically, even without output. `losses_read_at`: see RowBuffer."""
        self.pace.look(now)
        self.rows.tick(now, losses_read_at)

    # ----------------------------------------------------------------- steps

    def _is_past_plan(self, step: int) -> bool:
        """Trained after the planned last step: it does not count for this run."""
        return self.stop_step is not None and step > self.stop_step

    def _on_step(self, event: StepShown) -> None:
        self.bar.show(event)
        self.flat.on_average(event.shown_step, event.average)
        mapper, now = self.state.mapper, self._now
        step = mapper.true_from_bar(event.shown_step)
        if step is None or event.shown_step == 0:
            return
        if self._is_past_plan(step):
            self.past_step = max(step, self.past_step or 0)
            return
        if self._bar_step is None or step > self._bar_step:
            self.pace.on_step(step, now)
            self._bar_step = step
            if self.state.saving_since is not None:
                # the bar moves again: the save is complete
                self._enter(Phase.TRAINING, "")
        average = event.average
        if average is not None:
            average *= mapper.average_factor(event.shown_step)
        shown = self.rows.show(step, average, now)
        # a step's average may still be the previous step's: an exact loss decides
        if shown and average is not None and not self.rows.exact:
            self._note_finite(step, average)

    def _note_finite(self, step: int, loss: float) -> None:
        known = self.state.first_nonfinite_step
        if not math.isfinite(loss) and (known is None or step < known):
            self._take(JournalEvent(0.0, "loss_not_finite", self.attempt, None, {"step": step}))

    def validation_at(self, step: int | None) -> float | None:
        """The loss of the newest validation at or before a true step."""
        if step is None:
            return None
        at = bisect_right(self._validations, step, key=lambda found: found[0])
        return self._validations[at - 1][1] if at else None

    # ----------------------------------------------------------------- files and phases

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Of this attempt, in the order of saving."""
        return self.book.own

    def _on_saving(self, path: str) -> None:
        name = PurePath(path).name
        self._enter(Phase.SAVING, name)
        found, mapper = self._parsed(name), self.state.mapper
        step: int | None = self.state.step
        if found.step is not None:
            step = mapper.true_from_name(found.step)
        elif found.epoch is not None:
            step = mapper.true_from_epoch(found.epoch) or self.state.step
        elif self.past_step is not None:
            step = self.past_step
        if step is not None and self._is_past_plan(step):
            self._emit("saved_past_plan", path=path, step=step)
            return
        self.book.add(
            Checkpoint(
                name=name,
                path=path,
                step=step,
                epoch=found.epoch,
                attempt=self.attempt,
                saved_at=self._now,
                loss=self.rows.smoothing.now,
                final=found.final or (step is not None and step == self.stop_step),
            )
        )
        self._emit("checkpoint_saving", name=name, path=path, step=step, epoch=found.epoch)

    def _parsed(self, name: str) -> CheckpointName:
        """An epoch that is not among the planned ones is a part of the training's name."""
        found = self._names.parse(name)
        epochs = self.state.epochs or self._banner.get("epochs")
        if found.epoch is not None and epochs is not None and found.epoch > epochs:
            return CheckpointName(found.stem, found.stem, final=True)
        return found

    def _enter(self, phase: Phase, detail: str) -> None:
        if phase in PAUSES:
            self.pace.pause(self._now)
        state = self.state
        saves_again = phase is Phase.SAVING and state.saving_since is None
        if phase is not state.phase:
            self._emit("phase", phase=str(phase), detail=detail)
        elif detail != state.phase_detail or saves_again:
            self._pass("phase", phase=str(phase), detail=detail)

    # ----------------------------------------------------------------- out

    def _emit(self, kind: str, /, **data: object) -> None:
        """Change the state by an event and queue it for writing."""
        self._take(JournalEvent(self._now, kind, self.attempt, self._offset, data))

    def _take(self, event: JournalEvent) -> None:
        apply(self.state, event)
        self._passing.pop(event.kind, None)
        self._events.append(event)

    def _pass(self, kind: str, /, **data: object) -> None:
        """Change the state by an event that is only written if it stays the last of its kind."""
        event = JournalEvent(self._now, kind, self.attempt, self._offset, data)
        apply(self.state, event)
        self._passing[kind] = event

    def take_rows(self) -> list[StepRow]:
        """Rows to write, once."""
        return self.rows.take()

    def take_events(self, now: float) -> list[JournalEvent]:
        """Events to write, once."""
        events, self._events = self._events, []
        return [replace(e, at=now) if e.at == 0.0 else e for e in events]

    def finish(self) -> None:
        """The trainer has ended: no more input."""
        self.rows.finish()
        if self._banner and "total_steps" not in self._banner:
            self._now = 0.0
            self._emit("banner", **self._banner)
            self._banner = {}
        # they get the end offset: a journal's offsets are in order
        self._events += [replace(e, offset=self._offset) for e in self._passing.values()]
        self._passing.clear()
