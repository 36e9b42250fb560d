"""Why have steps become slower? Compares the machine at the time of the good pace with now. Pure.

Every reason is only "likely": correlation proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.hardware.processes import Busy
from runner.hardware.samples import own_gpu
from runner.hardware.users import User
from runner.model import GpuSample, GpuUser, HardwareSample
from runner.model.units import file_size, memory_size, pressure_word

#: thresholds between change and noise
CORES = 0.4
TREE_FELL = 0.75  # the tree has less than this part of its earlier CPU
CPU_FULL_PERCENT = 85.0
SWAP_BYTES = 128 << 20
MEMORY_LEFT = 0.05
CLOCK_FELL = 0.87
GPU_SHARE_POINTS = 8.0
GPU_OTHERS_BYTES = 512 << 20
GPU_FULL = 0.97
GPU_WAITS = 0.7
DISK_FULL_BYTES = 64 << 20
_MOST_CLAUSES = 3
_HOT = ("therm", "hot", "heat", "temperature")


@dataclass(frozen=True, slots=True)
class SlowFacts:
    """Facts that readings lack. `busy`: who else uses the CPU (`processes.busiest`); `users`: the other users
    of the GPU, for their titles; `device`: as the trainer named it; `spills`: Windows or WSL, where a full
    card spills into main memory."""

    busy: tuple[Busy, ...] = ()
    users: tuple[User, ...] = ()
    device: str | None = None
    spills: bool = False


#: weight of a reason, and its text
_Clauses = Iterator[tuple[int, str]]


def slow_reason(before: HardwareSample, now: HardwareSample, facts: SlowFacts) -> str | None:
    """`likely because other processes use 1.8 of 2 cores (python3 pid 4711: 180 %)`, best evidence first.

    `before`, `now`: means (`runner.hardware.samples.mean_of`) of the time of the good pace and of the last
    minute. Reports it if nothing changed; None without readings from both times."""
    gpu = None if (facts.device or "").startswith("cpu") else own_gpu(now.gpus, facts.device)
    old = next((one for one in before.gpus if gpu is not None and one.key == gpu.key), None)
    found = [*_cpu(before, now, facts.busy), *_memory(before, now), *_disk(now)]
    if gpu is not None:
        found += _gpu_full(old, gpu, facts.spills)
        if old is not None:
            found += [*_clocks(old, gpu), *_gpu_users(old, gpu, facts), *_gpu_waits(old, gpu)]
    if found:
        found.sort(key=lambda clause: -clause[0])
        return "likely because " + "; also ".join(text for _, text in found[:_MOST_CLAUSES])
    compared = {
        "CPU": before.cpu_percent is not None and now.cpu_percent is not None,
        "memory": before.swap_used_bytes is not None and now.swap_used_bytes is not None,
        "GPU": old is not None and gpu is not None and gpu.percent is not None,
    }
    words = ", ".join(word for word, measured in compared.items() if measured)
    text = f"nothing in the readings of {words} differs from the time of the good pace"
    return text if words else None


# ------------------------------------------------------------------------------ CPU, memory, disk


def others_cores(sample: HardwareSample) -> float | None:
    """Cores available to the run that others use: total use minus the training's; None: not measured."""
    if sample.cpu_percent is None or sample.cpu_count is None or sample.tree_cpu_percent is None:
        return None
    used = sample.cpu_percent * sample.cpu_count / 100.0
    return min(float(sample.cpu_count), max(0.0, used - sample.tree_cpu_percent / 100.0))


def _cpu(before: HardwareSample, now: HardwareSample, busy: tuple[Busy, ...]) -> _Clauses:
    others_before, others = others_cores(before), others_cores(now)
    old, new = before.tree_cpu_percent or 0.0, now.tree_cpu_percent
    fell = new is not None and old >= 20.0 and new < TREE_FELL * old
    cores = f"{(new or 0.0) / 100.0:.1f} instead of {old / 100.0:.1f}"
    crowded = fell or (now.cpu_percent or 0.0) >= CPU_FULL_PERCENT
    if others is not None and others - (others_before or 0.0) >= CORES and crowded:
        named = ", ".join(f"{one.name} pid {one.pid}: {one.cpu_percent:.0f} %" for one in busy[:2])
        text = f"other processes use {others:.1f} of {now.cpu_count} cores"
        text += f" ({named})" if named else ""
        yield (80, f"{text}, and the training gets {cores}") if fell else (66, text)
    elif fell:
        yield 30, f"the training uses less CPU than before ({cores})"


def _memory(before: HardwareSample, now: HardwareSample) -> _Clauses:
    pressure = now.pressure or 0
    if pressure >= 2 and pressure > (before.pressure or 0):
        yield 78, f"memory pressure is {pressure_word(pressure)}"
    grown = _grown(before.swapped_out_bytes, now.swapped_out_bytes)
    if grown is None:
        grown = _grown(before.swap_used_bytes, now.swap_used_bytes)
    if (grown or 0) >= SWAP_BYTES:
        yield 76, f"memory is too small: swap grew by {memory_size(grown)}"
    least = MEMORY_LEFT * (now.memory_total_bytes or 0)
    left, left_before = now.memory_left_bytes, before.memory_left_bytes
    if left is not None and left < least and (left_before is None or left_before >= least):
        yield 60, f"memory is nearly full ({memory_size(left)} left)"


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before


def _disk(now: HardwareSample) -> _Clauses:
    for disk in now.disks:
        if disk.free_bytes is not None and disk.free_bytes < DISK_FULL_BYTES:
            yield 90, f"the disk for {disk.what} is full ({file_size(disk.free_bytes)} free)"


# ---------------------------------------------------------------------------------------- the GPU


def _clocks(old: GpuSample, gpu: GpuSample) -> _Clauses:
    new = [word for word in gpu.throttle if word not in old.throttle]
    fell = bool(old.clock_mhz and gpu.clock_mhz and gpu.clock_mhz < CLOCK_FELL * old.clock_mhz)
    from_to = f"its clock fell from {old.clock_mhz:.0f} to {gpu.clock_mhz:.0f} MHz" if fell else ""
    degrees = f", {gpu.temperature_c:.0f} °C" if gpu.temperature_c is not None else ""
    if new:
        hot = any(part in word.lower() for word in new for part in _HOT)
        words = ", ".join(new) + (degrees if hot else "")
        text = f"the GPU is throttled ({words}){': ' if fell else ''}{from_to}"
        yield (84 if hot else 64) + (4 if fell else 0), text
    elif fell and (gpu.percent is None or gpu.percent >= 50.0):
        # an idle card lowers its clock: that would be the effect, not the cause
        yield 62, f"the GPU runs slower: {from_to}{degrees}"


def _gpu_users(old: GpuSample, gpu: GpuSample, facts: SlowFacts) -> _Clauses:
    earlier, named = {user.pid: user for user in old.users}, False
    titles = {user.pid: user.title for user in facts.users}
    for user in (one for one in gpu.users if not one.ours):
        was = earlier.get(user.pid, GpuUser(user.pid))
        share = (user.percent or 0.0) - (was.percent or 0.0)
        memory = (user.memory_bytes or 0) - (was.memory_bytes or 0)
        if share < GPU_SHARE_POINTS and memory < GPU_OTHERS_BYTES:
            continue
        named = True
        who = titles.get(user.pid, user.name) or "a program"
        who += "" if user.pid is None or user.outside else f" (pid {user.pid})"
        verb = "uses more of the GPU" if user.pid in earlier else "uses the GPU too"
        figures = [f"{user.percent:.0f} %"] if user.percent is not None else []
        figures += [memory_size(user.memory_bytes)] if user.memory_bytes else []
        told = f": {', '.join(figures)}" if figures else ""
        yield 82 if share >= GPU_SHARE_POINTS else 58, f"{who} {verb}{told}"
    grown = _grown(old.memory_others_bytes, gpu.memory_others_bytes)
    if not named and (grown or 0) >= GPU_OTHERS_BYTES:
        yield 56, f"other programs took {memory_size(grown)} more of the GPU's memory"


def _gpu_full(old: GpuSample | None, gpu: GpuSample, spills: bool) -> _Clauses:
    def full(one: GpuSample) -> bool:
        used, total = one.memory_used_bytes, one.memory_total_bytes
        return used is not None and bool(total) and used >= GPU_FULL * (total or 0)

    if not full(gpu) or (old is not None and full(old)):
        return
    left = memory_size(gpu.memory_left_bytes)
    if spills:
        text = f"GPU memory is full ({left} left) and spills into main memory, as on Windows"
        yield 77, text
    else:
        yield 45, f"GPU memory is nearly full ({left} left)"


def _gpu_waits(old: GpuSample, gpu: GpuSample) -> _Clauses:
    """Not a reason by itself: it rules out the GPU."""
    was, percent = old.percent or 0.0, gpu.percent
    if percent is not None and was >= 30.0 and percent < GPU_WAITS * was:
        text = f"the GPU waits for work ({percent:.0f} % busy instead of {was:.0f} %)"
        yield 20, f"{text}: images, disk or CPU are the bottleneck"
