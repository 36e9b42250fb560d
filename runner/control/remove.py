"""Removes a run so that the list never shows half of it and no supervisor starts meanwhile.

The folder is renamed to a hidden name, then deleted. The next removal cleans up after a killed one. Nothing
outside the folder is touched: links are deleted, never followed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from runner.control.launch import starts_lock
from runner.files.atomic import first_free
from runner.model import KeeperRecord, RunSnapshot, RunState
from runner.model.refusal import Refusal
from runner.model.units import count, file_size, some
from runner.process.family import family
from runner.store.journal import readable
from runner.store.labels import read_label
from runner.store.liveness import is_keeper, lock_held, same_process, take_lock
from runner.store.reader import RunReader
from runner.store.registry import LIVE
from runner.store.rundir import RunDir, runs_root
from runner.store.unrecorded import still_runs, writing_pids

WEIGHTS = (".safetensors", ".ckpt", ".pt")
#: sd-scripts' names of folders for `--resume`
STATE_SUFFIX = "-state"
#: folders being removed; names starting with a dot are not runs
HIDDEN = ".removed-"


class RemoveRefused(Refusal):
    """Why a run is not removed now; one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a run would delete. `goes`, `stays`: a sentence each, for display. `lost`: checkpoints
    and states inside the run folder that are not from a smoke test: they need an explicit `with_checkpoints`.
    `refusal`: why it cannot be removed now, None if it can."""

    id: str
    name: str
    path: str
    size_bytes: int
    files: int
    goes: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(slots=True)
class _Found:
    """Contents of a run folder. `weights`: checkpoints and state folders, relative to it."""

    files: int = 0
    size_bytes: int = 0
    weights: list[str] = field(default_factory=list)
    tensorboard: bool = False


def removal_of(path: Path) -> Removal:
    """Walks the run folder, which may take a moment. For a missing run: a refusal."""
    snapshot = RunReader(path, console=False).read_small()
    spec, found = snapshot.spec, _walk(path)
    smoke = spec is not None and spec.smoke
    lost = tuple(w for w in found.weights if not (smoke and PurePath(w).parts[0] == "scratch"))
    return Removal(
        id=path.name,
        name=read_label(path).name or (spec.name if spec is not None else path.name),
        path=str(path),
        size_bytes=found.size_bytes,
        files=found.files,
        goes=tuple(_goes(path, snapshot, found, lost)),
        stays=tuple(_stays(path, snapshot)),
        lost=lost,
        refusal=_refusal(path, snapshot),
    )


def _walk(path: Path) -> _Found:
    """Links are counted as links: their targets are not deleted."""
    found, seen = _Found(), set[tuple[int, int]]()
    for folder, folders, names in () if path.is_symlink() else os.walk(path):
        folders.sort()
        inside = PurePath(folder).relative_to(path)
        in_state = any(part.endswith(STATE_SUFFIX) for part in inside.parts)
        above = any(part.endswith(STATE_SUFFIX) for part in inside.parent.parts)
        if in_state and names and not above:
            found.weights.append(str(inside))
        for name in names:
            try:
                stat = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - many files
            except OSError:
                continue
            found.files += 1
            found.tensorboard |= "tfevents" in name
            if (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                found.size_bytes += stat.st_size
            if name.endswith(WEIGHTS) and not in_state:
                found.weights.append(str(inside / name))
    found.weights.sort()
    return found


def _goes(path: Path, snapshot: RunSnapshot, found: _Found, lost: tuple[str, ...]) -> Iterator[str]:
    if path.is_symlink():
        yield "The link in the runs folder; the folder it points to stays."
        return
    size = file_size(found.size_bytes)
    yield f"The run folder with its journals and console log: {count(found.files, 'file')}, {size}."
    if lost:
        lie = "lies" if len(lost) == 1 else "lie"
        yield f"{_checkpoints(len(lost))} that {lie} INSIDE the run folder: {some(lost)}."
    if len(found.weights) > len(lost):
        yield f"What the smoke test wrote: {_checkpoints(len(found.weights) - len(lost))}."
    if found.tensorboard:
        yield "Its TensorBoard files."
    if RunDir(path).approval.exists():
        yield "The approval of this smoke test: the next full run with these settings needs a new one."
    if snapshot.state is RunState.LOST and (host := _elsewhere(snapshot)):
        yield f"It ran on {host}, which is not visible from here: make sure it is not running."


def _checkpoints(number: int) -> str:
    return f"{count(number, 'checkpoint')} or state{'' if number == 1 else 's'}"


def _elsewhere(snapshot: RunSnapshot) -> str | None:
    """The other machine that this run was started on."""
    host = snapshot.spec.host if snapshot.spec is not None else socket.gethostname()
    return host if host != socket.gethostname() else None


def _stays(path: Path, snapshot: RunSnapshot) -> Iterator[str]:
    status, spec = snapshot.status, snapshot.spec
    if status is None or spec is None:
        return
    inside = os.path.realpath(path) + os.sep
    known = (one.path for one in status.checkpoints if not one.removed)
    paths = [path for path in known if "\0" not in path]  # of a log: no file can have that name
    outside = [
        one
        for one in paths
        if not os.path.realpath(one).startswith(inside) and os.path.lexists(one)
    ]
    if outside:
        yield f"{count(len(outside), 'checkpoint')} in {Path(outside[-1]).parent}."
    if spec.origin_path:
        yield f"{spec.origin_path}, which this run was imported from."
    if spec.config_path:
        yield f"{spec.config_path}, datasets and models."


# --------------------------------------------------------------------------- reasons against it


def _refusal(path: Path, snapshot: RunSnapshot) -> str | None:
    """Why this run cannot be removed now; None if no process of it is alive."""
    run = RunDir(path)
    if os.path.realpath(path.parent) != os.path.realpath(runs_root()):
        return f"{path} is not a known run: delete that folder yourself if you no longer need it"
    if not os.path.lexists(path):
        return f"run {run.id} has already been removed"
    if snapshot.state in LIVE:
        where = f" on {snapshot.spec.host}" if snapshot.spec is not None else ""
        return (
            f"run {run.id} is {snapshot.state}{where}: stop it first (`plasma-tui stop {run.id}`)"
        )
    if snapshot.newer:
        return f"run {run.id} was {snapshot.newer}"
    if lock_held(run.lock):
        return f"run {run.id} has a running supervisor: try again in a moment"
    return _alive(run, snapshot)


def _alive(run: RunDir, snapshot: RunSnapshot) -> str | None:
    """A refusal while a process of the run is alive on this machine, whoever holds its lock."""
    living = "" if _elsewhere(snapshot) else _living(run, snapshot)
    if living:
        return f"run {run.id} has live processes ({living}): stop them first"
    return None


def _living(run: RunDir, snapshot: RunSnapshot) -> str:
    status, keeper = snapshot.status, readable(run.keeper, KeeperRecord)
    if keeper is not None and is_keeper(keeper.keeper_pid, run.path):
        return f"keeper {keeper.keeper_pid}"
    if status is not None and same_process(status.trainer_pid, status.trainer_created_at):
        return f"trainer {status.trainer_pid}"
    if still_runs(run):
        return ", ".join(map(str, writing_pids(run)))
    if keeper is None:
        return ""
    # a group id may be reused by now: check that it is not younger than the run, as far as it was watched
    seen = float("inf") if status is None else status.ended_at or status.heartbeat_at
    began, ended = keeper.started_at - 5.0, seen
    members = [m for m in family((), keeper.pgid).values() if began <= m.created_at <= ended]
    return ", ".join(f"{member.name} {member.pid}" for member in members)


# --------------------------------------------------------------------------- doing it


def remove_run(path: Path, *, with_checkpoints: bool = False) -> Removal:
    """Remove the run folder; returns what was deleted. `with_checkpoints`: even with checkpoints inside.
    Raises RemoveRefused: it has live processes, checkpoints would be lost, or the disk refuses.
    """
    found = removal_of(path)
    _refuse(found.refusal)
    if found.lost and not with_checkpoints:
        raise RemoveRefused(
            f"run {found.id} has {len(found.lost)} checkpoints or states inside its folder, and they "
            f"would be deleted with it: copy them first, or remove it with --with-checkpoints"
        )
    try:
        hidden = _hide(path)
    except OSError as error:
        raise RemoveRefused(f"run {found.id} cannot be removed: {error.strerror}") from None
    _delete(hidden)
    with contextlib.suppress(OSError):  # and leftovers of earlier, killed removals
        for left in list(runs_root().glob(f"{HIDDEN}*")):
            _delete(left)
    if os.path.lexists(hidden):
        raise RemoveRefused(
            f"run {found.id} was removed from the list, but some files could not be deleted: {hidden}"
        )
    return found


def _refuse(why: str | None) -> None:
    if why is not None:
        raise RemoveRefused(why)


def _hide(path: Path) -> Path:
    """Remove from the list in one step. Starting or adopting a run holds one of these two locks."""
    with starts_lock():
        # again: something may have started since the check
        snapshot = RunReader(path, console=False).read_small()
        _refuse(_refusal(path, snapshot))
        with _flock(path):
            _refuse(_alive(RunDir(path), snapshot))
            numbered = (path.with_name(f"{HIDDEN}{path.name}-{n}") for n in itertools.count(1))
            hidden = first_free(numbered)
            path.rename(hidden)
    return hidden


@contextlib.contextmanager
def _flock(path: Path) -> Iterator[None]:
    """The supervisor's own lock."""
    if path.is_symlink() and not RunDir(path).lock.exists():
        yield  # a user's folder, listed through a link: nothing is written to it
        return
    fd = take_lock(RunDir(path).lock)
    if fd is None:
        raise RemoveRefused(f"run {path.name} has a running supervisor: try again in a moment")
    try:
        yield
    finally:
        os.close(fd)


def _delete(path: Path) -> None:
    """A read-only folder can still be deleted by its owner; link targets stay."""
    if path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    for folder, folders, _ in os.walk(path):
        for one in (Path(folder), *(Path(folder) / name for name in folders)):
            if not one.is_symlink():
                with contextlib.suppress(OSError):
                    one.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
