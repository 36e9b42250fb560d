"""What the events of a run report: every attempt's state, alarms and files, from the journal only. For
journal readers: replay, samples, validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runner.model import Alarm, AttemptPlan, JournalEvent
from runner.state.alarms import alarm_of
from runner.state.attempt_state import AttemptState, apply
from runner.state.journal_files import JournalFiles
from runner.state.step_mapper import StepMapper
from runner.store.journal import LineTail, events_of
from runner.store.rundir import RunDir

#: the plan of an attempt, None if unknown
PlanOf = Callable[[int], AttemptPlan | None]


def no_plan(attempt: int) -> AttemptPlan | None:
    return None


@dataclass(slots=True)
class JournalState:
    """`attempts`: those with events. `newest`: the highest of them, 0 before the first.
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
        """An attempt without events is at its beginning."""
        return self.attempts.get(number) or self._begin(number)

    def _begin(self, number: int) -> AttemptState:
        plan = self.plan_of(number)
        mapper = StepMapper(plan.base_step, plan.origin_step) if plan is not None else StepMapper()
        return AttemptState(number, mapper)

    def copy(self) -> JournalState:
        attempts = {number: state.copy() for number, state in self.attempts.items()}
        alarms, files = dict(self.alarms), self.files.copy()
        return JournalState(self.plan_of, attempts, self.newest, alarms, files)


#: kinds of events.jsonl used by a step mapper
KINDS = ("banner", "epoch", "resumed")
_WANTED = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)


class AttemptMappers:
    """The true steps of each attempt, for readers. Continues where it stopped."""

    def __init__(self, run: RunDir) -> None:
        self._tail = LineTail(run.events)
        self._state = JournalState()

    def read(self) -> None:
        """To the current end of the journal. Blocking."""
        for block in self._tail.read(60.0):
            if self._tail.restarted:
                self._state = JournalState()
                self._tail.restarted = False
            wanted = [line for line in block.split(b"\n") if any(k in line for k in _WANTED)]
            for event in events_of(b"\n".join(wanted))[0]:
                self._state.apply(event)

    def of(self, plan: AttemptPlan) -> StepMapper:
        """What is known of this attempt's steps now."""
        mapper = self._state.attempt(plan.attempt).mapper
        return replace(mapper, base_step=plan.base_step, origin_step=plan.origin_step)

    def total_steps(self, plan: AttemptPlan) -> int | None:
        """The planned last true step of the attempt, from its banner."""
        told = self._state.attempt(plan.attempt).banner.get("total_steps")
        return None if told is None else plan.origin_step + told
