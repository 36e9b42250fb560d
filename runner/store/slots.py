"""Slots: places for one training each, one per GPU, else one for the machine. A slot is taken by the kernel's
lock on its file, so no crash blocks it.

A queued run holds its slots alone (EX), by its supervisor and by the keeper, as long as the training lives. A
plain start takes a shared lock if it can, so that the queue waits for it. The lines of a lock file name its
holders: a training that outlived both of its processes still occupies its slot.

Few imports: see `runner.store.queue`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.files.private import open_lock, private_folder
from runner.store.queue import safe_name

#: overrides the slots: a number of trainings at once, or GPUs (`0,1`; `0,` for one)
VARIABLE = "PLASMA_SLOTS"
MOST = 256
NVIDIA, AMD = "nvidia", "amd"
#: of visible GPUs, by kind
VISIBLE = {NVIDIA: "CUDA_VISIBLE_DEVICES", AMD: "HIP_VISIBLE_DEVICES"}
_LINES_LIMIT_BYTES = 64_000
#: held (shared) by a plain start until it holds its slots; see `nothing_starts`
STARTING = "starting"


class BadSlots(ValueError):
    """PLASMA_SLOTS cannot be used; one sentence."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """`key`: NVIDIA's UUID, AMD's address."""

    key: str
    kind: str
    index: int

    def is_called(self, text: str) -> bool:
        """By its index or its UUID, or the start of one, as in CUDA_VISIBLE_DEVICES."""
        known = text == str(self.index) or text == self.key
        return known or (text.startswith("GPU-") and self.key.startswith(text))


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    gpu: Gpu | None = None

    @property
    def label(self) -> str:
        return f"GPU {self.gpu.index}" if self.gpu is not None else "this machine"


MACHINE = Slot("machine")


@dataclass(frozen=True, slots=True)
class Needs:
    """`gpus`: exactly these, by index or UUID; empty: it hides every GPU; None: any `count` slots."""

    count: int = 1
    gpus: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A line of a lock file. `alone`: from the queue."""

    run: str
    attempt: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A lock of this process."""

    slot: str
    fd: int


# --------------------------------------------------------------------------- pure


def offered(gpus: Sequence[Gpu], wish: str = "") -> list[Slot]:
    """The slots of this machine. `wish`: PLASMA_SLOTS. Raises BadSlots."""
    wish = wish.strip()
    if not wish:
        return [Slot(safe_name(gpu.key), gpu) for gpu in gpus] or [MACHINE]
    if "," not in wish:
        try:
            number = int(wish)
        except ValueError:
            number = 0
        if not 1 <= number <= MOST:
            raise BadSlots(_nonsense(wish))
        places: Sequence[Gpu | None] = gpus or [None]
        return [_nth(places[n % len(places)], n // len(places)) for n in range(number)]
    words = [word.strip() for word in wish.split(",") if word.strip()]
    if not words or not all(word.isdigit() or word.startswith("GPU-") for word in words):
        raise BadSlots(_nonsense(wish))
    chosen = (gpu for word in words for gpu in gpus if gpu.is_called(word))
    return [Slot(safe_name(gpu.key), gpu) for gpu in dict.fromkeys(chosen)]


def _nonsense(wish: str) -> str:
    return (
        f"{VARIABLE}={wish[:40]!r} is neither a number of trainings at once (1 to {MOST}) nor a list of GPUs "
        "(`0,1`; `0,` for one): correct or unset it"
    )


def _nth(gpu: Gpu | None, turn: int) -> Slot:
    name = safe_name(gpu.key) if gpu is not None else MACHINE.name
    return Slot(f"{name}~{turn + 1}" if turn else name, gpu)


def units(slots: Sequence[Slot], needs: Needs) -> list[list[Slot]]:
    """For each slot that the run needs, those it may have. Raises BadSlots: it can never be satisfied."""
    if needs.gpus is not None:
        found = [[s for s in slots if s.gpu and s.gpu.is_called(one)] for one in needs.gpus]
        if missing := [one for one, fits in zip(needs.gpus, found, strict=True) if not fits]:
            raise BadSlots(f"it is set to GPU {', '.join(missing)}, which {_offers(slots)}")
        return found or [[MACHINE]]
    if any(slot.gpu is None for slot in slots):  # processes share a machine without GPUs
        return [list(slots)]
    places = len({slot.gpu for slot in slots})
    if needs.count > places:
        raise BadSlots(f"it needs {needs.count} GPUs, and this machine has {places}")
    return [list(slots)] * needs.count


def _offers(slots: Sequence[Slot]) -> str:
    known = [str(slot.gpu.index) for slot in slots if slot.gpu is not None]
    has = f"its slots are GPU {', '.join(dict.fromkeys(known))}" if known else "it has no GPU slot"
    return f"does not exist here ({has})"


def visible(slots: Sequence[Slot]) -> dict[str, str]:
    """What the trainer's environment gets."""
    gpus = [slot.gpu for slot in slots if slot.gpu is not None]
    if not gpus:
        return {}
    kind = gpus[0].kind
    return {VISIBLE[kind]: ",".join(g.key if kind == NVIDIA else str(g.index) for g in gpus)}


# --------------------------------------------------------------------------- the locks


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
            if any(one.run != holder.run and lives(one) for one in holders(fd)):
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


def retake(folder: Path, holder: Holder) -> list[Held]:
    """For an adopting supervisor: the free slots whose file names its attempt."""
    found = []
    for name in names(folder):
        if holder not in _read_holders(folder, name):
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


def named_by(folder: Path, run: str, attempt: int) -> Holder | None:
    """Did this attempt hold a slot? Reads without a lock."""
    known = all_holders(folder)
    return next((one for one in known if (one.run, one.attempt) == (run, attempt)), None)


def all_holders(folder: Path) -> list[Holder]:
    """Of all slots, now or lately. Reads without a lock."""
    return [one for name in names(folder) for one in _read_holders(folder, name)]


def _read_holders(folder: Path, name: str) -> list[Holder]:
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
