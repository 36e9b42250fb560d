"""The GPU and the memory of a Mac, without sudo: ioreg, vm_stat, two system calls.

Nothing here was seen on a Mac yet; the shapes are those of public captures from M1 to M5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from runner.hardware.apple_ioreg import (
    Accelerator,
    Client,
    NotUnderstood,
    accelerators,
    clients,
)
from runner.hardware.apple_macmon import Heat, Macmon
from runner.hardware.apple_memory import ask_footprint, ask_pressure, ask_swapped_out
from runner.hardware.source import Ask, Asked, Reading, Unanswered, ask
from runner.model import GpuSample, GpuUser

_IOREG = "/usr/sbin/ioreg"
GPUS = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator", "-a")
CLIENTS_TEXT = (_IOREG, "-r", "-d", "1", "-w", "0", "-c", "AGXDeviceUserClient")
CLIENTS = (*CLIENTS_TEXT, "-a")
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
    pressure: Callable[[], int | None] = ask_pressure
    footprint: Callable[[int], int | None] = ask_footprint
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
        footprint = self._footprint(asked.run_pids)
        pressure, swapped = self._mac.pressure(), self._swapped_out()
        try:
            found = accelerators(self._mac.ask(GPUS, TIMEOUT_S))
        except (Unanswered, NotUnderstood) as error:
            return Reading((), pressure, swapped, footprint, reason=str(error))
        users, why = self._users.read(asked.run_pids)
        heat = self._mac.heat()
        keys = _keys(found)
        gpus = tuple(
            _sample(one, key, index, footprint if one.unified else None, bool(asked.run_pids))
            for index, (one, key) in enumerate(zip(found, keys, strict=True))
        )
        # clients are not told apart by GPU: with two of them (Intel Macs) nobody knows whose
        first = _with_users(gpus[0], users, why, heat) if len(gpus) == 1 else gpus[0]
        return Reading((first, *gpus[1:]), pressure, swapped, footprint)

    def _footprint(self, pids: frozenset[int]) -> int | None:
        sizes = [size for pid in pids if (size := self._mac.footprint(pid)) is not None]
        return sum(sizes) if sizes else None

    def _swapped_out(self) -> int | None:
        now = self._mac.clock()
        if self._swap_at is None or now - self._swap_at >= SELDOM_S:
            self._swap_at = now
            self._swapped, _ = ask_swapped_out(self._mac.ask)
        return self._swapped


class Users:
    """Who keeps the GPU busy: shares of its time between two readings."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._plist = True
        self._before: Mapping[tuple[str, int], int] | None = None
        self._at = 0.0
        self._last: tuple[tuple[GpuUser, ...], str | None] = ((), None)

    def read(self, run_pids: frozenset[int]) -> tuple[tuple[GpuUser, ...], str | None]:
        """The users, or why they are not known. A new reading every `SELDOM_S` seconds."""
        now = self._mac.clock()
        if self._before is not None and now - self._at < SELDOM_S:
            return self._last
        try:
            found = self._clients()
        except (Unanswered, NotUnderstood) as error:
            self._before, self._at, self._last = {}, now, ((), str(error))
            return self._last
        times: dict[tuple[str, int], int] = {}
        for one in found:
            times[one.node, one.pid] = times.get((one.node, one.pid), 0) + one.gpu_ns
        names = {one.pid: one.name for one in found}
        before, passed_s = self._before, now - self._at
        self._before, self._at = times, now
        if not before:
            self._last = ((), "first reading")
        else:
            spent = spent_ns(times, before)
            self._last = (users_of(names, spent, passed_s, run_pids), None)
        return self._last

    def _clients(self) -> tuple[Client, ...]:
        """As a property list; as text where that form holds nothing."""
        if self._plist:
            try:
                if found := clients(self._mac.ask(CLIENTS, TIMEOUT_S)):
                    return found
            except (Unanswered, NotUnderstood):
                pass
        answer = self._mac.ask(CLIENTS_TEXT, TIMEOUT_S)
        found = clients(answer) if answer.strip() else ()
        if not found:
            raise NotUnderstood("ioreg lists no program that uses the GPU")
        self._plist = False
        return found


def spent_ns(
    now: Mapping[tuple[str, int], int], before: Mapping[tuple[str, int], int]
) -> dict[int, int]:
    """GPU time by process since `before`. Clients come and go: a new one has done all of its work since, one
    that is gone counts for nothing, and no counter runs backwards."""
    spent: dict[int, int] = {}
    for (node, pid), total in now.items():
        spent[pid] = spent.get(pid, 0) + max(0, total - before.get((node, pid), 0))
    return spent


def users_of(
    names: Mapping[int, str],
    spent: Mapping[int, int],
    passed_s: float,
    run_pids: frozenset[int],
) -> tuple[GpuUser, ...]:
    """Shares of the GPU's time, the largest first; ours always, others only when they do something. GPU memory
    by program is what macOS does not tell."""
    users: list[GpuUser] = []
    others = 0
    for pid, gained_ns in sorted(spent.items(), key=lambda item: -item[1]):
        percent = min(100.0, gained_ns / 1e9 / passed_s * 100) if passed_s > 0 else None
        ours = pid in run_pids
        quiet = percent is None or percent < LEAST_PERCENT or names[pid] in NEVER_TOLD
        if not ours and (quiet or others >= MOST_USERS):
            continue
        others += not ours
        users.append(GpuUser(pid, names[pid], None, percent, ours))
    return tuple(users)


def _keys(found: tuple[Accelerator, ...]) -> list[str]:
    """The registry's own numbers change with every boot; the chip's name does not."""
    keys: list[str] = []
    for one in found:
        key = f"apple:{one.matched or one.kind or one.model}"
        count = sum(seen.split("#")[0] == key for seen in keys)
        keys.append(f"{key}#{count + 1}" if count else key)
    return keys


def _sample(
    one: Accelerator, key: str, index: int, run_bytes: int | None, running: bool
) -> GpuSample:
    reasons = dict(one.reasons)
    reasons["memory_others_bytes"] = "macOS does not tell GPU memory by program"
    if run_bytes is None:
        reasons["memory_run_bytes"] = "not told for this GPU" if running else "no training process"
    return GpuSample(
        key=key,
        source="ioreg",
        name=one.model,
        index=index,
        percent=one.percent,
        memory_used_bytes=one.memory_used_bytes,
        memory_total_bytes=one.memory_total_bytes,
        memory_run_bytes=run_bytes,
        recoveries=one.recoveries,
        reasons=reasons,
    )


def _with_users(
    sample: GpuSample, users: tuple[GpuUser, ...], why: str | None, heat: Heat
) -> GpuSample:
    reasons = dict(sample.reasons)
    if why is not None:
        reasons["users"] = why
    for name, value in (("power_w", heat.power_w), ("temperature_c", heat.temperature_c)):
        if value is None:
            reasons[name] = heat.reason or "macmon does not tell"
    return replace(
        sample, users=users, power_w=heat.power_w, temperature_c=heat.temperature_c, reasons=reasons
    )
