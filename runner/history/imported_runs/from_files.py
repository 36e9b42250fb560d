"""A read-only run imported from an earlier training's checkpoints and event files, which are never
changed."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runner.history.imported_runs.metadata import kept_metadata
from runner.history.imported_runs.run_folder import (
    IMPORTED,
    Known,
    known_runs,
    make,
    spec_of,
    verified,
    write_journals,
)
from runner.history.imported_runs.trainings import FoundFile, FoundTraining
from runner.ingest.exact import exact_steps
from runner.model import (
    AttemptStatus,
    Checkpoint,
    JournalEvent,
    Outcome,
    Phase,
    RunSpec,
    RunState,
    Status,
)
from runner.state.attempt_state import StepRow
from runner.store.identity import header_sha256
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.registry import run_paths
from runner.store.rundir import RunDir

NOBODY = "imported from files, not monitored by plasma-tui"


def mark_of(training: FoundTraining) -> str:
    return hashlib.sha256(training.key.encode("utf-8", "surrogateescape")).hexdigest()[:4]


def known_run(training: FoundTraining) -> Known | None:
    """The run from an earlier import of this training."""
    found = known_runs(IMPORTED, mark_of(training))
    return next((one for one in found if one[1].fingerprints.get("training") == training.key), None)


def watched_files() -> dict[str, str]:
    """The files of monitored runs, each with its run id."""
    found: dict[str, str] = {}
    for path in run_paths():
        run = RunDir(path)
        try:
            written = read_json(run.status, Status).checkpoints
            if written and not read_json(run.spec, RunSpec).origin:
                found |= {os.path.realpath(c.path): run.id for c in written}
        except (Unreadable, ValueError):
            continue
    return found


def watched_run(training: FoundTraining, watched: Mapping[str, str]) -> str | None:
    """This training's monitored run, if there is one."""
    found = (watched.get(os.path.realpath(one.path)) for one in training.files)
    return next((run for run in found if run is not None), None)


def import_training(
    training: FoundTraining, root: Path, *, name: str | None = None, verify: bool = False
) -> tuple[Path, bool]:
    """The folder of its run, and whether it was created now: an unchanged import is kept. `verify`: read
    every number. Raises OSError."""
    known = known_run(training)
    marks = {"training": training.key, "files": training.digest, "verified": str(verify)}
    if known is not None:
        old = known[1].fingerprints
        if old == marks or (old.get("files") == training.digest and not verify):
            return known[0].path, False
    rows = _rows(training)
    spec = _spec(training, root, name or training.name, marks)
    if known is not None:  # a training keeps its id
        spec = replace(spec, id=known[0].id)
    status = _status(training, rows, verify)

    def fill(run: RunDir) -> None:
        run.console.write_bytes(b"")
        if training.files:
            write_json(run.metadata, kept_metadata(training.files[-1].metadata))
        events = sorted(map(_event, status.checkpoints), key=lambda event: event.at)
        write_journals(run, spec, [(1, row) for row in rows], events)

    return make(spec, status, fill, replaced=known), True


def _event(one: Checkpoint) -> JournalEvent:
    names = ("name", "step", "size_bytes", "complete", "finite", "problem", "remark")
    data = {name: getattr(one, name) for name in names}
    return JournalEvent(one.saved_at, "checkpoint_verified", 1, None, data)


def _rows(training: FoundTraining) -> list[StepRow]:
    if training.events is None:
        return []
    from runner.ingest.tfevents import ScalarTail

    tail = ScalarTail(training.events.folder)
    found: dict[int, StepRow] = {}
    while scalars := tail.poll(1.0):
        for one in exact_steps(scalars):
            known = found.get(one.shown_step)
            loss = one.loss if one.loss is not None or known is None else known.loss
            rate = one.rate if one.rate is not None or known is None else known.lr
            found[one.shown_step] = StepRow(one.shown_step, one.wall_at, loss, None, rate)
    return [found[step] for step in sorted(found)]


def _spec(training: FoundTraining, root: Path, name: str, marks: dict[str, str]) -> RunSpec:
    files, events = training.files, training.events
    commit = files[-1].metadata.get("ss_sd_scripts_commit_hash") if files else None
    return spec_of(
        *(IMPORTED, name, training.began_at, mark_of(training)),
        name=name,
        cwd=str(root),
        output_dir=str(files[-1].path.parent) if files else None,
        output_name=training.name,
        logging_dir=str(events.folder) if events is not None else None,
        versions={"sd_scripts": commit} if commit else {},
        origin_path=str(root),
        fingerprints=marks,
    )


def _status(training: FoundTraining, rows: Sequence[StepRow], verify: bool) -> Status:
    files = training.files
    last = files[-1] if files else None
    checkpoints = [_checkpoint(one, newest=one is last) for one in files]
    if verify:
        checkpoints = verified(checkpoints, [c.path for c in checkpoints])
    steps = [_int(one, "ss_steps") or 0 for one in files] + [row.step for row in rows[-1:]]
    step, total = max(steps, default=0), _int(last, "ss_max_train_steps")
    bad = (r.step for r in rows if r.loss is not None and not math.isfinite(r.loss))
    began, ended = training.began_at, _ended(training, rows)
    outcome, reasons = _outcome(checkpoints, rows, step, total, verify)
    first = rows[0].step if rows else (1 if step else None)
    return Status(
        state=RunState.ENDED,
        attempt=1,
        heartbeat_at=ended,
        phase=Phase.FINISHED if outcome is Outcome.SUCCEEDED else Phase.TRAINING,
        outcome=outcome,
        reasons=(NOBODY, *reasons),
        step=step,
        total_steps=total,
        epoch=_int(last, "ss_epoch"),
        epochs=_int(last, "ss_num_epochs"),
        batches_per_epoch=_int(last, "ss_num_batches_per_epoch"),
        loss=rows[-1].loss if rows else None,
        first_nonfinite_step=next(bad, None),
        started_at=began,
        ended_at=ended,
        trained_s=max(0.0, ended - began),
        attempts=(AttemptStatus(1, began, first, step or None),),
        checkpoints=tuple(checkpoints),
    )


def _int(one: FoundFile | None, key: str) -> int | None:
    number = one.number(key) if one is not None else None
    return int(number) if number is not None and math.isfinite(number) else None


def _ended(training: FoundTraining, rows: Sequence[StepRow]) -> float:
    told = [n for f in training.files if (n := f.number("ss_training_finished_at"))]
    times = [*told[-1:], *(row.at for row in rows[-1:] if row.at is not None)]
    return max(times or [f.modified_at for f in training.files[-1:]] or [training.began_at])


def _checkpoint(one: FoundFile, *, newest: bool) -> Checkpoint:
    name = one.names.parse(one.path.name)
    state = one.path.with_name(f"{name.stem}-state")
    return Checkpoint(
        name=one.path.name,
        path=str(one.path),
        step=_int(one, "ss_steps") or name.step,
        epoch=name.epoch if name.epoch is not None else _int(one, "ss_epoch"),
        attempt=1,
        saved_at=one.modified_at,
        size_bytes=one.size_bytes,
        complete=one.problem is None,
        problem=one.problem,
        state_path=str(state) if state.is_dir() else None,
        final=name.final and newest,
        rank=_int(one, "ss_network_dim"),
        inode=one.file_id[1],
        mtime_ns=int(one.modified_at * 1e9),
        header_sha256=header_sha256(one.path),
    )


def _outcome(
    checkpoints: Sequence[Checkpoint],
    rows: Sequence[StepRow],
    step: int,
    total: int | None,
    verify: bool,
) -> tuple[Outcome | None, tuple[str, ...]]:
    """Bad is reported; good only if every number was read and the training is known to have finished."""
    infinite = [c.name for c in checkpoints if c.finite is False]
    if any(r.loss is not None and not math.isfinite(r.loss) for r in rows[-1:]):
        infinite = infinite or ["the last loss"]
    if infinite:
        return Outcome.DIVERGED, (f"not finite: {', '.join(infinite)}",)
    broken = tuple(f"{c.name}: {c.problem}" for c in checkpoints if c.complete is False)
    if broken:
        return Outcome.FAILED, broken
    if not verify:
        return None, ("its numbers were not checked (use --verify)",)
    final = any(c.final for c in checkpoints)
    if final and all(c.finite for c in checkpoints) and total is not None and step >= total:
        return Outcome.SUCCEEDED, (f"all {total} steps, every file complete and finite",)
    return None, ("unknown whether it finished",)
