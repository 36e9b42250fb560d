"""What a living process uses: memory in use now, and processor time to the nanosecond where known."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

MEGABYTE = 1_000_000


def rss_mb(pid: int) -> float:
    """Resident memory in megabytes (10^6), pages shared with other programs included."""
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE


def cpu_s(pid: int) -> float:
    """Processor time of all threads so far. Linux counts nanoseconds; elsewhere it is 10 ms."""
    threads = Path(f"/proc/{pid}/task")
    try:
        return (
            sum(int((one / "schedstat").read_text().split()[0]) for one in threads.iterdir()) / 1e9
        )
    except (OSError, ValueError, IndexError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def cpu_percent_over(pid: int, seconds: float) -> float:
    """Share of one core over the next `seconds`."""
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_s(pid) - before) / (time.monotonic() - began)


def waited_s(pid: int) -> float | None:
    """How long its main thread has been ready to run but had no core: the neighbours' share of a wall
    time. None where the system does not tell (it is Linux's schedstat)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def queue_note(waited: Sequence[float | None]) -> str:
    """`of it 12 ms in the queue for a core`, from the waits in seconds."""
    known = [one for one in waited if one is not None]
    if not known:
        return ""
    return f"of it {statistics.median(known) * 1000:.0f} ms in the queue for a core (median)"
