"""Writes the journals of a run: nothing is written twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import msgspec

from runner.model import JournalEvent
from runner.state.attempt_state import StepRow, apply
from runner.state.journaled import Journaled
from runner.state.translator import Translator
from runner.store.appender import Appender
from runner.store.journal import step_row
from runner.supervisor.context import AttemptContext

log = logging.getLogger("supervisor")

FAULT_CHARACTERS = 300


class Journals:
    """Takes the translator's results and the supervisor's own events, which change the same state. Never
    raises for a full disk: lines are kept and written later. `faults`: what failed in this supervision, a
    sentence each, by part and kind of error."""

    def __init__(self, context: AttemptContext, translator: Translator) -> None:
        self._context, self._translator = context, translator
        self._events = Appender(context.run.events)
        self._steps = Appender(context.run.steps)
        self.hardware = Appender(context.run.hardware)
        self.faults: dict[str, str] = {}
        self._journaled = Journaled(context.run, context.attempt)
        #: of earlier supervisors, in this attempt
        self.before = self._journaled.own
        for event in self.before:
            apply(translator.state, event)

    def recall(self) -> None:
        """Before console.log is read again: if it was damaged, only the journal says how steps are counted."""
        for event in self._journaled.counting:
            apply(self._translator.state, event)

    def recall_files(self) -> None:
        """After it was read again."""
        self._translator.book.recall(self._journaled.files, self._context.plan.stop_step)

    def flush(self) -> None:
        """Write the translator's rows and events."""
        found = (self._journaled.fresh_row(row) for row in self._translator.take_rows())
        rows = [self._line(row) for row in found if row is not None]
        if rows:
            self._steps.append(b"".join(rows))
        for event in self._translator.take_events(time.time()):
            self._append(event)
        for journal in (self._steps, self._events):
            journal.retry()

    def emit(self, kind: str, /, **data: object) -> None:
        """Journal an event of our own."""
        event = JournalEvent(time.time(), kind, self._context.attempt, None, dict(data))
        apply(self._translator.state, event)
        self._append(event)

    def fault(self, part: str, error: BaseException) -> None:
        """A part of the supervision failed. Journaled once for each part and kind of error."""
        log.error("%s failed", part, exc_info=error)
        kind = f"{part}: {type(error).__name__}"
        if kind not in self.faults:
            self.faults[kind] = f"{part} failed: {type(error).__name__}: {error}"[:FAULT_CHARACTERS]
            self.emit("fault", part=part, error=self.faults[kind])

    async def guarded(self, part: str, work: Callable[[], Awaitable[object] | None]) -> bool:
        """Do `work` once. A failure is journaled (False): it must not cost the start or the verdict."""
        try:
            done = work()
            if done is not None:
                await done
        except Exception as error:
            self.fault(part, error)
            return False
        return True

    def _append(self, event: JournalEvent) -> None:
        if self._journaled.is_fresh(event):
            self._events.append(msgspec.json.encode(event))

    def _line(self, row: StepRow) -> bytes:
        seconds = None if row.at is None else row.at - self._context.spec.created_at
        attempt = self._context.attempt
        return step_row(row.step, seconds, row.loss, row.average, row.lr, attempt)

    @property
    def full_at(self) -> float | None:
        """When the disk last had no room for a line, Unix time."""
        times = (one.full_at for one in (self._steps, self._events, self.hardware))
        return max((at for at in times if at is not None), default=None)
