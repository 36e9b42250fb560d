"""The GPU and the memory of a Mac, without sudo: ioreg, vm_stat, two system calls.

Not tested on a Mac yet; formats are from public captures of M1 to M5.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from runner.hardware.apple_ioreg import UNIFIED, Client, NotUnderstood, accelerators, clients
from runner.hardware.apple_system import Heat, Macmon, footprint, pressure, swapped_out
from runner.hardware.source import Ask, Asked, Reading, Unanswered, ask, share_of_time
from runner.model import GpuSample, GpuUser

_IOREG = "/usr/sbin/ioreg"
GPUS = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator", "-a")
CLIENTS_TEXT = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "AGXDeviceUserClient")
CLIENTS = (*CLIENTS_TEXT, "-a")
VM_STAT = ("/usr/bin/vm_stat",)
TIMEOUT_S = 3.0
#: seconds between readings that cost an extra process
SELDOM_S = 10.0
#: other programs below this share of the GPU are not worth a line
LEAST_PERCENT = 1.0
MOST_USERS = 8
#: they draw the screen: always running, never a problem
NEVER_TOLD = frozenset({"WindowServer", "Dock"})


@dataclass(frozen=True, slots=True)
class Mac:
    """System calls, replaceable in tests."""

    system: str = sys.platform
    ask: Ask = ask
    pressure: Callable[[], int | None] = pressure
    footprint: Callable[[int], int | None] = footprint
    heat: Callable[[], Heat] = field(default_factory=lambda: Macmon().read)
    clock: Callable[[], float] = time.monotonic


class AppleSource:
    """Used from one thread only. GPU time of processes is a difference between two readings."""

    name = "apple"
    period_s = 2.0

    def __init__(self, mac: Mac | None = None) -> None:
        self._mac = mac or Mac()
        self._users = Users(self._mac)
        self._swap_at = -SELDOM_S
        self._swapped: int | None = None

    def close(self) -> None:
        """Nothing to close."""

    def read(self, asked: Asked) -> Reading:
        mac = self._mac
        if mac.system != "darwin":
            return Reading(reason="not a Mac", final=True)
        sizes = [size for pid in asked.run_pids if (size := mac.footprint(pid)) is not None]
        run_bytes = sum(sizes) if sizes else None
        reading = Reading((), mac.pressure(), self._swapped_out(), run_bytes)
        try:
            found = accelerators(mac.ask(GPUS, TIMEOUT_S))
        except Unanswered as error:
            return replace(reading, reason=str(error))
        gpus = tuple(_of_run(gpu, run_bytes, bool(asked.run_pids)) for gpu in found)
        users, why = self._users.read(asked.run_pids)
        heat = mac.heat()
        # clients are not separated by GPU: with two GPUs (Intel Macs) the owner is unknown
        if len(gpus) == 1:
            gpus = (_with_users(gpus[0], users, why, heat),)
        return replace(reading, gpus=gpus)

    def _swapped_out(self) -> int | None:
        now = self._mac.clock()
        if now - self._swap_at >= SELDOM_S:
            self._swap_at = now
            try:
                self._swapped = swapped_out(self._mac.ask(VM_STAT, TIMEOUT_S))
            except Unanswered:
                self._swapped = None
        return self._swapped


class Users:
    """Who keeps the GPU busy: shares of its time between two readings, every `SELDOM_S` seconds."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._plist = True
        #: GPU time (ns) of each process, by its connection
        self._times: dict[int, dict[str, int]] = {}
        self._at: float | None = None
        self._last: tuple[tuple[GpuUser, ...], str | None] = ((), None)

    def read(self, run_pids: frozenset[int]) -> tuple[tuple[GpuUser, ...], str | None]:
        """The users, or why they are unknown."""
        now = self._mac.clock()
        if self._at is None or now - self._at >= SELDOM_S:
            passed_s, self._at = now - (self._at or 0.0), now
            before, self._times = self._times, {}
            try:
                self._last = self._read(before, passed_s, run_pids)
            except Unanswered as error:
                self._last = (), str(error)
        return self._last

    def _read(
        self, before: dict[int, dict[str, int]], passed_s: float, run_pids: frozenset[int]
    ) -> tuple[tuple[GpuUser, ...], str | None]:
        """Largest share of GPU time first; ours always, others only if active. macOS does not report GPU
        memory by program."""
        names: dict[int, str] = {}
        times: dict[int, dict[str, int]] = {}
        for one in self._clients():
            names[one.pid], known = one.name, times.setdefault(one.pid, {})
            known[one.node] = known.get(one.node, 0) + one.gpu_ns
        self._times = times
        if not before:
            return (), "first reading"
        users = [
            GpuUser(pid, names[pid], None, share_of_time(now, before.get(pid, {}), passed_s), pid in run_pids)
            for pid, now in times.items()
        ]  # fmt: skip
        users.sort(key=lambda user: -(user.percent or 0.0))
        others = [user for user in users if not user.ours and _is_worth_a_line(user)][:MOST_USERS]
        return tuple(user for user in users if user.ours or user in others), None

    def _clients(self) -> tuple[Client, ...]:
        """As a property list; as text if that is empty."""
        if self._plist:
            with contextlib.suppress(Unanswered):
                if found := clients(self._mac.ask(CLIENTS, TIMEOUT_S)):
                    return found
        found = clients(self._mac.ask(CLIENTS_TEXT, TIMEOUT_S))
        if not found:
            raise NotUnderstood("ioreg lists no program that uses the GPU")
        self._plist = False
        return found


def _is_worth_a_line(user: GpuUser) -> bool:
    return (user.percent or 0.0) >= LEAST_PERCENT and user.name not in NEVER_TOLD


def _of_run(gpu: GpuSample, run_bytes: int | None, running: bool) -> GpuSample:
    """With the training's part of its memory."""
    reasons = gpu.reasons | {"memory_others_bytes": "macOS does not report GPU memory by program"}
    if gpu.reasons.get("memory_total_bytes") != UNIFIED:
        run_bytes = None
    if run_bytes is None:
        why = "not reported for this GPU" if running else "no training process"
        reasons["memory_run_bytes"] = why
    return replace(gpu, memory_run_bytes=run_bytes, reasons=reasons)


def _with_users(
    gpu: GpuSample, users: tuple[GpuUser, ...], why: str | None, heat: Heat
) -> GpuSample:
    reasons = gpu.reasons | ({} if why is None else {"users": why})
    values: dict[str, Any] = {"power_w": heat.power_w, "temperature_c": heat.temperature_c}
    for name in (name for name, value in values.items() if value is None):
        reasons[name] = heat.reason or "not reported by macmon"
    return replace(gpu, users=users, reasons=reasons, **values)
