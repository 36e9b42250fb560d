"""A read-only run imported from a console log such as nohup.out."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from runner.history.imported_runs.log_bytes import Copied, NoLog, copy_log, prefix_digest
from runner.history.imported_runs.log_reading import ParsedLog, read_log
from runner.history.imported_runs.run_folder import (
    INSPECTED,
    Known,
    known_runs,
    make,
    spec_of,
    verified,
    write_journals,
)
from runner.history.inspect import InspectReport, first_bad, parse_exit, report_of
from runner.model import Checkpoint, JournalEvent, Outcome, Phase, RunSpec, RunState, Status
from runner.model.units import file_size
from runner.store.rundir import RunDir
from runner.trainers.names import KOHYA_NAMES

#: a file written this long before or after the training is a different one
NEAR_S = 120.0


@dataclass(frozen=True, slots=True)
class _Log:
    """Source of the bytes: `origin` a path, or `-`; `changed_at`: its modification time."""

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
    """The folder of this log's run. The same bytes give the same run; a grown log replaces its earlier run.
    `root`: create it there, outside the list. `stream`: read this instead of the file. Exit and event files
    from an earlier call still apply. Raises OSError; ValueError for an invalid log or exit (`code:1`,
    `signal:9`)."""
    parse_exit(exit_text)
    log = _log_of(path, stream)
    with tempfile.TemporaryDirectory(prefix="plasma-log-") as scratch:
        copy = Path(scratch) / "console.log"
        copied = copy_log(path if stream is None else stream, copy)
        if not copied.size_bytes:
            raise NoLog("it is empty")
        mark, known = _place(copied, copy, log) if root is None else (copied.head[:4], None)
        if known is not None:
            exit_text, tensorboard = _still_told(known[1], copied, exit_text, tensorboard)
        wanted = {"log": copied.digest, "exit": exit_text or "", "events": str(tensorboard or "")}
        marks = {key: value for key, value in wanted.items() if value}
        marks["log bytes"] = str(copied.size_bytes)
        if known is not None and known[1].fingerprints == marks:
            return known[0].path
        parsed = read_log(copy, tensorboard, log.changed_at)
        if not (parsed.rows or parsed.events or parsed.checkpoints):
            raise NoLog("it does not look like a trainer's output")
        report = _report(parsed, exit_text, tensorboard)
        spec = _spec(log, parsed, marks, mark)
        status = _status(parsed, report, log, look=root is None)
        if copied.left_out_bytes:
            cut = f"{file_size(copied.left_out_bytes)} from the middle of the log are left out"
            status = replace(status, reasons=(*status.reasons, cut))

        def fill(run: RunDir) -> None:
            shutil.copyfile(copy, run.console)
            at = status.ended_at or spec.created_at
            outcome = str(status.outcome) if status.outcome else None
            ended = JournalEvent(at, "ended", status.attempt, None, {"outcome": outcome})
            write_journals(run, spec, parsed.rows, map(_plain, (*parsed.events, ended)))

        return make(spec, status, fill, root=root, replaced=known)


def _report(parsed: ParsedLog, exit_text: str | None, tensorboard: Path | None) -> InspectReport:
    last = parsed.last
    exact = first_bad(tensorboard, last.state.mapper) if tensorboard is not None else None
    names = (one.name for one in parsed.checkpoints)
    return report_of(last, names, exit_text, exact, (parsed.lines, parsed.unknown_lines))


def _log_of(path: Path, stream: IO[bytes] | None) -> _Log:
    if stream is not None:
        return _Log("-", "stdin", Path.cwd(), time.time())
    stem = path.name.removesuffix(".gz")
    name = Path(stem).stem or stem
    return _Log(str(path.absolute()), name, path.absolute().parent, path.stat().st_mtime)


def _place(copied: Copied, copy: Path, log: _Log) -> tuple[str, Known | None]:
    """The mark of its id, and an earlier run of the same log, if there is one."""
    mark, taken = copied.head[:4], False
    for run, spec in known_runs(INSPECTED, mark):
        digest, size = spec.fingerprints.get("log"), spec.fingerprints.get("log bytes", "")
        grown = (
            spec.origin_path == log.origin and size.isdecimal() and int(size) < copied.size_bytes
        )
        if digest == copied.digest or (grown and prefix_digest(copy, int(size)) == digest):
            return mark, (run, spec)
        taken = True
    if not taken:
        return mark, None
    # logs with the same beginning (the same immediate error) are distinguished by all of their bytes
    mark = copied.digest[:4]
    same = (
        one
        for one in known_runs(INSPECTED, mark)
        if one[1].fingerprints.get("log") == copied.digest
    )
    return mark, next(same, None)


def _still_told(
    spec: RunSpec, copied: Copied, exit_text: str | None, tensorboard: Path | None
) -> tuple[str | None, Path | None]:
    """Inspecting the same log again without exit or event files keeps the earlier ones; a grown log has a new
    end."""
    same = spec.fingerprints.get("log") == copied.digest
    folder = spec.fingerprints.get("events")
    if tensorboard is None and folder and Path(folder).is_dir():
        tensorboard = Path(folder)
    return exit_text or (spec.fingerprints.get("exit") if same else None), tensorboard


def _spec(log: _Log, parsed: ParsedLog, marks: dict[str, str], mark: str) -> RunSpec:
    at = parsed.began_at if parsed.began_at is not None else log.changed_at
    folder, base = "", None
    if parsed.checkpoints:
        newest = parsed.checkpoints[-1]
        folder = os.path.dirname(newest.path)  # noqa: PTH120 (may be from another system)
        base = KOHYA_NAMES.parse(newest.name).base
    return spec_of(
        *(INSPECTED, log.name, at, mark),
        name=base or log.name,
        cwd=str(log.folder),
        output_dir=folder if folder.startswith("/") else None,
        output_name=base,
        origin_path=log.origin,
        fingerprints=marks,
    )


def _status(parsed: ParsedLog, report: InspectReport, log: _Log, *, look: bool) -> Status:
    state, began = parsed.last.state, parsed.began_at
    ended = parsed.ended_at if parsed.ended_at is not None else log.changed_at
    checkpoints = _found(parsed, log, ended) if look else parsed.checkpoints
    outcome, reasons = _outcome(report, checkpoints)
    took = max(0.0, ended - began) if began is not None else 0.0
    return Status(
        state=RunState.ENDED,
        attempt=parsed.last.attempt,
        heartbeat_at=ended,
        phase=Phase.FINISHED if state.model_saved else state.phase,
        outcome=outcome,
        reasons=(f"imported from the log {log.origin}, not monitored by plasma-tui", *reasons),
        cause=report.cause,
        step=state.step,
        total_steps=state.total_steps,
        epoch=state.epoch,
        epochs=state.epochs or state.banner.get("epochs"),
        batches_per_epoch=state.banner.get("batches_per_epoch"),
        device=state.device,
        loss=state.loss,
        average=state.average,
        first_nonfinite_step=state.first_nonfinite_step,
        seconds_per_step=took / state.step if took and state.step else None,
        started_at=began,
        ended_at=ended,
        trained_s=took,
        attempts=tuple(parsed.attempts),
        checkpoints=tuple(checkpoints),
        warnings=parsed.warnings,
        last_warning=state.last_warning,
        unknown_lines=parsed.unknown_lines,
    )


def _outcome(
    report: InspectReport, checkpoints: Sequence[Checkpoint]
) -> tuple[Outcome | None, tuple[str, ...]]:
    """As in the log; but a run with broken files is not good."""
    bad = [c for c in checkpoints if c.complete is False or c.finite is False]
    if not bad or report.outcome is not Outcome.SUCCEEDED:
        return report.outcome, report.reasons
    infinite = any(c.finite is False for c in bad)
    told = tuple(f"{c.name}: {c.problem or 'incomplete'}" for c in bad)
    return (Outcome.DIVERGED if infinite else Outcome.FAILED), (*told, *report.reasons)


def _found(parsed: ParsedLog, log: _Log, ended: float) -> list[Checkpoint]:
    """Verified at the logged path, or next to the log; a file from another time is a different file."""
    began = parsed.began_at if parsed.began_at is not None else -math.inf

    def here(path: Path) -> bool:
        try:
            at = path.stat().st_mtime
        except OSError:
            return False
        return path.is_absolute() and path.is_file() and began - NEAR_S <= at <= ended + NEAR_S

    paths, moved = [], []
    for one in parsed.checkpoints:
        places = (Path(one.path), log.folder / one.path, log.folder / one.name)
        path = next((str(place) for place in places if here(place)), None)
        paths += [path] if path is not None else []
        moved.append(replace(one, path=path or one.path))
    return [
        c if c.complete is not None else replace(c, problem="not found at the logged path")
        for c in verified(moved, paths)
    ]


def _plain(event: JournalEvent) -> JournalEvent:
    """JSON has no NaN."""
    data = {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in event.data.items()
    }
    return replace(event, data=data)
