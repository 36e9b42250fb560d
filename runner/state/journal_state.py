"""What the events of a run tell: every attempt's state, by the journal alone. Pure.

For those who read a journal: replay, review, samples, validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from runner.model import AttemptPlan, JournalEvent
from runner.state.attempt_state import AttemptState, apply

#: the plan of an attempt, None where it is not known
PlanOf = Callable[[int], AttemptPlan | None]


def no_plan(attempt: int) -> AttemptPlan | None:
    return None


@dataclass(slots=True)
class JournalState:
    """`attempts`: those that have reported something. `newest`: the highest of them, 0 before the first."""

    plan_of: PlanOf = no_plan
    attempts: dict[int, AttemptState] = field(default_factory=dict)
    newest: int = 0

    def apply(self, event: JournalEvent) -> None:
        state = self.attempts.get(event.attempt)
        if state is None:
            state = self.attempts[event.attempt] = self._begin(event.attempt)
            self.newest = max(self.newest, event.attempt)
        apply(state, event)

    def attempt(self, number: int) -> AttemptState:
        """An attempt that has reported nothing yet is at its beginning."""
        return self.attempts.get(number) or self._begin(number)

    def _begin(self, number: int) -> AttemptState:
        return AttemptState.begin(number, self.plan_of(number))

    def copy(self) -> JournalState:
        attempts = {number: state.copy() for number, state in self.attempts.items()}
        return JournalState(self.plan_of, attempts, self.newest)
