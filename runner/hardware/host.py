"""CPU, memory, swap, disks and the training's processes, by psutil; read in a thread like any source, because
asking a disconnected network disk for free space may hang forever."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import psutil

from runner.hardware.cpu import CpuMeter
from runner.hardware.source import Asked, Reading
from runner.hardware.tree import TreeMeter, TreeReading
from runner.model import DiskFree, HardwareSample

HOST = "host"


class HostSampler:
    """Reads repeatedly. `places`: where the run writes, by purpose; a plain path is its output."""

    name = HOST
    period_s = 2.0

    def __init__(
        self, places: Mapping[str, str | None] | str | None, cpu: CpuMeter | None = None
    ) -> None:
        self._places = places if isinstance(places, Mapping) else {"output": places}
        self._tree = TreeMeter()
        self.tree = TreeReading()
        self._cpu = cpu or CpuMeter()

    def read(self, asked: Asked) -> Reading:
        return Reading(host=self.sample(asked.root_pid, asked.members))

    def close(self) -> None:
        """Nothing to close."""

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
        load = None
        with contextlib.suppress(OSError):
            load = os.getloadavg()[0]
        busy, free = self._cpu.percent(), disks(self._places)
        if busy is None:
            reasons["cpu"] = "first reading"
        output = next((disk.free_bytes for disk in free if disk.what == "output"), None)
        if output is None:
            reasons["disk"] = "no output folder"
        return HardwareSample(
            at=time.time(),
            cpu_percent=busy,
            # on macOS `used` excludes compressed memory: so used = not available
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            swap_used_bytes=swap_used,
            swap_total_bytes=swap_total,
            tree_cpu_percent=tree.cpu_percent,
            tree_memory_bytes=tree.memory_bytes,
            tree_processes=tree.processes,
            disk_free_bytes=output,
            reasons=reasons,
            disks=free,
            cpu_count=self._cpu.cores,
            load=load,
        )


def disks(paths: Mapping[str, str | None]) -> tuple[DiskFree, ...]:
    """Free space. `paths`: by purpose; missing folders count for their parent's disk.
    Several on one disk are one entry, named after the first."""
    found: dict[int, DiskFree] = {}
    for what, path in paths.items():
        places = (Path(path), *Path(path).parents) if path else ()
        with contextlib.suppress(OSError, StopIteration):
            place = next(one for one in places if one.exists())
            device = place.stat().st_dev
            if device not in found:
                usage = psutil.disk_usage(str(place))
                found[device] = DiskFree(what, str(place), usage.free, usage.total)
    return tuple(found.values())


def written_places(
    output_dir: str | None, logging_dir: str | None, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Where a training writes: its output, its logs, the hub's cache, temporary files."""
    caches = environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    cache = environ.get("HF_HOME") or str(Path(caches) / "huggingface")
    temp = environ.get("TMPDIR") or "/tmp"
    return {"output": output_dir, "logs": logging_dir, "cache": cache, "temp": temp}
