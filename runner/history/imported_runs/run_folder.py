"""The folder of an imported run: built under a hidden name, then renamed.

A kill at any moment leaves either no run or a complete one; the next import deletes leftovers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runner.checkpoints.verify import verify_apart
from runner.files.private import FOLDER_MODE, private_folder, tighten
from runner.model import Checkpoint, Expectation, JournalEvent, RunSpec, Status
from runner.state.attempt_state import StepRow
from runner.store.journal import readable, step_row, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.store.schema import newer

INSPECTED, IMPORTED = "inspected", "imported"
#: a run and its request
Known = tuple[RunDir, RunSpec]
_BUILDING, _OLD = ".making-", ".removed-"
#: an import never takes longer than this
_STALE_S = 3600.0
#: time limit to verify all files on a slow disk
_PATIENCE_S = 900.0


def spec_of(origin: str, slug: str, at: float, mark: str, **more: Any) -> RunSpec:
    """`mark`: the last four letters of the id, derived from the source, so the same source has the same
    id."""
    run_id = f"{new_run_id(slug, at)[:-5]}-{mark}"
    return RunSpec(
        id=run_id, command=(), env={}, created_at=at, host=socket.gethostname(), origin=origin, **more
    )  # fmt: skip


def known_runs(origin: str, mark: str) -> Iterator[Known]:
    """The runs of this origin whose id ends with the mark."""
    with contextlib.suppress(OSError):
        for path in sorted(runs_root().glob(f"[!.]*-{mark}")):
            spec = readable(path / "spec.json", RunSpec)
            if spec is not None and spec.origin == origin:
                yield RunDir(path), spec


def make(
    spec: RunSpec,
    status: Status,
    fill: Callable[[RunDir], None],
    *,
    root: Path | None = None,
    replaced: Known | None = None,
) -> Path:
    """Create the run `spec.id` in `root` (default: where all runs are). `fill` writes its journals.
    `replaced`: an older run of the same source, whose label is kept. Raises OSError."""
    root = root or runs_root()
    private_folder(root.parent)
    private_folder(root)
    _sweep(root)
    building = RunDir(root / f"{_BUILDING}{spec.id}-{os.getpid()}")
    target, old = root / spec.id, root / f"{_OLD}{spec.id}-{os.getpid()}"
    if found := newer(RunDir(target)):
        raise FileExistsError(errno.EEXIST, found, str(target))
    shutil.rmtree(building.path, ignore_errors=True)
    building.path.mkdir(FOLDER_MODE)
    for folder in (building.inbox, building.inbox_done):
        folder.mkdir(FOLDER_MODE)
    try:
        fill(building)
        write_json(building.spec, spec)
        write_json(building.status, status)
        tighten(building.path)
        if replaced is not None:
            label = replaced[0].path / "label.json"
            with contextlib.suppress(OSError):
                shutil.copyfile(label, building.path / label.name)
            if replaced[0].path.exists():
                replaced[0].path.rename(old)
        building.path.rename(target)
    except BaseException:
        shutil.rmtree(building.path, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return target


def write_journals(
    run: RunDir, spec: RunSpec, rows: Sequence[tuple[int, StepRow]], events: Iterable[JournalEvent]
) -> None:
    """steps.jsonl of (attempt, row), and events.jsonl."""
    lines = []
    for attempt, row in rows:
        since_s = None if row.at is None else max(0.0, row.at - spec.created_at)
        lines.append(step_row(row.step, since_s, row.loss, row.average, row.lr, attempt))
    run.steps.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
    run.events.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))


def verified(checkpoints: Iterable[Checkpoint], paths: Sequence[str]) -> list[Checkpoint]:
    """In the order of their steps, those at these paths with file contents and change from the previous one.
    The files are read in a separate process: numpy and large files stay out of ours."""
    from runner.checkpoints.checkpoint_facts import compared, looked_at

    found = (
        {one.path: one for one in verify_apart(paths, timeout_s=_PATIENCE_S)[0]} if paths else {}
    )
    seen: list[Checkpoint] = []
    for one in sorted(checkpoints, key=lambda c: (c.attempt, c.step or 0, c.final)):
        file = found.get(one.path)
        told = one if file is None else looked_at(one, file, Expectation())
        seen.append(told if file is None else compared(told, file, seen, 0))
    return seen


def _sweep(root: Path) -> None:
    for path in root.glob(f"{_BUILDING}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path, ignore_errors=True)
