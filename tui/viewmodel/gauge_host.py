"""The gauges of the machine itself: CPU, memory, swap, the training's processes, disks."""

from __future__ import annotations

from dataclasses import replace

from runner.model import DiskFree, HardwareSample, RunSnapshot
from runner.model.units import ago, count, file_size, memory_size, percent, pressure_word
from tui.text import clean
from tui.viewmodel.disk_room import DiskRoom, room_of
from tui.viewmodel.gauge_gpu import gb, use_of
from tui.viewmodel.gauge_history import history
from tui.viewmodel.gauge_model import STALE_S, Gauge, Line, joined, part, share
from tui.viewmodel.gpu_devices import age_of, devices

#: `kern.memorystatus_vm_pressure_level` of macOS: 1 normal, 2 warning, 4 critical; 3 is not used
WARNING, CRITICAL = 2, 4
#: a swap that grew by so much since the first step slows a training
SWAP_GROWN_BYTES = 1 << 29
#: a disk other than the output's is told of below either of these
DISK_LOW, DISK_LOW_BYTES = 0.03, 2_000_000_000


def host_rows(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> list[Gauge | Line]:
    """`sample`: the newest reading. Without a GPU the CPU is what the training runs on."""
    own = next(iter(devices(snapshot, sample, now)), None)
    on_cpu = own is None
    apple = own is not None and own.shared
    held = own.gpu.memory_used_bytes if own is not None and apple else None
    rows: list[Gauge | Line] = [
        _cpu(snapshot, sample, on_cpu),
        _trainer(sample, on_cpu),
        _memory(snapshot, sample),
        *_pressure(sample, held),
        _swap(snapshot, sample, apple),
        *_disk(snapshot, sample),
        *_low_disks(sample),
    ]
    age_s = age_of(sample, "host", now)
    if age_s <= STALE_S:
        return rows
    silent = Line("", f"no answer for {ago(age_s)}", "warn", worth=96)
    return [
        *(replace(row, stale=True) for row in rows[:1]),
        silent,
        *(replace(row, stale=True) for row in rows[1:]),
    ]


def _cpu(snapshot: RunSnapshot, sample: HardwareSample, on_cpu: bool) -> Gauge:
    """Of the cores that the run may use."""
    worth = 97 if on_cpu else 80
    if sample.cpu_percent is None:
        return _missing("CPU", sample, "cpu_percent", worth)
    cores = count(sample.cpu_count, "core") if sample.cpu_count else ""
    past = history(snapshot.hardware, lambda one: share(one.cpu_percent))
    fraction = share(sample.cpu_percent)
    return Gauge("CPU", fraction, percent(fraction), cores, past, worth=worth)


def _trainer(sample: HardwareSample, on_cpu: bool) -> Gauge:
    """The trainer with its launcher and workers: its memory, and its CPU in cores."""
    worth = 96 if on_cpu else 74
    memory = trainer_bytes(sample)
    if memory is None:
        return _missing("trainer", sample, "tree_memory_bytes", worth)
    cpu, processes = sample.tree_cpu_percent, sample.tree_processes
    words = joined(
        cores_words(cpu) if cpu is not None else "",
        f"{processes} process{'' if processes == 1 else 'es'}" if processes is not None else "",
    )
    return Gauge("trainer", None, memory_size(memory), words, worth=worth)


def cores_words(cpu_percent: float) -> str:
    """100 % of psutil's is one core."""
    cores = cpu_percent / 100
    return f"{cores:.1f} cores" if cores < 9.95 else f"{cores:.0f} cores"


def trainer_bytes(sample: HardwareSample) -> int | None:
    """On Apple the footprint: what is resident leaves out the GPU's and the compressed part."""
    return sample.footprint_bytes or sample.tree_memory_bytes


def _memory(snapshot: RunSnapshot, sample: HardwareSample) -> Gauge:
    used, total = sample.memory_used_bytes, sample.memory_total_bytes
    if used is None:
        return _missing("memory", sample, "memory_used_bytes", 84)
    ours = min(trainer_bytes(sample) or 0, used)
    pressed = (sample.pressure or 1) >= WARNING
    mine, whole = part(ours, total), part(used, total)
    return Gauge(
        "memory",
        mine if ours and mine is not None else whole,
        memory_size(used),
        f"of {memory_size(total).replace('.0 ', ' ')}" if total else "",
        history(snapshot.hardware, lambda one: part(one.memory_used_bytes, total)),
        beside=(whole or 0.0) - (mine or 0.0) if ours else 0.0,
        role="warn" if pressed else "text",
        worth=84,
    )


def _pressure(sample: HardwareSample, gpu_bytes: int | None) -> list[Line]:
    """Apple's own word on its memory, and what of it the GPU holds."""
    level = sample.pressure
    if level is None:
        return []
    role = "bad" if level >= CRITICAL else "warn" if level >= WARNING else "dim"
    left = left_bytes(sample)
    words = joined(
        f"pressure {pressure_word(level)}",
        f"{gb(left)} left" if left is not None else "",
        f"GPU holds {gb(gpu_bytes)}" if gpu_bytes is not None else "",
    )
    return [Line("", words, role, worth=96 if level >= WARNING else 82)]


def left_bytes(sample: HardwareSample) -> int | None:
    if sample.memory_total_bytes is None or sample.memory_used_bytes is None:
        return None
    return max(0, sample.memory_total_bytes - sample.memory_used_bytes)


def _swap(snapshot: RunSnapshot, sample: HardwareSample, apple: bool) -> Gauge:
    used, total = sample.swap_used_bytes, sample.swap_total_bytes
    grown = use_of(snapshot).swap_grown_bytes or 0
    grows = grown >= SWAP_GROWN_BYTES
    worth = 94 if grows else 79 if apple else 40
    if used is None:
        return _missing("swap", sample, "swap_used_bytes", worth)
    if total == 0:
        return Gauge("swap", None, "none", worth=20)
    of = f"of {memory_size(total).replace('.0 ', ' ')}" if total else ""
    words = joined(f"+{gb(grown)} GB", of) if grows else of
    role = "warn" if grows else "text"
    return Gauge("swap", part(used, total), memory_size(used), words, role=role, worth=worth)


# --------------------------------------------------------------------------- disks


def output_disk(sample: HardwareSample) -> DiskFree | None:
    """The disk that the run saves on."""
    for disk in sample.disks:
        if "output" in disk.what:
            return disk
    if sample.disk_free_bytes is None:
        return None
    return DiskFree("output", "", sample.disk_free_bytes)


def disk_words(room: DiskRoom | None) -> str:
    """Nothing where nothing is known."""
    if room is None:
        return ""
    if room.full_at_step is not None:
        return f"full at step {room.full_at_step}"
    return "all saves fit"


def _disk(snapshot: RunSnapshot, sample: HardwareSample) -> list[Gauge | Line]:
    disk = output_disk(sample)
    if disk is None or disk.free_bytes is None:
        return [_missing("disk", sample, "disk_free_bytes", 75)]
    room = room_of(snapshot, disk.free_bytes)
    size = file_size(disk.free_bytes)
    if room is None or room.full_at_step is None:
        return [Gauge("disk", None, size, joined("free", disk_words(room)), worth=75)]
    return [Gauge("disk", None, size, disk_words(room), role="bad", worth=95)]


def is_low(disk: DiskFree) -> bool:
    if disk.free_bytes is None:
        return False
    least = max(DISK_LOW_BYTES, DISK_LOW * (disk.total_bytes or 0))
    return disk.free_bytes < least


def _low_disks(sample: HardwareSample) -> list[Gauge]:
    """Disks of logs, cache and temporary files: only those that are nearly full."""
    output = output_disk(sample)
    return [
        Gauge(
            clean(disk.what, 8),
            None,
            file_size(disk.free_bytes),
            "free, nearly full",
            role="warn",
            worth=91,
        )
        for disk in sample.disks
        if disk is not output and is_low(disk)
    ]


def _missing(label: str, sample: HardwareSample, field: str, worth: int) -> Gauge:
    reasons = sample.reasons
    reason = reasons.get(field) or reasons.get(field.split("_")[0]) or reasons.get("host") or ""
    return Gauge(label, None, "not measured", clean(reason, 160), known=False, worth=worth)
