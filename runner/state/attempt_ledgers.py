"""The ledger of each attempt, made again from what the journal says that the console said.

For readers: the supervisor has the ledger itself while the attempt lasts.
"""

from __future__ import annotations

from collections.abc import Iterable

from runner.model import (
    AttemptPlan,
    BannerSeen,
    ConsoleEvent,
    EpochStarted,
    JournalEvent,
    ResumeSeen,
)
from runner.state.ledger import AttemptLedger
from runner.store.journal import LineTail, events_of
from runner.store.rundir import RunDir

#: kinds of events.jsonl that a ledger learns from
KINDS = ("banner", "epoch", "resumed")
_WANTED = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)


class Ledgers:
    """Reads on where it stopped before."""

    def __init__(self, run: RunDir) -> None:
        self._tail = LineTail(run.events)
        self._seen: dict[int, list[ConsoleEvent]] = {}
        self._totals: dict[int, int] = {}
        self._epochs_begun: set[int] = set()

    def read(self) -> None:
        """To the present end of the journal. Blocking."""
        for block in self._tail.read(60.0):
            if self._tail.restarted:
                self._seen.clear()
                self._epochs_begun.clear()
                self._tail.restarted = False
            wanted = [line for line in block.splitlines() if any(k in line for k in _WANTED)]
            for event in events_of(b"\n".join(wanted))[0]:
                self._take(event)

    def _take(self, event: JournalEvent) -> None:
        if event.kind == "epoch":
            # only the first epoch of an attempt says anything about its steps
            if event.attempt in self._epochs_begun:
                return
            self._epochs_begun.add(event.attempt)
        total = event.data.get("total_steps")
        if event.kind == "banner" and isinstance(total, int):
            self._totals[event.attempt] = total
        self._seen.setdefault(event.attempt, []).extend(_console_events(event))

    def of(self, plan: AttemptPlan) -> AttemptLedger:
        """What is known of this attempt's steps by now."""
        ledger = AttemptLedger(plan.base_step, plan.origin_step)
        for event in self._seen.get(plan.attempt, ()):
            ledger.on(event)
        return ledger

    def total_steps(self, plan: AttemptPlan) -> int | None:
        """The true step at which the attempt was to end, by its banner."""
        told = self._totals.get(plan.attempt)
        return None if told is None else plan.origin_step + told


def _console_events(event: JournalEvent) -> Iterable[ConsoleEvent]:
    data, at = event.data, event.offset or 0
    if event.kind == "banner":
        for name in ("batches_per_epoch", "accumulation"):
            value = data.get(name)
            if isinstance(value, int):
                yield BannerSeen(at, name, value)
    elif event.kind == "epoch":
        epoch, epochs = data.get("epoch"), data.get("epochs")
        if isinstance(epoch, int):
            yield EpochStarted(at, epoch, epochs if isinstance(epochs, int) else 0)
    else:
        step, skip = data.get("state_step"), data.get("skip_steps")
        yield ResumeSeen(
            at,
            state_step=step if isinstance(step, int) else None,
            skip_steps=skip if isinstance(skip, int) else None,
        )
