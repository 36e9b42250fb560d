"""The journal of events by time: the reducer's state at any moment, and substitute times for a log without
any. Pure. Folded once over the journal with periodic copies: any moment is a bounded number of events from a
copy.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.history.replay_rows import RowIndex
from runner.model import AttemptStatus, JournalEvent, Phase
from runner.state.attempt_state import PAUSES, int_of
from runner.state.journal_state import JournalState, PlanOf, no_plan

KEYFRAME = 512
#: events after a phase to search for its step
LOOK_AHEAD = 4


class EventIndex:
    """Events in the order of the journal, with a monotonic clock. `until_at`: later times are invalid (a torn
    or unrelated line); such an event counts with the previous one. `last`: the state after all of them;
    `phases`: when each attempt entered which phase."""

    def __init__(
        self,
        events: Sequence[JournalEvent],
        until_at: float = math.inf,
        plan_of: PlanOf = no_plan,
    ) -> None:
        self.events = tuple(events)
        self.times: list[float] = []
        self.phases: dict[int, list[tuple[float, Phase]]] = {}
        self._frames: list[JournalState] = []
        clock, self.last = 0.0, JournalState(plan_of)
        for number, event in enumerate(self.events):
            if number % KEYFRAME == 0:
                self._frames.append(self.last.copy())
            if math.isfinite(event.at) and event.at <= until_at:
                clock = max(clock, event.at)
            self.times.append(clock)
            self.last.apply(event)
            phase = self.last.attempts[event.attempt].phase
            phases = self.phases.setdefault(event.attempt, [])
            if not phases or phases[-1][1] is not phase:
                phases.append((clock, phase))

    def count_at(self, at: float) -> int:
        return bisect_right(self.times, at)

    def state(self, count: int) -> JournalState:
        """After the first `count` events."""
        if not self._frames:
            return self.last.copy()
        k = min(count // KEYFRAME, len(self._frames) - 1)
        now = self._frames[k].copy()
        for event in self.events[k * KEYFRAME : count]:
            now.apply(event)
        return now


# ----------------------------------------------------------------- without times


def retimed(events: Sequence[JournalEvent], rows: RowIndex, begin_at: float) -> list[JournalEvent]:
    """Without a clock in the console, a step counts as a second: each event at the time of its step; those
    without a step follow the previous one."""
    made: list[JournalEvent] = []
    state, clock = JournalState(), begin_at
    for number, event in enumerate(events):
        first = rows.first_row.get(event.attempt)
        if event.attempt not in state.attempts and first is not None:
            clock = max(clock, rows.times[first] - 1.0)
        state.apply(event)
        step = int_of(event, "step")
        if event.kind == "phase" and event.data.get("phase") in PAUSES:
            # the event after it names the reason for the pause
            ahead = events[number + 1 : number + 1 + LOOK_AHEAD]
            step = next(_steps_of(ahead, event.attempt), None)
        per_epoch = state.attempts[event.attempt].mapper.steps_per_epoch
        if event.kind == "epoch" and per_epoch:
            step = ((int_of(event, "epoch") or 1) - 1) * per_epoch
        at = rows.time_of_step(event.attempt, step) if step else None
        clock = max(clock, at) if at is not None else clock
        made.append(replace(event, at=clock))
    return made


def _steps_of(events: Sequence[JournalEvent], attempt: int) -> Iterator[int]:
    for event in events:
        step = int_of(event, "step")
        if event.attempt == attempt and step is not None:
            yield step


def retimed_attempts(
    attempts: Sequence[AttemptStatus], rows: RowIndex
) -> tuple[AttemptStatus, ...]:
    """Each from a second before its first step, and none before the steps of an earlier one."""
    made: list[AttemptStatus] = []
    clock = -math.inf
    for one in attempts:
        span = rows.span(one.attempt)
        at = rows.times[span.start] - 1.0 if span and made else one.started_at
        clock = max(clock, at)
        made.append(replace(one, started_at=clock))
        if span:
            clock = max(clock, rows.times[span.stop - 1])
    return tuple(made)
