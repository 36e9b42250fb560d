"""A console log as rows, events and checkpoints of a run. Reads one file; writes nothing.

The only clock in a log are the times of its log records (`2026-11-21 18:54:51 INFO ...`, local time, printed
only when they change) or those that a collector put before each line, so an event gets the newest time before
it. Steps have exact times from event files,
else those of the trainer's bar if plausible (since v0.10 sd-scripts shows a frozen elapsed time), else none.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.ingest.console.imported import ImportedLog
from runner.ingest.exact import exact_steps
from runner.model import AttemptStatus, Checkpoint, JournalEvent
from runner.model.events import AttemptSeen, ConsoleEvent, StepShown
from runner.state.attempt_state import StepRow
from runner.state.translator import Translator

_STAMP = re.compile(rb"(?:^|[\r\n])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ")
#: ` 45%|#### | 412/920 [1:00:10<01:30, ...`, up to the end of what was parsed
_ELAPSED = re.compile(rb"/\d+ \[(?:(\d+):)?(\d+):(\d+)<[^\[]*$")
#: impossibly many steps per second, and the shortest useful time
_TOO_FAST, _LEAST_S = 200.0, 2.0
_BLOCK = 1 << 18
_DAY_S = 86400.0


@dataclass(slots=True)
class ParsedLog:
    """`began_at`, `ended_at`: seconds since 1970, None if no record has it. `rows` are ordered by attempt and
    step; a row's `at` is None without event files. `last`: of the last attempt."""

    last: Translator
    rows: list[tuple[int, StepRow]]
    events: list[JournalEvent]
    checkpoints: list[Checkpoint]
    attempts: list[AttemptStatus]
    began_at: float | None
    ended_at: float | None
    lines: int
    unknown_lines: int
    warnings: int


class _Clock:
    """Times of log records by their end byte. `otherwise_at`: the fallback."""

    def __init__(self, otherwise_at: float) -> None:
        self.offsets: list[int] = []
        self.times: list[float] = []
        self.otherwise_at = otherwise_at
        self._base = 0
        self._rest = b""

    def feed(self, block: bytes) -> None:
        text = self._rest + block
        for found in _STAMP.finditer(text):
            try:
                at = time.mktime(time.strptime(found[1].decode("ascii"), "%Y-%m-%d %H:%M:%S"))
            except (ValueError, OverflowError):
                continue
            if not self.times or at != self.times[-1]:
                self.offsets.append(self._base + found.end())
                self.times.append(at)
        self._rest = text[-20:]
        self._base += len(text) - len(self._rest)

    def take(self, times: list[tuple[int, float]]) -> None:
        """Times of the lines themselves."""
        self.offsets += [offset for offset, _ in times]
        self.times += [at for _, at in times]

    def after(self, offset: int) -> float | None:
        """The first one after a byte."""
        place = bisect_right(self.offsets, offset)
        return self.times[place] if place < len(self.times) else None

    def at(self, offset: int) -> float:
        """The newest one before a byte, else the first."""
        if not self.times:
            return self.otherwise_at
        return self.times[max(0, bisect_right(self.offsets, offset) - 1)]

    @property
    def newest(self) -> float:
        return self.times[-1] if self.times else self.otherwise_at


@dataclass(slots=True)
class _Attempt:
    """`begins`: the byte after the previous attempt's last output, None: the first. `bar_at`: when its bar
    started; `elapsed`: the bar's seconds by true step, `bars` by the byte where the bar's state ends."""

    translator: Translator
    begins: int | None = None
    bar_at: float | None = None
    elapsed: dict[int, float] = field(default_factory=dict)
    bars: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, begins: int | None = None) -> _Attempt:
        return cls(Translator(number, catching_up=True), begins)

    def note(self, event: StepShown, text: bytes, at: float, *, timed: bool) -> None:
        """`text`: what was printed up to this state of the bar. `timed`: `at` is the time of its line."""
        self.bar_at = at if self.bar_at is None else self.bar_at
        found = None if timed else _ELAPSED.search(text)
        if event.shown_step and (timed or found is not None):
            seconds = at - self.bar_at
            if found is not None:
                seconds = int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
            self.elapsed[self.translator.state.step] = seconds
            if not self.bars or self.bars[-1][1] != seconds:
                self.bars.append((event.offset, seconds))

    @property
    def clock_from(self) -> float | None:
        """Start of the bar's seconds; None: implausible for a training."""
        lasted = max(self.elapsed.values(), default=0.0)
        if lasted < _LEAST_S or (max(self.elapsed) - min(self.elapsed)) / lasted >= _TOO_FAST:
            return None
        return self.bar_at

    @property
    def empty(self) -> bool:
        """A log may have other output before the first attempt."""
        now, told = self.translator, self.translator.evidence.evidence()
        trained = now.state.first_step is not None or now.state.banner or now.checkpoints
        return not (trained or told.own_exceptions or told.fatals)


def read_log(
    log: Path, tensorboard: Path | None, otherwise_at: float, *, days_before: int = 0
) -> ParsedLog:
    """`otherwise_at`: when the log was last written, the time for events without one. `days_before`: so many
    days before that it begins, if its times have no day. Raises OSError."""
    parser = ImportedLog(otherwise_at - days_before * _DAY_S)
    reading = _Reading(_Clock(otherwise_at))
    kept, offset = b"", 0
    with log.open("rb") as stream:
        while block := stream.read(_BLOCK):
            kept, offset = kept[-4096:] + block, offset + len(block)
            events = parser.feed(block)
            reading.see_times(parser, block)
            reading.take(events, kept, offset - len(kept))
    events = parser.finish()
    reading.see_times(parser, b"")
    reading.take(events, kept, offset - len(kept))
    late_s = reading.clock.newest - otherwise_at
    if parser.undated and late_s > 0 and not days_before:
        return read_log(log, tensorboard, otherwise_at, days_before=math.ceil(late_s / _DAY_S))
    if tensorboard is not None:
        reading.take_exact(tensorboard)
    return reading.parsed(parser.lines, parser.unknown_lines)


class _Reading:
    """Takes the parser's events, attempt by attempt."""

    def __init__(self, clock: _Clock) -> None:
        self.clock = clock
        self._timed = False
        self._now = _Attempt.of(1)
        self._done: list[_Attempt] = []
        self._rows: list[tuple[int, StepRow]] = []
        self._events: list[JournalEvent] = []
        self._told_until = 0

    def see_times(self, parser: ImportedLog, block: bytes) -> None:
        """Before the events of the same block."""
        times = parser.take_times()
        if parser.timed and not self._timed:
            self._timed, self.clock = True, _Clock(self.clock.otherwise_at)
        if self._timed:
            self.clock.take(times)
        else:
            self.clock.feed(block)

    def take(self, events: list[ConsoleEvent], text: bytes, first: int) -> None:
        """`text`: the newest bytes, which begin at `first`."""
        for event in events:
            if isinstance(event, AttemptSeen):
                number = event.attempt
                if not self._now.empty:
                    self._finish()
                    number = max(number, self._now.translator.attempt + 1)
                self._now = _Attempt.of(number, self._told_until)
                continue
            self._told_until = event.offset
            at = self.clock.at(event.offset)
            self._now.translator.on_console(event, at)
            if isinstance(event, StepShown):
                end = event.offset - first
                self._now.note(event, text[max(0, end - 300) : end], at, timed=self._timed)
        self._drain()

    def take_exact(self, folder: Path) -> None:
        """Of the last attempt: event files of earlier attempts count steps differently."""
        from runner.ingest.tfevents import ScalarTail

        tail = ScalarTail(folder)
        while scalars := tail.poll(1.0):
            for one in exact_steps(scalars):
                self._now.translator.on_exact(one.shown_step, one.loss, one.wall_at, one.rate)

    def _drain(self) -> None:
        now = self._now.translator
        self._rows += [(now.attempt, row) for row in now.take_rows()]
        self._events += now.take_events(self.clock.newest)

    def _finish(self) -> None:
        self._now.translator.finish()
        self._drain()
        self._done.append(self._now)

    def parsed(self, lines: int, unknown_lines: int) -> ParsedLog:
        self._finish()
        clocks = {one.translator.attempt: one.clock_from for one in self._done}
        bars = {one.translator.attempt: one for one in self._done}
        rows = [
            (number, _timed(row, bars[number], clocks[number]))
            for number, row in _merged(self._rows)
        ]
        events = [_placed(one, bars[one.attempt], clocks[one.attempt]) for one in self._events]
        events.sort(key=lambda one: one.at)
        times, timed = self.clock.times, [row.at for _, row in rows if row.at is not None]
        began, ended = [*times[:1], *timed[:1]], [*times[-1:], *timed[-1:]]
        saved = {e.data.get("path"): e.at for e in events if e.kind == "checkpoint_saving"}
        # a rewritten file counts once, by its last write
        files = {c.path: c for one in self._done for c in one.translator.checkpoints}
        return ParsedLog(
            last=self._now.translator,
            rows=rows,
            events=events,
            checkpoints=[replace(c, saved_at=saved.get(p, c.saved_at)) for p, c in files.items()],
            attempts=self._attempts(min(began, default=self.clock.otherwise_at)),
            began_at=min(began, default=None),
            ended_at=max(ended, default=None),
            lines=lines,
            unknown_lines=unknown_lines,
            warnings=sum(one.translator.state.warnings for one in self._done),
        )

    def _attempts(self, began_at: float) -> list[AttemptStatus]:
        """Each from its first log record on: there is no time before it."""
        found: list[AttemptStatus] = []
        for one in self._done:
            at = self.clock.after(one.begins) if one.begins is not None and found else None
            began_at = max(began_at, at if at is not None else began_at)
            found.append(one.translator.state.status(began_at))
        return found


def _timed(row: StepRow, attempt: _Attempt, clock_from: float | None) -> StepRow:
    """With the bar's time, if plausible."""
    seconds = attempt.elapsed.get(row.step)
    if row.at is not None or seconds is None or clock_from is None:
        return row
    return replace(row, at=clock_from + seconds)


def _placed(event: JournalEvent, attempt: _Attempt, clock_from: float | None) -> JournalEvent:
    """Output without its own time gets that of the bar before it."""
    if event.offset is None or clock_from is None:
        return event
    place = bisect_right(attempt.bars, (event.offset, math.inf)) - 1
    return (
        event
        if place < 0
        else replace(event, at=max(event.at, clock_from + attempt.bars[place][1]))
    )


def _merged(rows: list[tuple[int, StepRow]]) -> list[tuple[int, StepRow]]:
    """One row per step of an attempt: later values are added."""
    made: dict[tuple[int, int], StepRow] = {}
    for attempt, row in rows:
        known = made.setdefault((attempt, row.step), row)
        news = {n: v for n in ("at", "loss", "average", "lr") if (v := getattr(row, n)) is not None}
        if known is not row:
            made[attempt, row.step] = replace(known, **news)
    return [(attempt, made[attempt, step]) for attempt, step in sorted(made)]
