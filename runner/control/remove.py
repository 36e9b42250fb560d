"""Removing a run so that no moment leaves half a run in the list, and no supervisor starts meanwhile.

The folder is renamed to a name that no list shows, then deleted. What a killed removal leaves is swept by
the next one. Nothing outside the folder is touched: links are deleted, never followed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from runner.control.launch import starts_lock
from runner.control.removal import Removal as Removal
from runner.control.removal import alive_of, refusal_of
from runner.control.removal import removal_of as removal_of
from runner.files.atomic import first_free
from runner.store.liveness import take_lock
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root

#: folders on the way out; names with a dot in front are no runs
HIDDEN = ".removed-"


class RemoveRefused(Exception):
    """Why a run is not removed now; one sentence with what to do."""


def remove_run(path: Path, *, with_checkpoints: bool = False) -> Removal:
    """Remove the run folder; says what went. `with_checkpoints`: also where checkpoints lie inside it.

    Raises RemoveRefused: something of it lives, checkpoints would be lost, or the disk refuses.
    """
    looked = removal_of(path)
    if looked.refusal is not None:
        raise RemoveRefused(looked.refusal)
    if looked.lost and not with_checkpoints:
        raise RemoveRefused(
            f"run {looked.id} has {len(looked.lost)} checkpoints or states inside its folder, and they "
            f"would be deleted with it: copy them first, or remove it with --with-checkpoints"
        )
    try:
        hidden = _hide(path)
    except OSError as error:
        raise RemoveRefused(f"run {looked.id} cannot be removed: {error.strerror}") from None
    _sweep(hidden)
    if os.path.lexists(hidden):
        raise RemoveRefused(
            f"run {looked.id} is out of the list, but not all of its files could be deleted: {hidden}"
        )
    return looked


def _hide(path: Path) -> Path:
    """Out of the list in one step. Whoever starts or adopts a run holds one of these two locks."""
    with starts_lock():
        # looked at once more: what has begun since the question shows now
        snapshot = RunReader(path, console=False).read_small()
        _refuse(refusal_of(path, snapshot))
        with _flock(path):
            _refuse(alive_of(RunDir(path), snapshot))
            numbered = (path.with_name(f"{HIDDEN}{path.name}-{n}") for n in itertools.count(1))
            hidden = first_free(numbered)
            path.rename(hidden)
    return hidden


def _refuse(why: str | None) -> None:
    if why is not None:
        raise RemoveRefused(why)


@contextlib.contextmanager
def _flock(path: Path) -> Iterator[None]:
    """The supervisor's own lock."""
    if path.is_symlink() and not RunDir(path).lock.exists():
        yield  # somebody's own folder, shown in the list by a link: nothing is written into it
        return
    fd = take_lock(RunDir(path).lock)
    if fd is None:
        raise RemoveRefused(f"run {path.name} is being supervised right now: try again in a moment")
    try:
        yield
    finally:
        os.close(fd)


def _sweep(hidden: Path) -> None:
    """Delete this one, and what earlier removals that were killed have left."""
    _delete(hidden)
    with contextlib.suppress(OSError), os.scandir(runs_root()) as entries:
        for entry in entries:
            if entry.name.startswith(HIDDEN):
                _delete(Path(entry.path))


def _delete(path: Path) -> None:
    if path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _unlock_folders(path)
        shutil.rmtree(path, ignore_errors=True)


def _unlock_folders(path: Path) -> None:
    """A folder that forbids writing can still be deleted by who owns it; what links point to is left."""
    for folder, folders, _ in os.walk(path):
        for one in (Path(folder), *(Path(folder) / name for name in folders)):
            if not one.is_symlink():
                with contextlib.suppress(OSError):
                    one.chmod(0o700)
