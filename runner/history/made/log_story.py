"""What a console log tells, as rows, events and checkpoints of a run. Reads one file; makes nothing.

A log has no clock but the times of its log records (`2026-11-21 18:54:51 INFO ...`, local time, printed
only when they change), so an event stands at the newest of these before it. Steps have the exact times of event
files, else those of the trainer's bar where they can be believed (sd-scripts since v0.10 shows an elapsed time
that stands still), else none.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.ingest.console.parser import ConsoleParser
from runner.ingest.exact import exact_steps
from runner.model import AttemptStatus, Checkpoint, JournalEvent
from runner.model.events import AttemptSeen, ConsoleEvent, StepShown
from runner.state.attempt_state import StepRow
from runner.state.translator import Translator

_STAMP = re.compile(rb"(?:^|[\r\n])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ")
#: ` 45%|#### | 412/920 [1:00:10<01:30, ...`, up to the end of what was parsed
_ELAPSED = re.compile(rb"/\d+ \[(?:(\d+):)?(\d+):(\d+)<[^\[]*$")
#: steps a second that no training makes, and the least time that says anything
_TOO_FAST, _LEAST_S = 200.0, 2.0
_BLOCK = 1 << 18


@dataclass(slots=True)
class LogStory:
    """`began_at`, `ended_at`: seconds since 1970, None where no record tells. `rows` are in the order of their
    attempts and steps; a row's `at` is None where no event file tells it. `last`: of the last attempt."""

    last: Translator
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

    def after(self, offset: int) -> float | None:
        """The first one behind a byte."""
        place = bisect_right(self.offsets, offset)
        return self.times[place] if place < len(self.times) else None

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
    parser, clock = ConsoleParser(launches=True), _Clock()
    teller = _Teller(clock, otherwise_at)
    kept, offset = b"", 0
    with log.open("rb") as stream:
        while block := stream.read(_BLOCK):
            clock.feed(block)
            kept, offset = kept[-4096:] + block, offset + len(block)
            teller.take(parser.feed(block), kept, offset - len(kept))
    teller.take(parser.finish(), kept, offset - len(kept))
    return teller.story(tensorboard, parser.unknown_lines)


class _Teller:
    """Takes the parser's events, attempt by attempt."""

    def __init__(self, clock: _Clock, otherwise_at: float) -> None:
        self._clock, self._otherwise_at = clock, otherwise_at
        self._now = self._next(1)
        self._done: list[Translator] = []
        self._rows: list[tuple[int, StepRow]] = []
        self._events: list[JournalEvent] = []
        #: by attempt: the byte behind the last thing that the one before told
        self._told_until = 0
        self._starts: dict[int, int] = {}
        #: by attempt: where its bar began, and the bar's elapsed seconds by true step
        self._began: dict[int, float] = {}
        self._elapsed: dict[int, dict[int, float]] = {}
        #: by attempt: the same by the byte where the bar's state ends
        self._bars: dict[int, list[tuple[int, float]]] = {}

    @staticmethod
    def _next(attempt: int) -> Translator:
        return Translator(attempt, catching_up=True)

    def take(self, events: list[ConsoleEvent], text: bytes, first: int) -> None:
        """`text`: the newest bytes, which begin at `first`."""
        for event in events:
            if isinstance(event, AttemptSeen):
                self._turn(event.attempt)
            else:
                self._told_until = event.offset
                at = self._clock.at(event.offset, self._otherwise_at)
                self._now.on_console(event, at)
                if isinstance(event, StepShown):
                    self._note(
                        event, text[max(0, event.offset - first - 300) : event.offset - first], at
                    )
        self._drain()

    def _note(self, event: StepShown, text: bytes, at: float) -> None:
        attempt, found = self._now.attempt, _ELAPSED.search(text)
        self._began.setdefault(attempt, at)
        if found is not None and event.shown_step:
            seconds = int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
            self._elapsed.setdefault(attempt, {})[self._now.state.step] = seconds
            bars = self._bars.setdefault(attempt, [])
            if not bars or bars[-1][1] != seconds:
                bars.append((event.offset, seconds))

    def _timed(self, attempt: int, row: StepRow) -> StepRow:
        """With the bar's time, where that goes on as a training does."""
        seconds = self._elapsed.get(attempt, {}).get(row.step)
        if row.at is not None or seconds is None or not self._believable(attempt):
            return row
        return replace(row, at=self._began[attempt] + seconds)

    def _believable(self, attempt: int) -> bool:
        told = self._elapsed.get(attempt)
        if not told:
            return False
        lasted = max(told.values())
        return lasted >= _LEAST_S and (max(told) - min(told)) / lasted < _TOO_FAST

    def _placed(self, event: JournalEvent) -> JournalEvent:
        """Much of what a trainer prints has no time of its own: then it is that of the bar before it."""
        if event.offset is None or not self._believable(event.attempt):
            return event
        bars = self._bars[event.attempt]
        place = bisect_right(bars, (event.offset, math.inf)) - 1
        if place < 0:
            return event
        return replace(event, at=max(event.at, self._began[event.attempt] + bars[place][1]))

    def _saved(self, one: Checkpoint, events: list[JournalEvent]) -> Checkpoint:
        at = [
            e.at for e in events if e.kind == "checkpoint_saving" and e.data.get("path") == one.path
        ]
        return replace(one, saved_at=at[-1]) if at else one

    def _turn(self, attempt: int) -> None:
        """Another attempt begins; before the first one there may be words that are no attempt."""
        now, told = self._now, self._now.evidence.evidence()
        failed = bool(told.own_exceptions or told.fatals)
        if (
            now.state.first_step is None
            and not now.state.banner
            and not now.checkpoints
            and not failed
        ):
            self._now = self._next(attempt)
        else:
            self._finish()
            self._now = self._next(max(attempt, now.attempt + 1))
        self._starts[self._now.attempt] = self._told_until

    def _drain(self) -> None:
        now = self._now
        self._rows += [(now.attempt, row) for row in now.take_rows()]
        self._events += now.take_events(self._clock.at(None, self._otherwise_at))

    def _finish(self) -> None:
        self._now.finish()
        self._drain()
        self._done.append(self._now)

    def story(self, tensorboard: Path | None, unknown_lines: int) -> LogStory:
        if tensorboard is not None:
            self._exact(tensorboard)
        self._finish()
        times, rows = self._clock.times, [(n, self._timed(n, r)) for n, r in _merged(self._rows)]
        timed = [row.at for _, row in rows if row.at is not None]
        events = sorted((self._placed(one) for one in self._events), key=lambda one: one.at)
        began, ended = [*times[:1], *timed[:1]], [*times[-1:], *timed[-1:]]
        return LogStory(
            last=self._now,
            rows=rows,
            events=events,
            checkpoints=[self._saved(one, events) for one in _files(self._done)],
            attempts=self._attempts(min(began, default=self._otherwise_at)),
            began_at=min(began, default=None),
            ended_at=max(ended, default=None),
            unknown_lines=unknown_lines,
            warnings=sum(one.state.warnings for one in self._done),
        )

    def _attempts(self, began_at: float) -> list[AttemptStatus]:
        """Each from its first log record on: the clock tells no time before."""
        found: list[AttemptStatus] = []
        for one in self._done:
            offset = self._starts.get(one.attempt)
            at = self._clock.after(offset) if offset is not None and found else None
            began_at = max(began_at, at if at is not None else began_at)
            found.append(one.state.status(began_at))
        return found

    def _exact(self, folder: Path) -> None:
        """Of the last attempt: event files of the ones before count their steps from elsewhere."""
        from runner.ingest.tfevents import ScalarTail

        tail = ScalarTail(folder)
        while scalars := tail.poll(1.0):
            for one in exact_steps(scalars):
                self._now.on_exact(one.shown_step, one.loss, one.wall_at, one.rate)


def _files(attempts: list[Translator]) -> list[Checkpoint]:
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
