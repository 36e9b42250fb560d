"""A read-only run of what an earlier training left: its files, its event files. Nothing there is touched."""

from __future__ import annotations

import hashlib
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from runner.history.made.folder import IMPORTED, make, marked, run_id, write_lines, write_rows
from runner.history.made.found import FoundFile, FoundTraining
from runner.history.made.looks import look_at, with_changes
from runner.history.made.metadata import kept_metadata
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
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.registry import run_paths
from runner.store.rundir import RunDir
from runner.trainers.names import KOHYA_NAMES

NOBODY = "imported: nobody here watched it, this is what its files tell"


def mark_of(training: FoundTraining) -> str:
    return hashlib.sha256(training.key.encode("utf-8", "surrogateescape")).hexdigest()[:4]


def known_run(training: FoundTraining) -> tuple[RunDir, RunSpec] | None:
    """The run that was made of this training before."""
    found = (one for one in marked(mark_of(training)) if one[1].origin == IMPORTED)
    return next((one for one in found if one[1].fingerprints.get("training") == training.key), None)


def watched_files() -> dict[str, str]:
    """The files of the runs that were watched from here, each with the id of its run."""
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
    """The run of the list that this training is, if it was watched from here."""
    found = (watched.get(os.path.realpath(one.path)) for one in training.files)
    return next((run for run in found if run is not None), None)


def import_training(
    training: FoundTraining, root: Path, *, name: str | None = None, verify: bool = False
) -> tuple[Path, bool]:
    """The folder of its run, and whether it was made now: what is known and unchanged is left. `verify`: look
    at every number. Raises OSError."""
    known = known_run(training)
    marks = {"training": training.key, "files": training.digest, "verified": str(verify)}
    same = known is not None and known[1].fingerprints.get("files") == training.digest
    if known is not None and same and (not verify or known[1].fingerprints == marks):
        return known[0].path, False
    rows = _rows(training)
    spec = _spec(training, root, name, marks)
    if known is not None:  # one training keeps its id
        spec = replace(spec, id=known[0].id)
    status = _status(training, rows, verify)
    path = make(
        spec,
        status,
        lambda run: _fill(run, training, rows, spec, status),
        replaced=known[0] if known is not None else None,
    )
    return path, True


def _rows(training: FoundTraining) -> list[StepRow]:
    if training.events is None:
        return []
    from runner.ingest.tfevents import ScalarTail

    tail = ScalarTail(training.events.folder)
    found: dict[int, StepRow] = {}
    while scalars := tail.poll(1.0):
        for one in exact_steps(scalars):
            known = found.get(one.shown_step)
            loss = one.loss if one.loss is not None else known.loss if known else None
            rate = one.rate if one.rate is not None else known.lr if known else None
            found[one.shown_step] = StepRow(one.shown_step, one.wall_at, loss, None, rate)
    return [found[step] for step in sorted(found)]


def _spec(training: FoundTraining, root: Path, name: str | None, marks: dict[str, str]) -> RunSpec:
    files = training.files
    folder = files[-1].path.parent if files else None
    commit = files[-1].metadata.get("ss_sd_scripts_commit_hash") if files else None
    title = name or training.name
    return RunSpec(
        id=run_id(title, training.began_at, mark_of(training)),
        name=title,
        command=(),
        cwd=str(root),
        env={},
        created_at=training.began_at,
        host=socket.gethostname(),
        output_dir=str(folder) if folder is not None else None,
        output_name=training.name,
        logging_dir=str(training.events.folder) if training.events is not None else None,
        versions={"sd_scripts": commit} if commit else {},
        origin=IMPORTED,
        origin_path=str(root),
        fingerprints=marks,
    )


def _status(training: FoundTraining, rows: Sequence[StepRow], verify: bool) -> Status:
    files = training.files
    last = files[-1] if files else None
    checkpoints = [_checkpoint(one, training, at == len(files) - 1) for at, one in enumerate(files)]
    if verify:
        checkpoints = with_changes(checkpoints, look_at([c.path for c in checkpoints]))
    steps = [int(n) for f in files if (n := f.number("ss_steps"))] + [
        rows[-1].step for _ in rows[:1]
    ]
    step = max(steps, default=0)
    total = _whole(last, "ss_max_train_steps")
    bad = next((r.step for r in rows if r.loss is not None and not math.isfinite(r.loss)), None)
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
        epoch=_whole(last, "ss_epoch"),
        epochs=_whole(last, "ss_num_epochs"),
        batches_per_epoch=_whole(last, "ss_num_batches_per_epoch"),
        loss=rows[-1].loss if rows else None,
        first_nonfinite_step=bad,
        started_at=began,
        ended_at=ended,
        trained_s=max(0.0, ended - began),
        attempts=(AttemptStatus(1, began, first, step or None),),
        checkpoints=tuple(checkpoints),
    )


def _whole(one: FoundFile | None, key: str) -> int | None:
    number = one.number(key) if one is not None else None
    return int(number) if number is not None and math.isfinite(number) else None


def _ended(training: FoundTraining, rows: Sequence[StepRow]) -> float:
    told = [n for f in training.files if (n := f.number("ss_training_finished_at"))]
    times = [r.at for r in rows[-1:] if r.at is not None]
    files = [f.modified_at for f in training.files[-1:]]
    return max([*told[-1:], *times] or files or [training.began_at])


def _checkpoint(one: FoundFile, training: FoundTraining, newest: bool) -> Checkpoint:
    name = KOHYA_NAMES.parse(one.path.name)
    step = _whole(one, "ss_steps") or name.step
    state = one.path.with_name(f"{name.stem}-state")
    return Checkpoint(
        name=one.path.name,
        path=str(one.path),
        step=step,
        epoch=name.epoch if name.epoch is not None else _whole(one, "ss_epoch"),
        attempt=1,
        saved_at=one.modified_at,
        size_bytes=one.size_bytes,
        complete=one.problem is None,
        problem=one.problem,
        state_path=str(state) if state.is_dir() else None,
        final=name.final and newest,
        rank=_whole(one, "ss_network_dim"),
    )


def _outcome(
    checkpoints: Sequence[Checkpoint],
    rows: Sequence[StepRow],
    step: int,
    total: int | None,
    verify: bool,
) -> tuple[Outcome | None, tuple[str, ...]]:
    """Bad is told; good only where every number was looked at and the training is known to have come to its
    end."""
    broken = [c for c in checkpoints if c.complete is False]
    infinite = [c for c in checkpoints if c.finite is False]
    tail = [r.loss for r in rows[-1:] if r.loss is not None]
    if infinite or any(not math.isfinite(loss) for loss in tail):
        names = ", ".join(c.name for c in infinite) or "the last loss"
        return Outcome.DIVERGED, (f"not finite: {names}",)
    if broken:
        return Outcome.FAILED, tuple(f"{c.name}: {c.problem}" for c in broken)
    final = next((c for c in checkpoints if c.final), None)
    looked = verify and all(c.finite for c in checkpoints)
    if final is not None and looked and total is not None and step >= total:
        return Outcome.SUCCEEDED, (f"all {total} steps, every file complete and finite",)
    unknown = (
        "its numbers were not looked at (--verify does)" if not verify else "its end is not known"
    )
    return None, (unknown,)


def _fill(
    run: RunDir, training: FoundTraining, rows: Sequence[StepRow], spec: RunSpec, status: Status
) -> None:
    run.console.write_bytes(b"")
    if training.files:
        write_json(run.metadata, kept_metadata(training.files[-1].metadata))
    write_rows(run, spec, [(1, row) for row in rows])
    events = [
        JournalEvent(
            c.saved_at, "checkpoint_verified", 1, None,
            {"name": c.name, "step": c.step, "size_bytes": c.size_bytes, "complete": c.complete,
             "finite": c.finite, "problem": c.problem, "remark": c.remark},
        )
        for c in status.checkpoints
    ]  # fmt: skip
    events.sort(key=lambda one: one.at)
    write_lines(run.events, [msgspec.json.encode(one) for one in events])
