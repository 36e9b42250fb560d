"""The folder of a run that is made at once: built under a name that no list shows, then renamed.

A kill at any moment leaves either no run or a whole one; what a killed making left is swept by the next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.files.private import FOLDER_MODE, tighten
from runner.model import RunSpec, Status
from runner.state.attempt_state import StepRow
from runner.store.journal import readable, step_row, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root

INSPECTED, IMPORTED = "inspected", "imported"
_MAKING, _OLD = ".making-", ".removed-"
#: what a making that nobody works on any more has been left behind for
_STALE_S = 3600.0


def run_id(name: str, at: float, mark: str) -> str:
    """As every run's, but its last four letters come of what it is made of: the same again is found again."""
    return f"{new_run_id(name, at)[:-5]}-{mark}"


def marked(mark: str) -> Iterator[tuple[RunDir, RunSpec]]:
    """The made runs whose id ends with this mark."""
    with contextlib.suppress(OSError):
        for path in sorted(runs_root().glob(f"[!.]*-{mark}")):
            spec = readable(path / "spec.json", RunSpec)
            if spec is not None and spec.origin:
                yield RunDir(path), spec


def make(
    spec: RunSpec,
    status: Status,
    fill: Callable[[RunDir], None],
    *,
    root: Path | None = None,
    replaced: RunDir | None = None,
) -> Path:
    """Make the run `spec.id` in `root` (default: where all runs are). `fill` writes its journals. `replaced`:
    an older making of the same thing, whose label is kept. Raises OSError."""
    root = root or runs_root()
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    building = RunDir(root / f"{_MAKING}{spec.id}-{os.getpid()}")
    shutil.rmtree(building.path, ignore_errors=True)
    building.path.mkdir(FOLDER_MODE)
    building.inbox_done.mkdir(parents=True)
    try:
        fill(building)
        write_json(building.spec, spec)
        write_json(building.status, status)
        if replaced is not None:
            with contextlib.suppress(OSError):
                shutil.copyfile(replaced.path / "label.json", building.path / "label.json")
        target = root / spec.id
        old = root / f"{_OLD}{spec.id}-{os.getpid()}"
        if replaced is not None and replaced.path.exists():
            replaced.path.rename(old)
        tighten(building.path)
        building.path.rename(target)
    except BaseException:
        shutil.rmtree(building.path, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return target


def write_lines(path: Path, lines: Sequence[bytes]) -> None:
    """A journal at once."""
    with path.open("wb") as stream:
        stream.writelines(line.rstrip(b"\n") + b"\n" for line in lines)


def write_rows(run: RunDir, spec: RunSpec, rows: Sequence[tuple[int, StepRow]]) -> None:
    """steps.jsonl, of (attempt, row)."""
    lines = []
    for attempt, row in rows:
        since_s = None if row.at is None else max(0.0, row.at - spec.created_at)
        lines.append(step_row(row.step, since_s, row.loss, row.average, row.lr, attempt))
    write_lines(run.steps, lines)


def _sweep(root: Path) -> None:
    for path in root.glob(f"{_MAKING}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path, ignore_errors=True)
