"""The GPU and the memory of a Mac, without sudo: ioreg, vm_stat, two system calls.

Nothing here was seen on a Mac yet; the shapes are those of public captures from M1 to M5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from runner.hardware.apple_ioreg import Accelerator, Client, NotUnderstood, accelerators, clients
from runner.hardware.apple_system import Heat, Macmon, footprint, pressure, swapped_out
from runner.hardware.source import Ask, Asked, Reading, Unanswered, ask, share_of_time
from runner.model import GpuSample, GpuUser

_IOREG = "/usr/sbin/ioreg"
GPUS = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator", "-a")
CLIENTS_TEXT = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "AGXDeviceUserClient")
CLIENTS = (*CLIENTS_TEXT, "-a")
VM_STAT = ("/usr/bin/vm_stat",)
TIMEOUT_S = 3.0
#: what costs a process more than the GPU's own figures need
SELDOM_S = 10.0
#: other programs below this share of the GPU are not worth a line
LEAST_PERCENT = 1.0
MOST_USERS = 8
#: they draw the screen: always there, never in the way
NEVER_TOLD = frozenset({"WindowServer", "Dock"})


@dataclass(frozen=True, slots=True)
class Mac:
    """What is asked of the system, so that tests can answer in its place."""

    system: str = sys.platform
    ask: Ask = ask
    pressure: Callable[[], int | None] = pressure
    footprint: Callable[[int], int | None] = footprint
    heat: Callable[[], Heat] = field(default_factory=lambda: Macmon().read)
    clock: Callable[[], float] = time.monotonic


class AppleSource:
    """Asked from one thread only. GPU time of processes is a difference between two readings."""

    name = "apple"
    period_s = 2.0

    def __init__(self, mac: Mac | None = None) -> None:
        self._mac = mac or Mac()
        self._users = Users(self._mac)
        self._swap_at: float | None = None
        self._swapped: int | None = None

    def close(self) -> None:
        """Nothing is held."""

    def read(self, asked: Asked) -> Reading:
        if self._mac.system != "darwin":
            return Reading(reason="not a Mac", final=True)
        sizes = [s for pid in asked.run_pids if (s := self._mac.footprint(pid)) is not None]
        run_bytes = sum(sizes) if sizes else None
        reading = Reading((), self._mac.pressure(), self._swapped_out(), run_bytes)
        try:
            found = accelerators(self._mac.ask(GPUS, TIMEOUT_S))
        except Unanswered as error:
            return replace(reading, reason=str(error))
        users, why = self._users.read(asked.run_pids)
        heat = self._mac.heat()
        gpus = tuple(_of_run(one, run_bytes, bool(asked.run_pids)) for one in found)
        # clients are not told apart by GPU: with two of them (Intel Macs) nobody knows whose
        if len(gpus) == 1:
            gpus = (_with_users(gpus[0], users, why, heat),)
        return replace(reading, gpus=gpus)

    def _swapped_out(self) -> int | None:
        now = self._mac.clock()
        if self._swap_at is None or now - self._swap_at >= SELDOM_S:
            self._swap_at = now
            try:
                self._swapped = swapped_out(self._mac.ask(VM_STAT, TIMEOUT_S))
            except Unanswered:
                self._swapped = None
        return self._swapped


class Users:
    """Who keeps the GPU busy: shares of its time between two readings."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._plist = True
        #: GPU time (ns) of each process, by its connection
        self._before: Mapping[int, Mapping[str, int]] | None = None
        self._at = 0.0
        self._last: tuple[tuple[GpuUser, ...], str | None] = ((), None)

    def read(self, run_pids: frozenset[int]) -> tuple[tuple[GpuUser, ...], str | None]:
        """The users, or why they are not known. A new reading every `SELDOM_S` seconds."""
        now = self._mac.clock()
        if self._before is None or now - self._at >= SELDOM_S:
            before, passed_s = self._before, now - self._at
            self._before, self._at = {}, now
            try:
                self._last = self._read(before or {}, passed_s, run_pids)
            except Unanswered as error:
                self._last = (), str(error)
        return self._last

    def _read(
        self, before: Mapping[int, Mapping[str, int]], passed_s: float, run_pids: frozenset[int]
    ) -> tuple[tuple[GpuUser, ...], str | None]:
        names: dict[int, str] = {}
        times: dict[int, dict[str, int]] = {}
        for one in self._clients():
            names[one.pid], known = one.name, times.setdefault(one.pid, {})
            known[one.node] = known.get(one.node, 0) + one.gpu_ns
        self._before = times
        if not before:
            return (), "first reading"
        shares = {pid: share_of_time(times[pid], before.get(pid, {}), passed_s) for pid in times}
        return users_of(names, shares, run_pids), None

    def _clients(self) -> tuple[Client, ...]:
        """As a property list; as text where that form holds nothing."""
        if self._plist:
            try:
                if found := clients(self._mac.ask(CLIENTS, TIMEOUT_S)):
                    return found
            except Unanswered:
                pass
        answer = self._mac.ask(CLIENTS_TEXT, TIMEOUT_S)
        found = clients(answer) if answer.strip() else ()
        if not found:
            raise NotUnderstood("ioreg lists no program that uses the GPU")
        self._plist = False
        return found


def users_of(
    names: Mapping[int, str], shares: Mapping[int, float | None], run_pids: frozenset[int]
) -> tuple[GpuUser, ...]:
    """The largest share of the GPU's time first; ours always, others only when they do something. GPU memory
    by program is what macOS does not tell."""
    users: list[GpuUser] = []
    others = 0
    for pid, percent in sorted(shares.items(), key=lambda item: -(item[1] or 0.0)):
        ours = pid in run_pids
        quiet = percent is None or percent < LEAST_PERCENT or names[pid] in NEVER_TOLD
        if not ours and (quiet or others >= MOST_USERS):
            continue
        others += not ours
        users.append(GpuUser(pid, names[pid], None, percent, ours))
    return tuple(users)


def _of_run(one: Accelerator, run_bytes: int | None, running: bool) -> GpuSample:
    """With what the training takes of its memory."""
    others = "macOS does not tell GPU memory by program"
    if run_bytes is not None and one.unified:
        reasons = one.gpu.reasons | {"memory_others_bytes": others}
        return replace(one.gpu, memory_run_bytes=run_bytes, reasons=reasons)
    why = "not told for this GPU" if running else "no training process"
    reasons = one.gpu.reasons | {"memory_others_bytes": others, "memory_run_bytes": why}
    return replace(one.gpu, reasons=reasons)


def _with_users(
    gpu: GpuSample, users: tuple[GpuUser, ...], why: str | None, heat: Heat
) -> GpuSample:
    reasons = dict(gpu.reasons) if why is None else {**gpu.reasons, "users": why}
    values = {"power_w": heat.power_w, "temperature_c": heat.temperature_c}
    for name, value in values.items():
        if value is None:
            reasons[name] = heat.reason or "macmon does not tell"
    return replace(gpu, users=users, reasons=reasons, **values)  # type: ignore[arg-type]
