"""A read-only run made of a console log: somebody's nohup.out in the list, on the screen, in a summary."""

from __future__ import annotations

import math
import os
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import msgspec

from runner.history.inspect import InspectReport, first_bad, parse_exit, report_of
from runner.history.made.folder import INSPECTED, make, marked, run_id, write_lines, write_rows
from runner.history.made.log_file import Copied, NoLog, copy_log, prefix_digest
from runner.history.made.log_story import LogStory, read_story
from runner.history.made.looks import look_at, with_changes
from runner.model import Checkpoint, JournalEvent, Outcome, Phase, RunSpec, RunState, Status
from runner.model.units import file_size
from runner.store.rundir import RunDir
from runner.trainers.names import KOHYA_NAMES

#: a file that was written so long before or after the training is another one
NEAR_S = 120.0
__all__ = ["NoLog", "run_of_log"]


@dataclass(frozen=True, slots=True)
class _Log:
    """Where the bytes came from: `origin` a path, or `-`; `changed_at`: its last writing."""

    origin: str
    name: str
    folder: Path
    changed_at: float


def run_of_log(
    path: Path,
    *,
    exit_text: str | None = None,
    tensorboard: Path | None = None,
    root: Path | None = None,
    stream: IO[bytes] | None = None,
) -> Path:
    """The folder of a run made of this log. The same bytes give the same run again; a log that has grown takes
    the place of its earlier making. `root`: make it there, outside the list. `stream`: read this instead of the
    file. What an earlier making was told of the end and of event files still holds. Raises OSError; ValueError
    for what is no log or no exit (`code:1`, `signal:9`)."""
    parse_exit(exit_text)
    log = _log_of(path, stream)
    with tempfile.TemporaryDirectory(prefix="plasma-log-") as scratch:
        copy = Path(scratch) / "console.log"
        copied = copy_log(path if stream is None else stream, copy)
        if not copied.size_bytes:
            raise NoLog("it is empty")
        mark, known = _place(copied, copy, log, keep=root is None)
        if known is not None:
            exit_text, tensorboard = _still_told(known[1], copied, exit_text, tensorboard)
        wanted = {"log": copied.digest, "exit": exit_text or "", "events": str(tensorboard or "")}
        if known is not None and known[1].fingerprints == _marks(wanted, copied):
            return known[0].path
        story = read_story(copy, tensorboard, log.changed_at)
        if not (story.rows or story.events or story.checkpoints):
            raise NoLog("nothing in it reads like the output of a trainer")
        last, names = story.last, (one.name for one in story.checkpoints)
        exact = first_bad(tensorboard, last.state.mapper) if tensorboard is not None else None
        report = report_of(last, names, exit_text, exact, story.unknown_lines)
        spec = _spec(log, story, _marks(wanted, copied), mark)
        status = _status(story, report, log, spec, look=root is None)
        if copied.left_out_bytes:
            cut = f"{file_size(copied.left_out_bytes)} from the middle of the log are left out"
            status = replace(status, reasons=(*status.reasons, cut))
        return make(
            spec,
            status,
            lambda run: _fill(run, copy, story, spec, status),
            root=root,
            replaced=known[0] if known is not None else None,
        )


def _log_of(path: Path, stream: IO[bytes] | None) -> _Log:
    if stream is not None:
        return _Log("-", "stdin", Path.cwd(), time.time())
    found = path.stat()
    stem = path.name.removesuffix(".gz")
    name = Path(stem).stem or stem
    return _Log(str(path.absolute()), name, path.absolute().parent, found.st_mtime)


def _marks(wanted: dict[str, str], copied: Copied) -> dict[str, str]:
    return {**{k: v for k, v in wanted.items() if v}, "log bytes": str(copied.size_bytes)}


def _place(
    copied: Copied, copy: Path, log: _Log, *, keep: bool
) -> tuple[str, tuple[RunDir, RunSpec] | None]:
    """The mark of its id, and an earlier making of the same log, if there is one."""
    mark = copied.head[:4]
    if not keep:
        return mark, None
    taken = False
    for run, spec in marked(mark):
        if spec.origin != INSPECTED:
            continue
        digest, size = spec.fingerprints.get("log"), spec.fingerprints.get("log bytes", "")
        if digest == copied.digest:
            return mark, (run, spec)
        grown = spec.origin_path == log.origin and size.isdigit() and int(size) < copied.size_bytes
        if grown and prefix_digest(copy, int(size)) == digest:
            return mark, (run, spec)
        taken = True
    # logs that begin alike (the same error at once) are told apart by their whole
    return (copied.digest[:4] if taken else mark), _same(copied) if taken else None


def _still_told(
    spec: RunSpec, copied: Copied, exit_text: str | None, tensorboard: Path | None
) -> tuple[str | None, Path | None]:
    """The same log looked at again without a word on its end or its event files does not forget them; one that
    has grown has another end."""
    same = spec.fingerprints.get("log") == copied.digest
    folder = spec.fingerprints.get("events")
    if tensorboard is None and folder and Path(folder).is_dir():
        tensorboard = Path(folder)
    return exit_text or (spec.fingerprints.get("exit") if same else None), tensorboard


def _same(copied: Copied) -> tuple[RunDir, RunSpec] | None:
    found = (one for one in marked(copied.digest[:4]) if one[1].origin == INSPECTED)
    return next((one for one in found if one[1].fingerprints.get("log") == copied.digest), None)


def _spec(log: _Log, story: LogStory, fingerprints: dict[str, str], mark: str) -> RunSpec:
    at = story.began_at if story.began_at is not None else log.changed_at
    paths = [c.path for c in story.checkpoints]
    folder = os.path.dirname(paths[-1]) if paths else ""  # noqa: PTH120 (may be of another system)
    base = KOHYA_NAMES.parse(story.checkpoints[-1].name).base if paths else None
    return RunSpec(
        id=run_id(log.name, at, mark),
        name=base or log.name,
        command=(),
        cwd=str(log.folder),
        env={},
        created_at=at,
        host=socket.gethostname(),
        output_dir=folder if folder.startswith("/") else None,
        output_name=base,
        origin=INSPECTED,
        origin_path=log.origin,
        fingerprints=fingerprints,
    )


def _status(
    story: LogStory, report: InspectReport, log: _Log, spec: RunSpec, *, look: bool
) -> Status:
    last = story.last
    ended = story.ended_at if story.ended_at is not None else log.changed_at
    checkpoints = _found(story, log, ended) if look else story.checkpoints
    outcome, reasons = _outcome(report, checkpoints)
    took = ended - story.began_at if story.began_at is not None else 0.0
    total, epochs = last.state.total_steps, last.state.epochs or last.state.banner.get("epochs")
    return Status(
        state=RunState.ENDED,
        attempt=last.attempt,
        heartbeat_at=ended,
        phase=Phase.FINISHED if last.state.model_saved else last.state.phase,
        outcome=outcome,
        reasons=(f"made of the log {log.origin}: nobody here watched it", *reasons),
        cause=report.cause,
        step=last.state.step,
        total_steps=total,
        epoch=last.state.epoch,
        epochs=epochs,
        batches_per_epoch=last.state.banner.get("batches_per_epoch"),
        device=last.state.device,
        loss=last.state.loss,
        average=last.state.average,
        first_nonfinite_step=last.state.first_nonfinite_step,
        seconds_per_step=took / last.state.step if took > 0 and last.state.step else None,
        started_at=story.began_at,
        ended_at=ended,
        trained_s=max(0.0, took),
        attempts=tuple(story.attempts),
        checkpoints=tuple(checkpoints),
        warnings=story.warnings,
        last_warning=last.state.last_warning,
        unknown_lines=story.unknown_lines,
    )


def _outcome(
    report: InspectReport, checkpoints: Sequence[Checkpoint]
) -> tuple[Outcome, tuple[str, ...]]:
    """As the log says; but no run is good whose files were seen to be broken."""
    bad = [c for c in checkpoints if c.complete is False or c.finite is False]
    if not bad or report.outcome is not Outcome.SUCCEEDED:
        return report.outcome, report.reasons
    infinite = any(c.finite is False for c in bad)
    told = tuple(f"{c.name}: {c.problem or 'not whole'}" for c in bad)
    return (Outcome.DIVERGED if infinite else Outcome.FAILED), (*told, *report.reasons)


def _found(story: LogStory, log: _Log, ended: float) -> list[Checkpoint]:
    """Looked up where the log says, or beside it; a file of another time is another file."""
    places: dict[str, str] = {}
    for one in story.checkpoints:
        for path in (Path(one.path), log.folder / one.path, log.folder / one.name):
            if path.is_absolute() and _is_of(path, story.began_at, ended):
                places[one.path] = str(path)
                break
    seen = look_at(list(places.values()))
    moved = [replace(c, path=places.get(c.path, c.path)) for c in story.checkpoints]
    return [
        c if c.complete is not None else replace(c, problem="not found where the log says")
        for c in with_changes(moved, seen)
    ]


def _is_of(path: Path, began: float | None, ended: float) -> bool:
    try:
        at = path.stat().st_mtime
    except OSError:
        return False
    return path.is_file() and (began is None or began - NEAR_S <= at) and at <= ended + NEAR_S


def _fill(run: RunDir, copy: Path, story: LogStory, spec: RunSpec, status: Status) -> None:
    run.console.write_bytes(b"")
    with copy.open("rb") as source, run.console.open("wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    write_rows(run, spec, story.rows)
    last_at = status.ended_at or spec.created_at
    ended = JournalEvent(last_at, "ended", status.attempt, None, {"outcome": str(status.outcome)})
    write_lines(run.events, [msgspec.json.encode(_plain(one)) for one in (*story.events, ended)])


def _plain(event: JournalEvent) -> JournalEvent:
    """JSON has no NaN."""
    data = {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in event.data.items()
    }
    return replace(event, data=data)
