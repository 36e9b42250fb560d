"""The true steps of each attempt, by what the journal says that the console said.

For readers: the supervisor has the state itself while the attempt lasts.
"""

from __future__ import annotations

from dataclasses import replace

from runner.model import AttemptPlan
from runner.state.journal_state import JournalState
from runner.state.step_mapper import StepMapper
from runner.store.journal import LineTail, events_of
from runner.store.rundir import RunDir

#: kinds of events.jsonl that a step mapper learns from
KINDS = ("banner", "epoch", "resumed")
_WANTED = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)


class AttemptMappers:
    """Reads on where it stopped before."""

    def __init__(self, run: RunDir) -> None:
        self._tail = LineTail(run.events)
        self._state = JournalState()

    def read(self) -> None:
        """To the present end of the journal. Blocking."""
        for block in self._tail.read(60.0):
            if self._tail.restarted:
                self._state = JournalState()
                self._tail.restarted = False
            wanted = [line for line in block.splitlines() if any(k in line for k in _WANTED)]
            for event in events_of(b"\n".join(wanted))[0]:
                self._state.apply(event)

    def of(self, plan: AttemptPlan) -> StepMapper:
        """What is known of this attempt's steps by now."""
        mapper = self._state.attempt(plan.attempt).mapper
        return replace(mapper, base_step=plan.base_step, origin_step=plan.origin_step)

    def total_steps(self, plan: AttemptPlan) -> int | None:
        """The true step at which the attempt was to end, by its banner."""
        told = self._state.attempt(plan.attempt).banner.get("total_steps")
        return None if told is None else plan.origin_step + told
