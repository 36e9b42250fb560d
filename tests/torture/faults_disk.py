"""Disks that fill up, run out of inodes or become read-only, and folders that vanish, under a living training.

A life that meets one of these gets small disks of its own (tmpfs) for the runs and for the output; that needs
root, as mounting does. Every fault here ends before it returns: a person frees the disk, at some moment.

What a full disk may cost: the trainer's own stdout is console.log, and a trainer that cannot print ends with
an error of its own, as one that cannot save; then the verdict must be `failed` for `disk_full`. Everything
else must be there again once there is room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from runner.model import Outcome, RunSnapshot
from tests.torture.faults import UNHARMED, fault
from tests.torture.faults_files import readers_raise_nothing
from tests.torture.life import ATTEMPT_S, LOOK_S, PHASES, Life, Overdue

FAMILY = "disk"
#: the trainer's print or its save failed
VICTIM = frozenset({Outcome.SUCCEEDED, Outcome.FAILED})
DISK_CAUSES = ("disk_full", "output_not_writable")
SIZE = {"runs": "16m", "out": "64m"}
INODES = 2000
BALLAST = ".ballast"
GONE_S = 10.0
ROOT = os.geteuid() == 0 and sys.platform == "linux"


def _places(life: Life) -> dict[str, Path]:
    return {"runs": life.folder / "home" / "runs", "out": life.output}


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)


def small_disks(life: Life) -> None:
    """Before the start, once for each life."""
    for name, path in _places(life).items():
        if path.is_mount():
            continue
        for folder in (life.folder / "home", path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = f"size={SIZE[name]},nr_inodes={INODES},mode=0700"
        _mount("-t", "tmpfs", "-o", options, "tmpfs", str(path))
        life.undo.append(partial(_unmount, path))


# ----------------------------------------------------------------- full


def _fill_bytes(place: Path, keep_bytes: int) -> None:
    """A tmpfs counts in pages: with none free, the last page of each file still has room."""
    with (place / BALLAST / "bytes").open("wb") as stream:
        while True:
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - keep_bytes
            try:
                os.posix_fallocate(stream.fileno(), stream.seek(0, os.SEEK_END), max(free, 4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                if free < 4096:
                    return


def _fill_inodes(place: Path) -> None:
    with contextlib.suppress(OSError):
        for number in range(2 * INODES):
            (place / BALLAST / str(number)).touch()


@contextlib.contextmanager
def _full(life: Life, places: list[Path], what: str) -> Iterator[str]:
    keep = life.random.choice((0, 0, 4096, 8192))
    try:
        for place in places:
            (place / BALLAST).mkdir(exist_ok=True)
            if what == "bytes":
                _fill_bytes(place, keep)
            else:
                _fill_inodes(place)
        yield f"no {what} left in {[p.name for p in places]} but {keep if what == 'bytes' else 0}"
    finally:
        for place in places:
            shutil.rmtree(place / BALLAST, ignore_errors=True)


@contextlib.contextmanager
def _read_only(life: Life, places: list[Path], _what: str) -> Iterator[str]:
    """Files that are open for writing stay writable, as when a share loses its rights."""
    hidden: list[Path] = []
    try:
        for place in places:
            _mount("--bind", str(place), str(place))
            hidden.append(place)
            life.undo.append(partial(_unmount, place))
            _mount("-o", "remount,ro,bind", str(place))
        yield f"{[p.name for p in places]} read-only"
    finally:
        for place in hidden:
            _unmount(place)
            life.undo.pop()


def _choose(life: Life) -> list[Path]:
    places = list(_places(life).values())
    return life.random.choice((places[:1], places[1:], places))


def _for_a_while(life: Life) -> str:
    """Some seconds, or until the trainer has ended, and the supervisor has met that."""
    if life.random.random() < 0.7:
        seconds = life.random.uniform(0.5, 4.0)
        time.sleep(seconds)
        return f"for {seconds:.1f} s"
    deadline = time.monotonic() + ATTEMPT_S
    while {"trainer", "launcher"} & set(life.processes()):
        if time.monotonic() > deadline:
            raise Overdue("the trainer waits for the disk")
        time.sleep(LOOK_S)
    time.sleep(life.random.uniform(0.0, 3.0))
    return "until the trainer had ended"


def _blames_the_disk(life: Life, last: RunSnapshot) -> Iterator[str]:
    """A trainer that failed by its disk alone is said to have done so."""
    begun = next((n for n, note in enumerate(life.notes[::-1]) if " resumed " in note), 0)
    met = [note.split(maxsplit=1)[1] for note in life.notes[-begun:] if " (wanted " in note]
    cause = last.status.cause if last.status is not None else None
    if last.outcome is not Outcome.FAILED or any(not one.startswith("disk:") for one in met):
        return
    if cause is None or cause.key not in DISK_CAUSES:
        yield f"a trainer that failed by its disk is said to have failed by {cause}"


def _trouble(way: str, life: Life) -> str:
    places = _choose(life)
    if _blames_the_disk not in life.checks:
        life.checks.append(_blames_the_disk)
    if _places(life)["runs"] in places:
        life.torn_lines_allowed = True
        life.gaps_allowed = True  # what the trainer printed is lost with its refused writes
    begin = {"bytes": _full, "inodes": _full, "read-only": _read_only}[way]
    with begin(life, places, way) as what:
        readers_raise_nothing(life)
        how_long = _for_a_while(life)
        readers_raise_nothing(life)
    return f"{what} {how_long}"


# ----------------------------------------------------------------- gone


def _moved_away(life: Life) -> str:
    """And back, as by a person who tidied the wrong folder: what is open goes on in the moved one."""
    # TensorBoard's writer opens its file by name for every flush: without its folder the trainer fails
    life.allowed.add(str(Outcome.FAILED))
    away = life.run.path.with_name(".away")
    life.run.path.rename(away)
    try:
        how_long = _for_a_while(life)
        # the trainer's event writer may create its own folder again; nothing of ours may follow it
        found = [p.name for p in life.run.path.glob("*") if p.name != life.run.tensorboard.name]
        if found:
            raise Overdue(f"in place of the moved run folder: {found}")
    finally:
        shutil.rmtree(life.run.path, ignore_errors=True)
        away.rename(life.run.path)
    readers_raise_nothing(life)
    return f"run folder moved away {how_long}"


def _run_folder_deleted(life: Life) -> str:
    if life.over():
        return "too late to delete the folder of a living run"
    with contextlib.suppress(FileNotFoundError):  # not started yet
        life.gone_console = life.run.console.open("rb")
    deadline = time.monotonic() + GONE_S
    while life.run.path.exists() and time.monotonic() < deadline:
        shutil.rmtree(life.run.path, ignore_errors=True)
    life.gone, life.harmed = True, life.allowed != {"succeeded"}
    return "run folder deleted"


def _output_deleted(life: Life) -> str:
    if life.over():
        return "too late to delete the output of a living run"
    for path in life.output.iterdir() if life.output.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    life.output_deleted = True
    life.allowed.add(str(Outcome.FAILED))  # files that it wrote are missing
    return "output deleted"


if ROOT:
    for name in ("bytes", "inodes", "read-only"):
        fault(
            f"disk: no {name}" if name != "read-only" else "disk: read-only",
            FAMILY, VICTIM, prepare=small_disks, weight=3,
        )(partial(_trouble, name))  # fmt: skip
else:
    print("torture: NOT root, so no disk is filled or made read-only", file=sys.stderr)
fault("run folder moved away", FAMILY, UNHARMED)(_moved_away)
LIVING = tuple(name for name in PHASES if name != "ended")
fault("run folder deleted", FAMILY, UNHARMED, phases=LIVING)(_run_folder_deleted)
fault("output deleted", FAMILY, UNHARMED)(_output_deleted)
