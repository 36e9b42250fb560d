"""CPU usage of the cores that this process may use.

taskset, Slurm and containers grant a set of cores (affinity) or an amount of time (a cgroup's quota). Other
cores do not matter for whether the training has to share.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

#: over a shorter time CPU usage is noise
SHORTEST_S = 0.5


@dataclass(frozen=True, slots=True)
class Quota:
    """`cores`: as many cores' time as a cgroup grants; `usage`: its file with the time used so far, in
    microseconds (v2: `scale` 1e-6) or nanoseconds (v1: 1e-9)."""

    cores: float
    usage: Path
    scale: float

    def used_s(self) -> float | None:
        try:
            words = self.usage.read_text().split()
            found = words[words.index("usage_usec") + 1] if "usage_usec" in words else words[0]
            return int(found) * self.scale
        except (OSError, ValueError, IndexError):
            return None


def tightest_quota(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Quota | None:
    """The smallest CPU quota of this process's cgroup and those above it; None without any."""
    found: list[Quota] = []
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            inside = Path(path.lstrip("/"))
            if not controllers or "cpu" in controllers.split(","):
                found += filter(None, (
                    _quota(root, part, controllers == "") for part in (inside, *inside.parents)
                ))  # fmt: skip
    return min(found, key=lambda quota: quota.cores, default=None)


def _quota(root: Path, inside: Path, is_v2: bool) -> Quota | None:
    """Of one cgroup, of version 2 or 1."""
    try:
        if is_v2:
            limit, period = (root / inside / "cpu.max").read_text().split()
            usage, scale = root / inside / "cpu.stat", 1e-6
        else:
            limit = (root / "cpu" / inside / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / inside / "cpu.cfs_period_us").read_text()
            usage, scale = root / "cpuacct" / inside / "cpuacct.usage", 1e-9
        return Quota(int(limit) / int(period), usage, scale) if int(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # a limit of "max" among them
        return None


class CpuMeter:
    """`cores`: as many as this process may use, parts of a core rounded up. `times_of` and `allowed_of` are
    the system's own counters, `quota` the cgroup's."""

    def __init__(
        self,
        times_of: Callable[[], list[tuple[float, float]]] = lambda: core_times(),
        allowed_of: Callable[[], set[int] | None] = lambda: allowed_cores(),
        quota: Quota | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times_of, self._allowed_of, self._clock = times_of, allowed_of, clock
        self._quota = quota if quota is not None else tightest_quota()
        self._used_s = self._quota.used_s() if self._quota is not None else None
        self._read_at, self._times = clock(), times_of()

    @property
    def cores(self) -> int | None:
        allowed = self._allowed_of()
        number = len(allowed) if allowed else os.cpu_count()
        if self._quota is None or number is None:
            return number
        return max(1, min(number, math.ceil(self._quota.cores)))

    def percent(self) -> float | None:
        """The share of `cores` that is in use, since the reading before; None before there is one.

        Under a quota that is smaller than the set of cores: usage by its cgroup, which it has to share. Else:
        total usage of the set of cores."""
        now = self._clock()
        took_s = now - self._read_at
        if took_s < SHORTEST_S:
            return None
        before, self._read_at, self._times = self._times, now, self._times_of()
        busy, number = self._busy(before)
        quota, cores, used_s = self._quota, self.cores, self._used_s
        if quota is None or cores is None or quota.cores >= (number or cores):
            return busy
        self._used_s = quota.used_s()
        if used_s is None or self._used_s is None:
            return busy
        return min(100.0, max(0.0, 100.0 * (self._used_s - used_s) / took_s / cores))

    def _busy(self, before: list[tuple[float, float]]) -> tuple[float | None, int]:
        """Of the cores that this process may run on: percent in use, and how many they are."""
        allowed = self._allowed_of()
        if allowed is None or max(allowed, default=0) >= len(before):
            # offline cores are not in the list
            allowed = set(range(len(before)))
        both = enumerate(zip(before, self._times, strict=False))
        pairs = [(now[0] - was[0], now[1] - was[1]) for core, (was, now) in both if core in allowed]
        used, whole = sum(busy for busy, _ in pairs), sum(total for _, total in pairs)
        return (min(100.0, max(0.0, 100.0 * used / whole)) if whole > 0 else None), len(pairs)


def core_times() -> list[tuple[float, float]]:
    """(seconds in use, all seconds) of each core since boot."""
    found = []
    for one in psutil.cpu_times(percpu=True):
        # time of virtual machines is already part of `user` and `nice`
        total = sum(one) - getattr(one, "guest", 0.0) - getattr(one, "guest_nice", 0.0)
        found.append((total - one.idle - getattr(one, "iowait", 0.0), total))
    return found


def allowed_cores() -> set[int] | None:
    """The cores that this process may run on; None if the system does not report it."""
    try:
        return os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return None
