"""CPU, memory, swap, disks and the training's processes, by psutil."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping

import psutil

from runner.hardware.cpu import CpuMeter
from runner.hardware.disks import disks
from runner.hardware.tree import TreeMeter, TreeReading
from runner.model import HardwareSample


class HostSampler:
    """One reading after the other. `places`: where the run writes, by what for; a plain path is its output."""

    def __init__(
        self, places: Mapping[str, str | None] | str | None, cpu: CpuMeter | None = None
    ) -> None:
        self._places = places if isinstance(places, Mapping) else {"output": places}
        self._tree = TreeMeter()
        self.tree = TreeReading()
        self._cpu = cpu or CpuMeter()

    def sample(self, root_pid: int | None, members: Collection[int] = ()) -> HardwareSample:
        """`root_pid`: whose tree is the training (the keeper); `members`: see `TreeMeter.read`."""
        reasons: dict[str, str] = {}
        memory = psutil.virtual_memory()
        swap_used = swap_total = None
        try:
            swap = psutil.swap_memory()
            swap_used, swap_total = swap.used, swap.total
        except (OSError, RuntimeError) as error:
            reasons["swap"] = f"not measured: {error}"
        self.tree = tree = self._tree.read(root_pid, members)
        if tree.cpu_percent is None:
            reasons["tree"] = "no training process" if tree.processes is None else "first reading"
        busy = self._cpu.percent()
        if busy is None:
            reasons["cpu"] = "first reading"
        free = disks(self._places)
        output = next((disk for disk in free if disk.what == "output"), None)
        if output is None:
            reasons["disk"] = "no output folder"
        return HardwareSample(
            at=time.time(),
            cpu_percent=busy,
            # on macOS `used` leaves out what is compressed: what is not available is used
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            swap_used_bytes=swap_used,
            swap_total_bytes=swap_total,
            tree_cpu_percent=tree.cpu_percent,
            tree_memory_bytes=tree.memory_bytes,
            tree_processes=tree.processes,
            disk_free_bytes=output.free_bytes if output is not None else None,
            reasons=reasons,
            disks=free,
            cpu_count=self._cpu.cores,
            load=_load(),
        )


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
