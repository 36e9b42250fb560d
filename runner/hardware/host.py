"""CPU, memory, swap, disk and the trainer's process tree, by psutil."""

from __future__ import annotations

import contextlib
import os
import time

import psutil

from runner.model import HardwareSample

#: listing all processes for the tree costs ~8 ms: seldom
TREE_EVERY_S = 5.0
#: over a shorter time a share of the CPU is noise
SHORTEST_S = 0.5


class HostSampler:
    """Keeps psutil's process objects, because CPU shares are differences between two calls."""

    def __init__(self, disk_path: str | None) -> None:
        self._disk_path = disk_path
        self._tree: dict[int, psutil.Process] = {}
        self._tree_at = 0.0
        # a share of the CPU is a difference between two readings: the first one says nothing
        self._fresh: set[int] = set()
        self._primed_at = time.monotonic()
        psutil.cpu_percent(None)

    def sample(self, root_pid: int | None) -> HardwareSample:
        """One reading. `root_pid`: whose tree is the training (the keeper or the trainer)."""
        reasons: dict[str, str] = {}
        memory = psutil.virtual_memory()
        swap_used = swap_total = None
        try:
            swap = psutil.swap_memory()
            swap_used, swap_total = swap.used, swap.total
        except (OSError, RuntimeError) as error:
            reasons["swap"] = f"not measured: {error}"
        cpu, tree_memory, count = self._measure_tree(root_pid)
        if cpu is None:
            reasons["tree"] = "no training process"
        busy: float | None = None
        if time.monotonic() - self._primed_at >= SHORTEST_S:
            busy = psutil.cpu_percent(None)
        else:
            reasons["cpu"] = "first reading"
        return HardwareSample(
            at=time.time(),
            cpu_percent=busy,
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            swap_used_bytes=swap_used,
            swap_total_bytes=swap_total,
            tree_cpu_percent=cpu,
            tree_memory_bytes=tree_memory,
            tree_processes=count,
            disk_free_bytes=self._disk_free(reasons),
            reasons=reasons,
        )

    def _measure_tree(self, root_pid: int | None) -> tuple[float | None, int | None, int | None]:
        """CPU percent (100 = one core), memory, processes of the tree.

        Forked loader workers share pages, so the sum of RSS lies (measured: 3.9 GB for 0.6 GB); the
        unique set size is summed for the children and added to the largest process's RSS.
        """
        now = time.monotonic()
        if root_pid is not None and (now - self._tree_at > TREE_EVERY_S or not self._tree):
            self._relist(root_pid)
            self._tree_at = now
        if root_pid is None or not self._tree:
            return None, None, None
        cpu: float | None = None
        sizes, alive = [], 0
        for process in list(self._tree.values()):
            try:
                with process.oneshot():
                    share = process.cpu_percent(None)
                    if process.pid in self._fresh:
                        self._fresh.discard(process.pid)
                    else:
                        cpu = share if cpu is None else cpu + share
                    info = process.memory_info()
                    shared = getattr(info, "shared", 0)
                    sizes.append((info.rss, max(0, info.rss - shared)))
                alive += 1
            except psutil.Error:
                self._tree.pop(process.pid, None)
        if not alive:
            return None, None, None
        sizes.sort(reverse=True)
        return cpu, sizes[0][0] + sum(own for _, own in sizes[1:]), alive

    def _relist(self, root_pid: int) -> None:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(root_pid)
            found = {child.pid: child for child in root.children(recursive=True)}
            for pid in self._tree.keys() - found.keys():
                del self._tree[pid]
            for pid, process in found.items():
                if pid not in self._tree:
                    process.cpu_percent(None)
                    self._tree[pid] = process
                    self._fresh.add(pid)
            return
        self._tree.clear()

    def _disk_free(self, reasons: dict[str, str]) -> int | None:
        path = self._disk_path
        while path and not os.path.exists(path):  # noqa: PTH110
            parent = os.path.dirname(path)  # noqa: PTH120
            if parent == path:
                break
            path = parent
        if not path:
            reasons["disk"] = "no output folder"
            return None
        try:
            return psutil.disk_usage(path).free
        except OSError as error:
            reasons["disk"] = f"not measured: {error.strerror}"
            return None
