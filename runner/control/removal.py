"""What removing a run would take away, and what speaks against it now. Looks only."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.model import KeeperRecord, RunSnapshot, RunState
from runner.model.units import count, file_size, some
from runner.process.family import family
from runner.store.journal import readable
from runner.store.labels import read_label
from runner.store.liveness import is_keeper, lock_held, same_process
from runner.store.reader import RunReader
from runner.store.registry import LIVE
from runner.store.rundir import RunDir, runs_root
from runner.store.unrecorded import still_runs, writing_pids

WEIGHTS = (".safetensors", ".ckpt", ".pt")
#: as sd-scripts names the folders that `--resume` takes
STATE_SUFFIX = "-state"


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a run would take away. `goes`, `stays`: a sentence each, for a person.

    `lost`: checkpoints and states that lie inside the run folder although they are no smoke test's: they
    need a word of their own (`with_checkpoints`). `refusal`: why it cannot be removed now, None if it can."""

    id: str
    name: str
    path: str
    size_bytes: int
    files: int
    goes: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in a run folder. `weights`: checkpoints and state folders, relative to it."""

    files: int
    size_bytes: int
    weights: tuple[str, ...]
    tensorboard: bool


def removal_of(path: Path) -> Removal:
    """Walks the run folder, which may take a moment. Of a run that is gone: a refusal."""
    run = RunDir(path)
    snapshot = RunReader(path, console=False).read_small()
    found = _walk(path)
    smoke = snapshot.spec is not None and snapshot.spec.smoke
    lost = tuple(one for one in found.weights if not (smoke and _in_scratch(one)))
    spec_name = snapshot.spec.name if snapshot.spec is not None else run.id
    return Removal(
        id=run.id,
        name=read_label(path).name or spec_name,
        path=str(path),
        size_bytes=found.size_bytes,
        files=found.files,
        goes=tuple(_goes(run, snapshot, found, lost)),
        stays=tuple(_stays(path, snapshot)),
        lost=lost,
        refusal=refusal_of(path, snapshot),
    )


# --------------------------------------------------------------------------- what there is


def _walk(path: Path) -> _Found:
    """Links are counted as links: nothing behind them goes."""
    files = size = 0
    seen: set[tuple[int, int]] = set()
    weights: list[str] = []
    has_events = False
    if path.is_symlink():
        return _Found(0, 0, (), False)
    for folder, folders, names in os.walk(path):
        inside = PurePath(folder).relative_to(path)
        if inside.name.endswith(STATE_SUFFIX) and names and not _in_state(inside.parent):
            weights.append(str(inside))
        for name in names:
            try:
                found = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - many files
            except OSError:
                continue
            files += 1
            has_events |= "tfevents" in name
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                size += found.st_size
            if name.endswith(WEIGHTS) and not _in_state(inside):
                weights.append(str(inside / name))
        folders.sort()
    return _Found(files, size, tuple(sorted(weights)), has_events)


def _in_state(inside: PurePath) -> bool:
    return any(part.endswith(STATE_SUFFIX) for part in inside.parts)


def _in_scratch(relative: str) -> bool:
    return PurePath(relative).parts[0] == "scratch"


def _goes(
    run: RunDir, snapshot: RunSnapshot, found: _Found, lost: tuple[str, ...]
) -> Iterator[str]:
    if run.path.is_symlink():
        yield "The link in the list of runs; the folder it points to stays."
        return
    size = file_size(found.size_bytes)
    yield f"The run folder with its journals and console log: {count(found.files, 'file')}, {size}."
    if lost:
        yield (
            f"{_checkpoints(len(lost))} that {'lies' if len(lost) == 1 else 'lie'} INSIDE the run "
            f"folder: {some(lost)}."
        )
    if len(found.weights) > len(lost):
        yield f"What the smoke test wrote: {_checkpoints(len(found.weights) - len(lost))}."
    if found.tensorboard:
        yield "Its TensorBoard files."
    if run.approval.exists():
        yield "The approval of this smoke test: the next long run with its settings needs another."
    spec = snapshot.spec
    elsewhere = spec is not None and spec.host != socket.gethostname()
    if spec is not None and elsewhere and snapshot.state is RunState.LOST:
        yield f"It ran on {spec.host}, which cannot be seen from here: make sure that nothing of it runs."


def _checkpoints(number: int) -> str:
    return f"{count(number, 'checkpoint')} or state{'' if number == 1 else 's'}"


def _stays(path: Path, snapshot: RunSnapshot) -> Iterator[str]:
    status, spec = snapshot.status, snapshot.spec
    if status is None or spec is None:
        return
    inside = os.path.realpath(path) + os.sep
    outside = [
        one
        for one in status.checkpoints
        if not one.removed and not os.path.realpath(one.path).startswith(inside)
    ]
    there = [one for one in outside if os.path.lexists(one.path)]
    if there:
        folder = str(Path(there[-1].path).parent)
        yield f"{count(len(there), 'checkpoint')} in {folder}."
    if spec.origin_path:
        yield f"{spec.origin_path}, which this entry of the list was made of."
    if spec.config_path:
        yield f"{spec.config_path}, datasets and models."


# --------------------------------------------------------------------------- what speaks against it


def refusal_of(path: Path, snapshot: RunSnapshot) -> str | None:
    """Why this run is not to be removed now; None if nothing of it lives."""
    run = RunDir(path)
    if os.path.realpath(path.parent) != os.path.realpath(runs_root()):
        return f"{path} is not in the list of runs: delete that folder yourself if it is to go"
    if not os.path.lexists(path):
        return f"run {run.id} is gone already"
    if snapshot.state in LIVE:
        where = f" on {snapshot.spec.host}" if snapshot.spec is not None else ""
        return (
            f"run {run.id} is {snapshot.state}{where}: stop it first (`plasma-tui stop {run.id}`)"
        )
    if lock_held(run.lock):
        return f"run {run.id} is being supervised right now: try again in a moment"
    return alive_of(run, snapshot)


def alive_of(run: RunDir, snapshot: RunSnapshot) -> str | None:
    """A refusal while a process of the run lives, whoever holds its lock."""
    living = _living(run, snapshot)
    if living:
        return f"run {run.id} has processes that still live ({living}): end them first"
    return None


def _living(run: RunDir, snapshot: RunSnapshot) -> str:
    """Processes of the run on this machine, in words; another host's numbers mean nothing here."""
    spec, status = snapshot.spec, snapshot.status
    if spec is not None and spec.host != socket.gethostname():
        return ""
    keeper = readable(run.keeper, KeeperRecord)
    if keeper is not None and is_keeper(keeper.keeper_pid, run.path):
        return f"keeper {keeper.keeper_pid}"
    if status is not None and same_process(status.trainer_pid, status.trainer_created_at):
        return f"trainer {status.trainer_pid}"
    if still_runs(run):
        return ", ".join(map(str, writing_pids(run)))
    if keeper is None:
        return ""
    # a group's number may belong to somebody else by now: who is younger than the run is not of it
    ended_at = status.ended_at if status is not None else None
    began, ended = keeper.started_at - 5.0, ended_at if ended_at is not None else float("inf")
    members = [m for m in family((), keeper.pgid).values() if began <= m.created_at <= ended]
    return ", ".join(f"{member.name} {member.pid}" for member in members)
