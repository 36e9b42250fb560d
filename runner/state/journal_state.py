"""What the events of a run report: every attempt's state, alarms and files, by the journal alone. Pure.

For those who read a journal: replay, samples, validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from runner.model import Alarm, AttemptPlan, JournalEvent
from runner.state.attempt_state import AttemptState, apply
from runner.state.journal_files import JournalFiles

#: the plan of an attempt, None where it is not known
PlanOf = Callable[[int], AttemptPlan | None]
#: kinds of the guard's events
RAISED, OVER = "alarm", "alarm_over"


def no_plan(attempt: int) -> AttemptPlan | None:
    return None


@dataclass(slots=True)
class JournalState:
    """`attempts`: those that have reported something. `newest`: the highest of them, 0 before the first.
    `alarms`: (attempt, alarm) by kind and time."""

    plan_of: PlanOf = no_plan
    attempts: dict[int, AttemptState] = field(default_factory=dict)
    newest: int = 0
    alarms: dict[tuple[str, float], tuple[int, Alarm]] = field(default_factory=dict)
    files: JournalFiles = field(default_factory=JournalFiles)

    def apply(self, event: JournalEvent) -> None:
        state = self.attempts.get(event.attempt)
        if state is None:
            state = self.attempts[event.attempt] = self._begin(event.attempt)
            self.newest = max(self.newest, event.attempt)
        apply(state, event)
        self.files.apply(event)
        alarm = alarm_of(event)
        if alarm is not None:
            self.alarms[alarm.kind, alarm.since_at] = (event.attempt, alarm)

    def attempt(self, number: int) -> AttemptState:
        """An attempt that has reported nothing yet is at its beginning."""
        return self.attempts.get(number) or self._begin(number)

    def _begin(self, number: int) -> AttemptState:
        return AttemptState.begin(number, self.plan_of(number))

    def copy(self) -> JournalState:
        attempts = {number: state.copy() for number, state in self.attempts.items()}
        alarms, files = dict(self.alarms), self.files.copy()
        return JournalState(self.plan_of, attempts, self.newest, alarms, files)


def alarm_of(event: JournalEvent) -> Alarm | None:
    """The alarm that an event of the guard raises or ends; None for any other event."""
    if event.kind not in (RAISED, OVER):
        return None
    try:
        return msgspec.convert(event.data, Alarm)
    except msgspec.ValidationError:
        return None
