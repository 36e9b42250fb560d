"""The training's processes: their share of the CPU and their memory, by psutil."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass

import psutil

#: listing all processes for the tree costs ~8 ms: rarely done
TREE_EVERY_S = 5.0
#: The proportional set size counts shared pages once over all processes, but costs 6 ms a process and 400 MB
#: (measured): read so rarely that it stays below this share of one core.
PSS_EVERY_S = 15.0
PSS_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class TreeReading:
    """`cpu_percent`: 100 is one core; None: unknown yet. `pids`: the processes read."""

    cpu_percent: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    pids: frozenset[int] = frozenset()


class TreeMeter:
    """Keeps psutil's process objects, because CPU shares are differences between two calls."""

    def __init__(self) -> None:
        self._tree: dict[int, psutil.Process] = {}
        self._listed_at = -TREE_EVERY_S
        # a share of the CPU is a difference between two readings: the first one has no value
        self._fresh: set[int] = set()
        self._pss_at = 0.0
        self._pss_share: float | None = None  # of the resident sizes at that moment

    def read(self, root_pid: int | None, members: Collection[int] = ()) -> TreeReading:
        """`root_pid`: whose descendants are the training (the keeper). `members`: processes that belong to it
        too, although a killed launcher or keeper left them orphaned."""
        now = time.monotonic()
        if root_pid is None and not members:
            return TreeReading()
        if now - self._listed_at > TREE_EVERY_S or not self._tree:
            self._relist(root_pid, members)
            self._listed_at = now
        cpu, sizes = self._shares()
        if not sizes:
            return TreeReading()
        memory_bytes = self._memory(list(sizes.values()), now)
        return TreeReading(cpu, memory_bytes, len(sizes), frozenset(sizes))

    def _shares(self) -> tuple[float | None, dict[int, tuple[int, int]]]:
        """CPU of all, and by pid (resident, of that not in shared files)."""
        shares: list[float] = []
        sizes: dict[int, tuple[int, int]] = {}
        for pid, process in list(self._tree.items()):
            try:
                with process.oneshot():
                    share = process.cpu_percent(None)
                    info = process.memory_info()
            except psutil.Error:
                del self._tree[pid]
                continue
            if pid not in self._fresh:
                shares.append(share)
            sizes[pid] = (info.rss, max(0, info.rss - getattr(info, "shared", 0)))
        self._fresh.clear()
        return sum(shares) if shares else None, sizes

    def _memory(self, sizes: list[tuple[int, int]], now: float) -> int:
        """Forked loader workers share pages, so a sum of RSS is wrong (measured: 3.9 GB for 0.6 GB). Between
        two readings of proportional sizes the resident ones show the growth."""
        resident = sum(rss for rss, _ in sizes)
        if len(sizes) > 1 and now >= self._pss_at:
            began = time.thread_time()
            pss = self._proportional()
            cost_s = time.thread_time() - began
            self._pss_at = now + max(PSS_EVERY_S, cost_s / PSS_SHARE)
            self._pss_share = pss / resident if pss and resident else None
        if len(sizes) > 1 and self._pss_share is not None:
            return int(self._pss_share * resident)
        largest, *others = sorted(sizes, reverse=True)
        return largest[0] + sum(part for _, part in others)

    def _proportional(self) -> int:
        """Linux only; 0 if unknown."""
        try:
            return sum(process.memory_full_info().pss for process in self._tree.values())
        except (psutil.Error, AttributeError, OSError):
            return 0

    def _relist(self, root_pid: int | None, members: Collection[int]) -> None:
        found: dict[int, psutil.Process] = {}
        for pid in (root_pid, *members):
            if pid is not None:
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if pid != root_pid:
                        found[pid] = process
                    found |= {child.pid: child for child in process.children(recursive=True)}
        known = self._tree
        self._tree = {
            pid: known[pid] for pid, process in found.items() if known.get(pid) == process
        }
        for pid in found.keys() - self._tree.keys():
            with contextlib.suppress(psutil.Error):
                found[pid].cpu_percent(None)
                self._tree[pid] = found[pid]
                self._fresh.add(pid)
