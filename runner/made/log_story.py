"""What a console log tells, as rows, events and checkpoints of a run. Reads one file; makes nothing.

A log has no clock but the times of its log records (`2026-11-21 18:54:51 INFO ...`, local time, printed
only when they change), so an event stands at the newest of these before it; steps have no time unless event
files tell it.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.console.parser import ConsoleParser
from runner.exact import exact_steps
from runner.model import AttemptSeen, AttemptStatus, Checkpoint, ConsoleEvent, JournalEvent
from runner.progress import Progress, StepRow

_STAMP = re.compile(rb"(?:^|[\r\n])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ")
_BLOCK = 1 << 20


@dataclass(slots=True)
class LogStory:
    """`began_at`, `ended_at`: seconds since 1970, None where no record tells. `rows` are in the order of their
    attempts and steps; a row's `at` is None where no event file tells it. `last`: of the last attempt."""

    last: Progress
    rows: list[tuple[int, StepRow]] = field(default_factory=list)
    events: list[JournalEvent] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    attempts: list[AttemptStatus] = field(default_factory=list)
    began_at: float | None = None
    ended_at: float | None = None
    unknown_lines: int = 0
    warnings: int = 0


class _Clock:
    """Times of log records by the byte they end at."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.times: list[float] = []
        self._base = 0
        self._rest = b""

    def feed(self, block: bytes) -> None:
        text = self._rest + block
        for found in _STAMP.finditer(text):
            at = _seconds(found[1].decode("ascii"))
            offset = self._base + found.end()
            if at is not None and (not self.times or at != self.times[-1]):
                self.offsets.append(offset)
                self.times.append(at)
        kept = text[-20:]
        self._base += len(text) - len(kept)
        self._rest = kept

    def at(self, offset: int | None, otherwise: float) -> float:
        if not self.times:
            return otherwise
        place = bisect_right(self.offsets, offset) - 1 if offset is not None else -1
        return self.times[max(0, place)] if offset is not None else self.times[-1]


def _seconds(text: str) -> float | None:
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def read_story(log: Path, tensorboard: Path | None, otherwise_at: float) -> LogStory:
    """`otherwise_at`: the time of what the log has no time for. Raises OSError."""
    parser, clock = ConsoleParser(), _Clock()
    teller = _Teller(clock, otherwise_at)
    with log.open("rb") as stream:
        while block := stream.read(_BLOCK):
            clock.feed(block)
            teller.take(parser.feed(block))
    teller.take(parser.finish())
    return teller.story(tensorboard, parser.unknown_lines)


class _Teller:
    """Takes the parser's events, attempt by attempt."""

    def __init__(self, clock: _Clock, otherwise_at: float) -> None:
        self._clock, self._otherwise_at = clock, otherwise_at
        self._progress = self._next(1)
        self._done: list[Progress] = []
        self._rows: list[tuple[int, StepRow]] = []
        self._events: list[JournalEvent] = []

    @staticmethod
    def _next(attempt: int) -> Progress:
        return Progress(attempt, catching_up=True)

    def take(self, events: list[ConsoleEvent]) -> None:
        for event in events:
            if isinstance(event, AttemptSeen):
                self._turn(event.attempt)
            else:
                self._progress.on_console(event, self._clock.at(event.offset, self._otherwise_at))
        self._drain()

    def _turn(self, attempt: int) -> None:
        """A line of ours says that another attempt begins; the first one may begin without it."""
        now = self._progress
        if now.first_step is None and not now.banner and not now.checkpoints:
            self._progress = self._next(attempt)
            return
        self._finish()
        self._progress = self._next(max(attempt, now.attempt + 1))

    def _drain(self) -> None:
        progress = self._progress
        self._rows += [(progress.attempt, row) for row in progress.take_rows()]
        self._events += progress.take_events(self._clock.at(None, self._otherwise_at))

    def _finish(self) -> None:
        self._progress.finish()
        self._drain()
        self._done.append(self._progress)

    def story(self, tensorboard: Path | None, unknown_lines: int) -> LogStory:
        if tensorboard is not None:
            self._exact(tensorboard)
        self._finish()
        times = self._clock.times
        timed = [row.at for _, row in self._rows if row.at is not None]
        began, ended = [*times[:1], *timed[:1]], [*times[-1:], *timed[-1:]]
        return LogStory(
            last=self._progress,
            rows=_merged(self._rows),
            events=sorted(self._events, key=lambda one: one.at),
            checkpoints=_files(self._done),
            attempts=[
                one.attempt_status(min(began, default=self._otherwise_at)) for one in self._done
            ],
            began_at=min(began, default=None),
            ended_at=max(ended, default=None),
            unknown_lines=unknown_lines,
            warnings=sum(one.warning_count for one in self._done),
        )

    def _exact(self, folder: Path) -> None:
        """Of the last attempt: event files of the ones before count their steps from elsewhere."""
        from runner.tfevents import ScalarTail

        tail = ScalarTail(folder)
        while scalars := tail.poll(1.0):
            for one in exact_steps(scalars):
                self._progress.on_exact(one.shown_step, one.loss, one.wall_at, one.rate)


def _files(attempts: list[Progress]) -> list[Checkpoint]:
    """A file that was written again counts once, by its last writing."""
    found = {c.path: c for one in attempts for c in one.checkpoints}
    return list(found.values())


def _merged(rows: list[tuple[int, StepRow]]) -> list[tuple[int, StepRow]]:
    """One row a step of an attempt: what came later adds to it."""
    made: dict[tuple[int, int], StepRow] = {}
    for attempt, row in rows:
        key = (attempt, row.step)
        known = made.get(key)
        made[key] = row if known is None else replace(
            known,
            at=row.at if row.at is not None else known.at,
            loss=row.loss if row.loss is not None else known.loss,
            average=row.average if row.average is not None else known.average,
            lr=row.lr if row.lr is not None else known.lr,
        )  # fmt: skip
    return [(attempt, made[attempt, step]) for attempt, step in sorted(made)]
