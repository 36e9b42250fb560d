"""The locks of slots: a slot is taken by the kernel's lock on its file, so no crash blocks it.

A queued run holds its slots alone (EX), by its supervisor and by the keeper, as long as the training lives. A
plain start takes a shared lock, or claims it until it can, so that the queue waits for it. The lines of a lock
file name its holders: a training that outlived both of its processes still occupies its slot.

Few imports: see `runner.store.queue`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from runner.files.atomic import replace_file
from runner.files.private import FILE_MODE, open_lock, private_folder
from runner.files.regular_file import read_bytes
from runner.store.queue import safe_name
from runner.store.slots import Gpu, Slot

_LINES_LIMIT_BYTES = 64_000
#: held (shared) by a plain start until it holds its slots; see `nothing_starts`
STARTING = "starting"


@dataclass(frozen=True, slots=True, eq=False)
class Holder:
    """A line of a lock file. `run`: its folder, perhaps moved with its home since; `alone`: from the queue."""

    run: str
    attempt: int
    alone: bool

    @property
    def run_id(self) -> str:
        return Path(self.run).name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holder) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, int, bool]:
        return self.run_id, self.attempt, self.alone


@dataclass(frozen=True, slots=True)
class Held:
    """A lock of this process."""

    slot: str
    fd: int


def slots_folder(home: Path, host: str) -> Path:
    return home / "slots" / safe_name(host)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"


def _lock(folder: Path, name: str, how: int) -> int | None:
    """Raises OSError for a folder that cannot be written."""
    private_folder(folder)
    fd = open_lock(_path(folder, name))
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def holders(fd: int) -> list[Holder]:
    found = []
    with contextlib.suppress(OSError):
        for line in os.pread(fd, _LINES_LIMIT_BYTES, 0).splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                one = json.loads(line)
                found.append(Holder(str(one["run"]), int(one["attempt"]), bool(one["alone"])))
    return found


def _write(fd: int, holder: Holder, others: Sequence[Holder] = ()) -> None:
    """A full disk costs no training: only its name in the slot."""
    lines = dict.fromkeys((*others, holder))
    text = "".join(f"{json.dumps(asdict(one))}\n" for one in lines).encode()
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, text, 0)


def take(
    folder: Path,
    wanted: Sequence[Sequence[Slot]],
    holder: Holder,
    lives: Callable[[Holder], bool],
) -> list[tuple[Slot, Held]]:
    """A slot of each list, on different GPUs, or none at all. `lives`: does that run's training live without
    a lock? Raises OSError."""
    found: list[tuple[Slot, Held]] = []
    for fits in wanted:
        used = {slot.gpu or slot.name for slot, _ in found}
        for slot in fits:
            if (slot.gpu or slot.name) in used:
                continue
            fd = _lock(folder, slot.name, fcntl.LOCK_EX)
            if fd is None:
                continue
            if any(one.run_id != holder.run_id and lives(one) for one in holders(fd)):
                os.close(fd)
                continue
            found.append((slot, Held(slot.name, fd)))
            break
        else:
            release([held for _, held in found])
            return []
    for _, held in found:
        _write(held.fd, holder)
    return found


def share(folder: Path, slot: Slot, holder: Holder) -> Held | None:
    """For a plain start: beside others, never beside a queued run. Raises OSError."""
    fd = _lock(folder, slot.name, fcntl.LOCK_SH)
    if fd is None:
        return None
    _write(fd, holder, [one for one in holders(fd) if not one.alone][-20:])
    return Held(slot.name, fd)


def claim(folder: Path, slot: Slot, holder: Holder) -> None:
    """For a plain start whose slot a queued run holds: afterwards it is not free as long as this training
    lives. Raises OSError."""
    fd = open_lock(_path(folder, slot.name))
    try:
        if holder not in holders(fd):
            line = f"{json.dumps(asdict(holder))}\n".encode()
            os.pwrite(fd, line, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def retake(folder: Path, holder: Holder) -> list[Held]:
    """For an adopting supervisor: the free slots whose file names its attempt."""
    found = []
    for name in names(folder):
        if holder not in holders_of(folder, name):
            continue
        with contextlib.suppress(OSError):
            fd = _lock(folder, name, fcntl.LOCK_EX if holder.alone else fcntl.LOCK_SH)
            if fd is not None and holder in holders(fd):
                found.append(Held(name, fd))
            elif fd is not None:  # taken by another meanwhile, and free again
                os.close(fd)
    return found


def names(folder: Path) -> Iterator[str]:
    """Of the lock files."""
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".lock") and name != f"{STARTING}.lock":
                yield name.removesuffix(".lock")


def named_by(folder: Path, run_id: str, attempt: int) -> Holder | None:
    """Did this attempt hold a slot? Reads without a lock."""
    known = (one for found in all_holders(folder).values() for one in found)
    return next((one for one in known if (one.run_id, one.attempt) == (run_id, attempt)), None)


def all_holders(folder: Path) -> dict[str, list[Holder]]:
    """By slot, now or lately. Reads without a lock."""
    return {name: holders_of(folder, name) for name in names(folder)}


def holders_of(folder: Path, name: str) -> list[Holder]:
    try:
        fd = os.open(_path(folder, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return []
    try:
        return holders(fd)
    finally:
        os.close(fd)


def release(held: Sequence[Held]) -> None:
    """Let go of this process's copies: an inherited one keeps the slot."""
    for one in held:
        with contextlib.suppress(OSError):
            os.close(one.fd)


def begin_plain(folder: Path) -> Held | None:
    """Held by a plain start until it holds its slots. Raises OSError."""
    fd = _lock(folder, STARTING, fcntl.LOCK_SH)
    return Held(STARTING, fd) if fd is not None else None


def nothing_starts(folder: Path) -> bool:
    """Has every plain start taken its slots? Raises OSError."""
    fd = _lock(folder, STARTING, fcntl.LOCK_EX)
    if fd is not None:
        os.close(fd)
    return fd is not None


# --------------------------------------------------------------------------- GPUs


def gpus_of(found: Any) -> list[Gpu]:
    """From `[[key, kind, index], ...]`. Raises ValueError, TypeError."""
    return [Gpu(str(key), str(kind), int(index)) for key, kind, index in found]


def known_gpus(folder: Path) -> list[Gpu]:
    """Those that this queue has used."""
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        return gpus_of(json.loads(read_bytes(folder / "gpus.json", follow=False)))
    return []


def remember_gpus(folder: Path, gpus: Sequence[Gpu]) -> None:
    """Raises OSError."""
    private_folder(folder)
    text = json.dumps([astuple(gpu) for gpu in gpus])
    replace_file(folder / "gpus.json", text.encode(), mode=FILE_MODE)
