"""The share of the CPU that is in use, of the cores that this process may use.

taskset, Slurm and containers give a set of cores (affinity) or an amount of time (a cgroup's quota). Other
cores of the machine say nothing about whether the training has to share.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

#: over a shorter time a share of the CPU is noise
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
    for folder, is_v2 in _folders(root, own):
        try:
            if is_v2:
                limit, period = (folder / "cpu.max").read_text().split()
                usage, scale = folder / "cpu.stat", 1e-6
            else:
                limit = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
                usage, scale = (
                    root / "cpuacct" / folder.relative_to(root / "cpu") / "cpuacct.usage",
                    1e-9,
                )
            if limit != "max" and int(limit) > 0:
                found.append(Quota(int(limit) / int(period), usage, scale))
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return min(found, key=lambda quota: quota.cores, default=None)


def _folders(root: Path, own: Path) -> Iterable[tuple[Path, bool]]:
    """This process's cgroup and its parents, and whether they are of version 2."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root if not controllers else root / "cpu"
        inside = Path(path.lstrip("/"))
        for part in (inside, *inside.parents):
            yield top / part, not controllers


class CpuMeter:
    """`cores`: as many as this process may use, parts of a core rounded up. `percent_of` and `allowed_of` are
    the system's own counters, `quota` the cgroup's."""

    def __init__(
        self,
        percent_of: Callable[[], list[float]] = lambda: psutil.cpu_percent(None, percpu=True),
        allowed_of: Callable[[], set[int] | None] = lambda: allowed_cores(),
        quota: Quota | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._percent_of, self._allowed_of, self._clock = percent_of, allowed_of, clock
        self._quota = quota if quota is not None else tightest_quota()
        self._used_s = self._quota.used_s() if self._quota is not None else None
        self._read_at = clock()
        percent_of()

    @property
    def cores(self) -> int | None:
        allowed = self._allowed_of()
        number = len(allowed) if allowed else os.cpu_count()
        if self._quota is None or number is None:
            return number
        return max(1, min(number, math.ceil(self._quota.cores)))

    def percent(self) -> float | None:
        """The share of `cores` that is in use, since the reading before; None before there is one.

        Under a quota that is smaller than the set of cores: what its cgroup uses, for that is what it has to
        share. Else: what everybody uses of the set of cores."""
        now = self._clock()
        took_s = now - self._read_at
        if took_s < SHORTEST_S:
            return None
        self._read_at = now
        each, allowed = self._percent_of(), self._allowed_of()
        if allowed is not None and max(allowed, default=0) >= len(each):
            allowed = None  # cores that are switched off have no place in the list
        own = [share for core, share in enumerate(each) if allowed is None or core in allowed]
        busy = sum(own) / len(own) if own else None
        quota, cores, before = self._quota, self.cores, self._used_s
        if quota is None or cores is None or quota.cores >= (len(own) or cores):
            return busy
        self._used_s = quota.used_s()
        if before is None or self._used_s is None:
            return busy if self._used_s is None else None
        return min(100.0, max(0.0, 100.0 * (self._used_s - before) / took_s / cores))


def allowed_cores() -> set[int] | None:
    """The cores that this process may run on; None where the system does not tell."""
    try:
        return os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return None
