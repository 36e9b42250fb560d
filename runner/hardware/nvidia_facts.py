"""Shared by both ways of querying an NVIDIA driver: its codes as text, and who uses a card's memory.

Codes are those of nvml.h (stable since 2011); the module `pynvml` is not needed for them. The driver is
unaware of containers: inside one it reports host pids, or none, or both (560). Such a pid may belong to
another process in here, so in a container a process only counts as on the card if it has a device file of the
driver open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from runner.hardware.source import Asked
from runner.model import GpuSample, GpuUser
from runner.process.spawn import in_wsl

INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
ARGUMENT_VERSION_MISMATCH = 25

NO_DRIVER = "no NVIDIA driver on this machine"
NO_CARD = "the NVIDIA driver sees no GPU"
NO_BINDINGS = "the package nvidia-ml-py is not installed: pip install nvidia-ml-py"
GONE = "The driver no longer lists this GPU: look for Xid in `dmesg`; a reboot brings it back."
NO_RUN = "no training process"
NO_SIZES = "memory per process is not reported by the driver"
OUTSIDE = "the driver reports pids from outside this container: start it with --pid=host"
NO_LIST = "the driver reports no processes in this container: start it with --pid=host"

_STATES = {
    NO_PERMISSION: "No permission to ask this GPU: give this user access to /dev/nvidia*; "
    "in a container start it with --gpus all.",
    DRIVER_NOT_LOADED: "The NVIDIA kernel module is not loaded: run `sudo modprobe nvidia` or reboot.",
    GPU_IS_LOST: "The GPU is lost (it no longer responds to the driver): look for Xid in `dmesg`, then reboot.",
    RESET_REQUIRED: "The GPU has failed and needs a reset: stop what uses it, then reboot.",
    LIB_RM_VERSION_MISMATCH: "The NVIDIA driver was updated while the old one is still loaded: reboot.",
}
_FIELDS = {
    NOT_SUPPORTED: "not supported by this GPU",
    NO_PERMISSION: "no permission",
    FUNCTION_NOT_FOUND: "the driver is too old for it",
    GPU_IS_LOST: "the GPU is lost",
}
#: Only unwanted slowdowns. Left out: idle (1), clocks set by the administrator (2, normal for data-centre
#: cards) or by a display (0x100), and voltage limits, which every card has.
_THROTTLE = (
    (0x04, "power cap"),
    (0x80, "power brake"),
    (0x08, "hardware slowdown"),
    (0x20, "thermal"),
    (0x40, "thermal"),
    (0x10, "sync boost"),
)
#: inode of the first PID namespace, fixed in the kernel (PROC_PID_INIT_INO)
_FIRST_NAMESPACE = "pid:[4026531836]"
_DEVICE_FILES = ("/dev/nvidia", "/dev/dxg")


class Trouble(Exception):
    """Why there is no answer. `code`: of nvml.h, None for other errors; `text`: the driver's message."""

    def __init__(self, code: int | None, text: str = "") -> None:
        super().__init__(text)
        self.code, self.text = code, text

    @property
    def state(self) -> str:
        """The sentence for a card, or for the driver."""
        known = _STATES.get(self.code or 0)
        return known or f"The NVIDIA driver reports: {self.text or 'unknown error'}."

    @property
    def field(self) -> str:
        """The reason for one missing value."""
        return _FIELDS.get(self.code or 0) or f"not measured: {self.text or 'unknown error'}"

    @property
    def of_card(self) -> bool:
        """Is the card itself failing, not just this value?"""
        return self.code in (GPU_IS_LOST, RESET_REQUIRED)

    @property
    def of_spelling(self) -> bool:
        """The call or its struct is unknown to this driver: try another version."""
        return self.code in (FUNCTION_NOT_FOUND, INVALID_ARGUMENT, ARGUMENT_VERSION_MISMATCH)


def throttle_words(mask: int) -> tuple[str, ...]:
    """Why the clocks are reduced, from the driver's bit mask; empty: no relevant reason."""
    return tuple(dict.fromkeys(word for bit, word in _THROTTLE if mask & bit))


@dataclass(frozen=True, slots=True)
class Held:
    """One line of the driver's list. `instance`: the MIG instance, the same number if there is none."""

    pid: int
    memory_bytes: int | None
    instance: int = 0


def by_process(listed: Iterable[Held], total_bytes: int | None) -> dict[int, int | None]:
    """Bytes by process. Left out: pid 0 and impossible sizes (a 535 driver uses another layout). A process is
    in the compute and in the graphics list with the same size."""
    largest: dict[tuple[int, int], int | None] = {}
    for held in listed:
        key, size = (held.pid, held.instance), held.memory_bytes
        if held.pid and (size is None or size <= (total_bytes or 1 << 50)):
            known = largest.get(key)
            largest[key] = known if size is None else max(known or 0, size)
    sums: dict[int, int | None] = {}
    for (pid, _), size in largest.items():
        before = sums.get(pid, 0)
        sums[pid] = None if size is None or before is None else before + size
    return sums


class Processes:
    """Identifies processes; caches results by pid and start time."""

    def __init__(self, trusted: bool | None = None, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        #: the driver's pids are ours, and its list is complete
        self.trusted = numbers_are_ours(proc) if trusted is None else trusted
        self._known: dict[int, tuple[float, str]] = {}

    def on(
        self,
        card: GpuSample,
        listed: Iterable[Held],
        percents: Mapping[int, float] | None,
        asked: Asked,
    ) -> GpuSample:
        """`card` with its users and this run's part of its used memory. `percents`: see `users`."""
        users = self.users(by_process(listed, card.memory_total_bytes), percents, asked)
        run, others, why = split(card.memory_used_bytes, users, asked, self.trusted)
        reasons = card.reasons | ({} if why is None else {"memory_run_bytes": why})
        return replace(
            card, users=users, memory_run_bytes=run, memory_others_bytes=others, reasons=reasons
        )

    def users(
        self, sizes: Mapping[int, int | None], percents: Mapping[int, float] | None, asked: Asked
    ) -> tuple[GpuUser, ...]:
        """The card's users, largest first. `percents`: None if not reported by the driver."""
        users = []
        for pid, size in sizes.items():
            percent = None if percents is None else percents.get(pid, 0.0)
            if (who := self._who(pid)) is None:
                users.append(GpuUser(None, memory_bytes=size, percent=percent, outside=True))
            else:
                ours, (born, name) = pid in asked.run_pids, who
                users.append(GpuUser(pid, name, size, percent, ours, since_at=born))
        return tuple(sorted(users, key=lambda user: -(user.memory_bytes or 0)))

    def _who(self, pid: int) -> tuple[float, str] | None:
        """Start time and name; None if there is no such process here, or it is a different one."""
        try:
            process = psutil.Process(pid)
            born, known = process.create_time(), self._known.get(pid)
            if known is not None and known[0] == born:
                return known
            # another user's process is not visible: then it does not count
            opened = [] if self.trusted else list((self._proc / str(pid) / "fd").iterdir())
            if not self.trusted and not any(_link(fd).startswith(_DEVICE_FILES) for fd in opened):
                return None
            self._known[pid] = (born, process.name())
        except (psutil.Error, OSError):
            return None
        return self._known[pid]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def numbers_are_ours(proc: Path = Path("/proc")) -> bool:
    """Do our pids match the driver's? Not under WSL: there Windows owns the card."""
    return not in_wsl() and _link(proc / "self" / "ns" / "pid") == _FIRST_NAMESPACE


def split(
    used_bytes: int | None, users: tuple[GpuUser, ...], asked: Asked, trusted: bool
) -> tuple[int | None, int | None, str | None]:
    """(bytes of this run, bytes of others) of the used memory, and why that is unknown. Memory not explained
    by a listed process counts as others'."""
    if not asked.run_pids:
        return None, used_bytes, NO_RUN
    ours = [user.memory_bytes for user in users if user.ours]
    known = [size for size in ours if size is not None]
    if len(known) < len(ours):
        return None, None, NO_SIZES
    if not ours and not trusted:
        return None, None, OUTSIDE if users else NO_LIST
    run = sum(known)
    return run, None if used_bytes is None else max(0, used_bytes - run), None
