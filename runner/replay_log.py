"""A bare console log as a recording: a run folder of its own, in a temporary place, for one replay.

Times are those of the trainer's bar where they can be believed (sd-scripts since v0.10 shows an elapsed time
that stands still); else none are written, and the replay takes a second a step.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runner.console.parser import ConsoleParser
from runner.inspect import InspectReport, inspect_log
from runner.journal import step_row, write_json
from runner.model import (
    AttemptSeen,
    AttemptStatus,
    Checkpoint,
    ConsoleEvent,
    Phase,
    RunSpec,
    RunState,
    Status,
    StepShown,
)
from runner.progress import Progress
from runner.rundir import RunDir

#: of a larger log only the beginning is played
LARGEST_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 18
_ELAPSED = re.compile(rb"/\d+ \[(?:(\d+):)?(\d+):(\d+)<[^\[]*$")
#: steps a second that no training makes
_TOO_FAST = 200.0


@contextlib.contextmanager
def recording_of_log(log: Path) -> Iterator[Path]:
    """The folder of a run made of a log; taken away afterwards. Raises OSError, and ValueError where it is
    no log of a trainer."""
    folder = Path(tempfile.mkdtemp(prefix="plasma-tui-replay-"))
    try:
        yield _made(log, RunDir(folder / log.name.lstrip(".")[:80])).path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(log: Path, run: RunDir) -> RunDir:
    run.path.mkdir()
    begin_at = log.stat().st_mtime
    _copy(log, run.console)
    with_times = _believable(run.console)
    with run.steps.open("wb") as steps, run.events.open("wb") as events:
        reading = _Reading(begin_at, with_times)
        for attempt in reading.read(run.console):
            for row in attempt.take_rows():
                seconds = row.at - begin_at if with_times and row.at is not None else None
                line = step_row(row.step, seconds, row.loss, row.average, row.lr, attempt.attempt)
                steps.write(line)
            for event in attempt.take_events(reading.now):
                events.write(msgspec.json.encode(event) + b"\n")
    last = reading.progress
    if last.first_step is None and last.phase is Phase.LAUNCHING:
        raise ValueError("nothing in it reads like the output of a trainer")
    write_json(
        run.spec,
        RunSpec(
            run.id, log.name, (), str(log.parent), {}, begin_at, "",
            origin="inspected", origin_path=str(log),
        ),
    )  # fmt: skip
    write_json(run.status, _status(reading, inspect_log(run.console)))
    return run


class _Reading:
    """The log fed to the same `Progress` that a supervisor feeds, with a clock made of the bar."""

    def __init__(self, begin_at: float, with_times: bool) -> None:
        self.now = self._base = self._attempt_at = begin_at
        self._with_times = with_times
        self.progress = Progress(1)
        self.attempts: list[AttemptStatus] = []
        self.checkpoints: list[Checkpoint] = []

    def read(self, path: Path) -> Iterator[Progress]:
        """The progress again and again, to take its rows and events from."""
        for event, elapsed_s in _events(path):
            if isinstance(event, AttemptSeen) and self.progress.first_step is not None:
                self._close()
                yield self.progress
                self.progress = Progress(self.progress.attempt + 1)
                self._base = self._attempt_at = self.now
            if isinstance(event, StepShown):
                self._tick(event, elapsed_s)
            self.progress.on_console(event, self.now)
            yield self.progress
        self._close()
        yield self.progress

    def _tick(self, event: StepShown, elapsed_s: float | None) -> None:
        if self._with_times and elapsed_s is not None:
            self.now = max(self.now, self._base + elapsed_s)
        elif not self._with_times:
            self.now = max(self.now, self._base + event.shown_step)

    def _close(self) -> None:
        self.progress.finish()
        self.attempts.append(self.progress.attempt_status(self._attempt_at))
        self.checkpoints += self.progress.checkpoints


def _status(reading: _Reading, report: InspectReport) -> Status:
    last = reading.progress
    return Status(
        state=RunState.ENDED,
        attempt=last.attempt,
        heartbeat_at=reading.now,
        phase=last.phase,
        outcome=report.outcome,
        reasons=report.reasons,
        cause=report.cause,
        step=last.step,
        total_steps=last.total_steps,
        epoch=last.epoch,
        epochs=last.epochs,
        batches_per_epoch=last.banner.get("batches_per_epoch"),
        device=last.device,
        average=last.average,
        first_nonfinite_step=last.first_nonfinite_step,
        started_at=reading.attempts[0].started_at,
        ended_at=reading.now,
        attempts=tuple(reading.attempts),
        checkpoints=tuple(reading.checkpoints),
        warnings=last.warning_count,
        last_warning=last.warnings[-1] if last.warnings else None,
    )


def _events(path: Path) -> Iterator[tuple[ConsoleEvent, float | None]]:
    """Each event, with the bar's elapsed seconds where it is a bar."""
    parser, kept, offset = ConsoleParser(), b"", 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            kept, offset = kept[-4096:] + block, offset + len(block)
            first = offset - len(kept)
            for event in parser.feed(block):
                yield event, _elapsed(event, kept, event.offset - first)
    for event in parser.finish():
        yield event, _elapsed(event, kept, event.offset - (offset - len(kept)))


def _elapsed(event: ConsoleEvent, kept: bytes, end: int) -> float | None:
    if not isinstance(event, StepShown) or end <= 0:
        return None
    found = _ELAPSED.search(kept[max(0, end - 300) : end])
    if found is None:
        return None
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])


def _believable(path: Path) -> bool:
    """Does the bar's time go on as a training does?"""
    steps, last_s, first = 0, 0.0, None
    for event, elapsed_s in _events(path):
        if isinstance(event, StepShown) and elapsed_s is not None:
            first = event.shown_step if first is None else first
            steps, last_s = max(steps, event.shown_step), max(last_s, elapsed_s)
    return first is not None and last_s >= 2.0 and (steps - first) / last_s < _TOO_FAST


def _copy(log: Path, target: Path) -> None:
    """As UTF-8: PowerShell redirects as UTF-16, and old logs are often packed."""
    with log.open("rb") as raw:
        head = raw.read(2)
    with gzip.open(log) if head == b"\x1f\x8b" else log.open("rb") as source:
        first = source.read(2)
        encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(first)
        decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        left = LARGEST_BYTES
        with target.open("wb") as sink:
            sink.write(b"" if decoder else first)
            while left > 0 and (block := source.read(_BLOCK_BYTES)):
                left -= len(block)
                sink.write(decoder.decode(block).encode() if decoder else block)
