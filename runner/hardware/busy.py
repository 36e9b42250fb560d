"""Who else uses the CPU right now? Two readings of all processes a moment apart, by psutil."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass

import psutil

#: less is the noise of any machine
LEAST_PERCENT = 5.0
MOST = 5
_NAME_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Busy:
    """`cpu_percent`: 100 is one core; `name`: printable characters only."""

    pid: int
    name: str
    cpu_percent: float


def busiest(exclude_pids: Collection[int] = (), seconds: float = 1.0) -> tuple[Busy, ...]:
    """The processes that use most CPU, without `exclude_pids` and this very process, the busiest first.

    Takes `seconds` and about 20 ms of CPU: call it in a thread, and only with a reason to."""
    first, began = _cpu_times(), time.monotonic()
    time.sleep(seconds)
    second, took = _cpu_times(), time.monotonic() - began
    left_out = {os.getpid(), *exclude_pids}
    found = [
        Busy(pid, name, 100.0 * (spent - first[pid, born][1]) / max(took, 0.01))
        for (pid, born), (name, spent) in second.items()
        if pid not in left_out and (pid, born) in first
    ]
    found = [one for one in found if one.cpu_percent >= LEAST_PERCENT and _shares_cores(one.pid)]
    return tuple(sorted(found, key=lambda one: -one.cpu_percent)[:MOST])


def _shares_cores(pid: int) -> bool:
    """May it run on a core that is ours as well? True where the system does not tell."""
    try:
        return bool(os.sched_getaffinity(pid) & os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return True


def _cpu_times() -> dict[tuple[int, float], tuple[str, float]]:
    """Name and seconds of CPU by process, told from a later one with the same number by its birth."""
    found: dict[tuple[int, float], tuple[str, float]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            times = process.cpu_times()
            key = (process.pid, process.create_time())
            found[key] = (plain(process.name()), times.user + times.system)
    return found


def plain(name: str) -> str:
    """A process may call itself anything: what cannot be printed becomes `?`."""
    return "".join(c if c.isprintable() else "?" for c in name[:_NAME_LENGTH]) or "?"
