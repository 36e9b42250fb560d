"""A recorded run, read once for access to any moment. It is never changed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.history.replay_console import ConsoleIndex, Mark
from runner.history.replay_events import EventIndex, retimed, retimed_attempts
from runner.history.replay_hardware import HardwareIndex
from runner.history.replay_rows import RowIndex
from runner.history.replay_timeline import GAP_S, Stretch, Timeline
from runner.model import AttemptPlan, JournalEvent, Phase, RunSnapshot, Status
from runner.state.alarms import RAISED
from runner.store.journal import LineTail, events_of, readable
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer

#: events may be journaled after the end they report
LATE_S = 3600.0
#: share of the total kept of a pause between attempts: visible at any speed
PAUSE_SHARE = 0.02
#: after an exit, for the last checks of its files
JUDGING_S = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something to jump to. `kind`: attempt, checkpoint, alarm, end."""

    play_s: float
    kind: str


class Recording:
    """Call `build` until it returns 1.0, then `timeline` and everything else is available."""

    def __init__(self, path: Path) -> None:
        """Raises WrittenByNewer."""
        self.run = RunDir(Path(path))
        refuse_newer(self.run)
        self.final = RunReader(self.run.path, files=False).read(0.01)
        spec, status = self.final.spec, self.final.status
        self.begin_at = spec.created_at if spec is not None else 0.0
        self.attempts = status.attempts if status is not None else ()
        self._until = _last_word(status) + LATE_S
        spans = {
            one.attempt: (one.started_at, one.exit.at if one.exit is not None else None)
            for one in self.attempts
        }
        self.rows = RowIndex(self.run.steps, self.begin_at, spans, self._until)
        self._building, self._budget_s = self._build(), 0.0
        self._plans: dict[int, AttemptPlan | None] = {}
        self.times_known = True
        self.dated = spec is None or spec.origin != "inspected"
        self.moments: tuple[Moment, ...] = ()

    # ----------------------------------------------------------------- reading

    def build(self, budget_s: float) -> float:
        """Continue reading for about that long; the share read, 1.0 when complete."""
        self._budget_s = budget_s
        return next(self._building, 1.0)

    def _build(self) -> Iterator[float]:
        while (share := self.rows.build(self._budget_s)) < 1.0:
            yield 0.7 * share
        yield 0.7
        tail, events = LineTail(self.run.events), list[JournalEvent]()
        while blocks := list(tail.read(self._budget_s)):
            for block in blocks:
                events += events_of(block)[0]
            yield 0.8
        self._index(events)
        while (share := self.hardware.build(self._budget_s)) < 1.0:
            yield 0.8 + 0.19 * share
        self._finish()

    def _index(self, events: list[JournalEvent]) -> None:
        if self.rows.times and not self.rows.timed:
            events, self.times_known = retimed(events, self.rows, self.begin_at), False
            self.attempts = retimed_attempts(self.attempts, self.rows)
        until = self._until if self.times_known else math.inf
        self.events = EventIndex(events, until, self.plan)
        newest = self.final.status.sample if self.final.status is not None else None
        self.hardware = HardwareIndex(self.run.hardware, self._doing, newest, until)

    def _doing(self, at: float) -> tuple[str | None, bool]:
        """The device, and was it training?"""
        attempt = max((a.attempt for a in self.attempts if a.started_at <= at), default=1)
        phases = self.events.phases.get(attempt, ())
        k = bisect_right(phases, at, key=lambda one: one[0]) - 1
        device = self.events.last.attempt(attempt).device
        return device, k >= 0 and phases[k][1] is Phase.TRAINING

    def _finish(self) -> None:
        stretches = self._stretches()
        worked_s = sum(one.end_at - one.begin_at for one in stretches)
        self.timeline = Timeline(stretches, max(GAP_S, PAUSE_SHARE * worked_s))
        self.console = ConsoleIndex(self.run.console, self._marks())
        self.final = replace(
            self.final, loss=self.rows.whole(), read_fraction=1.0, read_at=self.timeline.end_at
        )
        self.moments = self._moments()

    def _stretches(self) -> list[Stretch]:
        """When each attempt was active, as far as recorded."""
        last: dict[int, float] = {}
        for event, at in zip(self.events.events, self.events.times, strict=True):
            last[event.attempt] = max(at, last.get(event.attempt, 0.0))
        for attempt in self.rows.first_row:
            end_at = self.rows.times[self.rows.span(attempt).stop - 1]
            last[attempt] = max(end_at, last.get(attempt, 0.0))
        made: list[Stretch] = []
        for one in self.attempts:
            begin_at = one.started_at if made else min(self.begin_at, one.started_at)
            end_at = last.get(one.attempt, begin_at)
            if one.exit is not None and self.times_known:
                # readings by a later supervisor are not training time
                end_at = min(max(end_at, one.exit.at), one.exit.at + JUDGING_S)
            made.append(Stretch(begin_at, max(begin_at, end_at), one.attempt))
        if made:
            return made
        return [Stretch(self.begin_at, max(last.values(), default=self.begin_at), 1)]

    def _marks(self) -> list[Mark]:
        told = [
            Mark(at, self.rows.count_at(at), event.offset)
            for event, at in zip(self.events.events, self.events.times, strict=True)
            if event.offset is not None and event.offset >= 0
        ]
        try:
            size = self.run.console.stat().st_size
        except OSError:
            size = 0
        end = self.timeline.end_at
        return [*(m for m in told if m.offset <= size), Mark(end, self.rows.count_at(end), size)]

    def _moments(self) -> tuple[Moment, ...]:
        at, kinds = self.timeline.played_s, {"checkpoint_saving": "checkpoint", RAISED: "alarm"}
        found = {Moment(at(one.started_at), "attempt") for one in self.attempts[1:]}
        for event, when in zip(self.events.events, self.events.times, strict=True):
            if event.kind in kinds:
                found.add(Moment(at(when), kinds[event.kind]))
        found.add(Moment(self.timeline.length_s, "end"))
        return tuple(sorted(found, key=lambda one: (one.play_s, one.kind)))

    # ----------------------------------------------------------------- queries

    def plan(self, attempt: int) -> AttemptPlan | None:
        """The plan of this attempt."""
        if attempt not in self._plans:
            self._plans[attempt] = readable(self.run.attempt(attempt), AttemptPlan)
        return self._plans[attempt]

    def ended_at(self, attempt: int) -> float | None:
        """When the attempt ended, if observed."""
        found = next((a for a in self.attempts if a.attempt == attempt), None)
        return found.exit.at if found is not None and found.exit is not None else None

    def snapshot_of_building(self, share: float) -> RunSnapshot:
        return replace(self.final, read_fraction=min(0.999, share))


def _last_word(status: Status | None) -> float:
    """The latest valid time of this run."""
    if status is None:
        return math.inf
    known = (status.ended_at, status.heartbeat_at, *(a.started_at for a in status.attempts))
    return max(at for at in known if at is not None)
