"""Which processes hold memory of an NVIDIA card, and how much of it is the run's.

The driver knows nothing of containers: inside one it names processes by the numbers of the host, or none,
or both (560). A number may by chance be that of somebody else in here, so in a container a process is
believed to be on the card only if it has a device file of the driver open.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from runner.hardware.source import Asked
from runner.model import GpuUser

#: inode of the first PID namespace, fixed in the kernel (PROC_PID_INIT_INO)
_FIRST_NAMESPACE = "pid:[4026531836]"
_DEVICE_FILES = ("/dev/nvidia", "/dev/dxg")

NO_RUN = "no training process"
NO_SIZES = "the driver does not say how much each process holds"
OUTSIDE = (
    "the driver names processes by numbers of outside this container: start it with --pid=host"
)
NO_LIST = "the driver shows no processes in this container: start it with --pid=host"


@dataclass(frozen=True, slots=True)
class Held:
    """One line of the driver's list. `instance`: the MIG part, the same number where there is none."""

    pid: int
    memory_bytes: int | None
    instance: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """`run_bytes`, `others_bytes`: of the used memory; `reason`: why that is not known."""

    run_bytes: int | None
    others_bytes: int | None
    reason: str | None = None


def by_process(listed: Iterable[Held], total_bytes: int | None) -> dict[int, int | None]:
    """Bytes by process. Left out: number 0 and sizes that cannot be (a driver of the 535 series fills the
    list by another layout). A process stands in the compute and in the graphics list with the same size."""
    largest: dict[tuple[int, int], int | None] = {}
    for held in listed:
        size = held.memory_bytes
        if held.pid == 0 or (size is not None and size > (total_bytes or 1 << 50)):
            continue
        known = largest.get((held.pid, held.instance))
        largest[held.pid, held.instance] = max(known or 0, size) if size is not None else known
    sums: dict[int, int | None] = {}
    for (pid, _), size in largest.items():
        before = sums.get(pid, 0)
        sums[pid] = None if size is None or before is None else before + size
    return sums


class Processes:
    """Tells who a process is; keeps what it found, by number and time of birth."""

    def __init__(self, trusted: bool | None = None, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        #: the driver's numbers are ours, and its list is whole
        self.trusted = numbers_are_ours(proc) if trusted is None else trusted
        self._known: dict[int, tuple[float, str]] = {}

    def users(
        self, sizes: Mapping[int, int | None], percents: Mapping[int, float] | None, asked: Asked
    ) -> tuple[GpuUser, ...]:
        """The card's users, largest first. `percents`: None where the driver does not tell."""
        users = [self._user(pid, size, percents, asked) for pid, size in sizes.items()]
        return tuple(sorted(users, key=lambda user: -(user.memory_bytes or 0)))

    def forget_but(self, pids: frozenset[int]) -> None:
        for pid in self._known.keys() - pids:
            del self._known[pid]

    def _user(
        self, pid: int, size: int | None, percents: Mapping[int, float] | None, asked: Asked
    ) -> GpuUser:
        percent = None if percents is None else percents.get(pid, 0.0)
        who = self._who(pid)
        if who is None:
            return GpuUser(None, memory_bytes=size, percent=percent, outside=True)
        born, name = who
        return GpuUser(pid, name, size, percent, ours=pid in asked.run_pids, since_at=born)

    def _who(self, pid: int) -> tuple[float, str] | None:
        """Time of birth and name; None if there is no such process here, or it is another one."""
        try:
            process = psutil.Process(pid)
            born = process.create_time()
            known = self._known.get(pid)
            if known is not None and known[0] == born:
                return known
            if not self.trusted and not self._has_device_open(pid):
                return None
            self._known[pid] = (born, process.name())
        except (psutil.Error, OSError):
            return None
        return self._known[pid]

    def _has_device_open(self, pid: int) -> bool:
        """Of another user's process nothing can be seen: then it is not believed either."""
        folder = self._proc / str(pid) / "fd"
        try:
            names = os.listdir(folder)
        except OSError:
            return False
        for name in names:
            try:
                if str((folder / name).readlink()).startswith(_DEVICE_FILES):
                    return True
            except OSError:
                continue
        return False


def numbers_are_ours(proc: Path = Path("/proc")) -> bool:
    """Do we see processes by the same numbers as the driver? Not under WSL: Windows holds the card there."""
    if "microsoft" in platform.release().lower():
        return False
    try:
        return str((proc / "self" / "ns" / "pid").readlink()) == _FIRST_NAMESPACE
    except OSError:
        return False


def split(used_bytes: int | None, users: tuple[GpuUser, ...], asked: Asked, trusted: bool) -> Split:
    """This run's part of the used memory. What no process of the list explains is counted as others'."""
    if not asked.run_pids:
        return Split(None, used_bytes, NO_RUN)
    ours = [user.memory_bytes for user in users if user.ours]
    if any(size is None for size in ours):
        return Split(None, None, NO_SIZES)
    if not ours and not trusted:
        return Split(None, None, OUTSIDE if users else NO_LIST)
    run = sum(size for size in ours if size is not None)
    return Split(run, None if used_bytes is None else max(0, used_bytes - run))
