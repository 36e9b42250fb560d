"""The machine: GPU, memory, CPU and disk, each with its last minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rich.cells import cell_len
from textual.reactive import reactive

from runner.model import DiskFree, GpuSample, GpuUser, HardwareSample, HardwareUse, RunSnapshot
from runner.model.units import ago, count, duration, file_size, memory_size, percent, pressure_word
from tui.kit import glyphs
from tui.kit.chart import PAST_BINS, blocks, ramp_bar, shared_bar
from tui.kit.paint import EMPTY, Row, Span, cell, fit, pad
from tui.kit.panel import ScrollingPanel
from tui.text import clean, crop, crop_parts, wrap
from tui.words.machine import (
    STALE_S,
    Device,
    Fact,
    Gauge,
    GaugeBoard,
    Line,
    Section,
    age_of,
    age_words,
    devices,
    disk_words,
    joined,
    newest,
    others,
    output_disk,
    part,
    reading_of,
    room_of,
    share,
    use_sentences,
    user_words,
    users_line,
)
from tui.words.progress import is_live

# ---------------------------------------------------------------------------
# The last minutes of a gauge. Pure.

#: a history holds means over so many seconds: it moves on seldom, and reaches back far
BIN_S = 8.0
BINS = 90
#: single readings of Apple's GPU are spiky, with zeros between: their mean over so long is the figure
MEAN_S = 20.0

Value = Callable[[HardwareSample], float | None]


def history(samples: Sequence[HardwareSample], value: Value) -> tuple[float | None, ...]:
    """Means over whole bins of the clock, oldest first; a bin without a value is None. The bin that
    is still filling is left out, so that a history changes once a bin."""
    if not samples:
        return ()
    newest = int(samples[-1].at // BIN_S)
    sums: dict[int, tuple[float, int]] = {}
    for sample in reversed(samples):
        at = int(sample.at // BIN_S)
        if at < newest - BINS:
            break
        found = value(sample) if at < newest else None
        if found is not None:
            total, number = sums.get(at, (0.0, 0))
            sums[at] = (total + found, number + 1)
    if not sums:
        return ()
    means = {at: total / number for at, (total, number) in sums.items()}
    return tuple(means.get(at) for at in range(min(means), newest))


def recent_mean(
    samples: Sequence[HardwareSample], value: Value, over_s: float = MEAN_S
) -> float | None:
    """Of the last readings."""
    found = []
    for sample in reversed(samples):
        if samples[-1].at - sample.at > over_s:
            break
        one = value(sample)
        if one is not None:
            found.append(one)
    return sum(found) / len(found) if found else None


def span(samples: Sequence[HardwareSample]) -> str:
    """How long a history is, as in `the last ...`; empty while it is too short to show."""
    if not samples:
        return ""
    seconds = min(samples[-1].at - samples[0].at, BINS * BIN_S)
    seconds = seconds // 60 * 60 or seconds // 30 * 30
    if seconds <= 0:
        return ""
    return "minute" if seconds == 60 else duration(seconds)


# ---------------------------------------------------------------------------
# The gauges of the GPUs: the run's own in full, the others in a row each.

#: with less than this share of its memory left a card is near its end
LOW = 0.03
#: what the hardware monitor says where no source has found one: the row says it already
NO_GPU = "no GPU found"
GB = 1024**3
#: a card's temperature and power are never still
CARD_MEAN_S = 10.0


def gpu_rows(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> list[Gauge | Line]:
    """`sample`: the newest reading."""
    found = devices(snapshot, sample, now)
    if not found:
        return [_none(snapshot, sample), *_users(others(snapshot), now)]
    own, samples = found[0], snapshot.hardware
    rows: list[Gauge | Line] = [_load(own, snapshot), *_silence(own), *_memory(own, snapshot)]
    if own.gpu.problem:
        rows.insert(0, Line(own.label, clean(own.gpu.problem, 200), "bad", worth=110))
    rows += [*_card(own, samples), *_slowed(own), *_users(others(snapshot), now)]
    return rows + [_other(device, samples) for device in found[1:]]


def _silence(own: Device) -> list[Line]:
    """Why its values are grey."""
    return [Line("", own.silence, "warn", worth=99)] if own.silence else []


def _none(snapshot: RunSnapshot, sample: HardwareSample) -> Gauge:
    """Without a GPU that is what is said; where the trainer says that it uses one, it is the reading that
    is missing."""
    device = (snapshot.status.device or "") if snapshot.status is not None else ""
    if device and not device.startswith("cpu"):
        return Gauge("GPU", None, "not measured", _reason(sample, device), known=False, worth=100)
    reason = "" if device else _reason(sample, device)
    unsaid = "trains on the CPU" if device else "it will train on the CPU"
    said = reason if reason and reason != NO_GPU else unsaid
    return Gauge("GPU", None, "No GPU", said, known=False, worth=100)


def _reason(sample: HardwareSample, device: str) -> str:
    """Why there is nothing, of the source that this machine should have."""
    first = {"mps": ("apple",), "cuda": ("nvidia", "amd")}
    wanted = first.get(device.partition(":")[0], ())
    for key in ("gpu_percent", *wanted, "gpu"):
        if sample.reasons.get(key):
            return clean(sample.reasons[key], 160)
    return ""


def _load(own: Device, snapshot: RunSnapshot) -> Gauge:
    """On Apple the mean of the last readings; elsewhere the driver's own mean over its window."""
    gpu, samples = own.gpu, snapshot.hardware

    def value(sample: HardwareSample) -> float | None:
        one = reading_of(sample, gpu.key)
        return one.percent if one is not None else None

    now = (recent_mean(samples, value) if own.spiky else None) or gpu.percent
    if now is None:
        reason = clean(gpu.reasons.get("percent") or gpu.reasons.get("gpu_percent"), 160)
        return Gauge(own.label, None, "not measured", reason, known=False, worth=100)
    peak = f"peak {_peak(snapshot, value, now):.0f}"
    return Gauge(
        own.label,
        share(now),
        percent(share(now)),
        joined(f"{MEAN_S:.0f} s mean" if own.spiky else "", peak),
        history(samples, lambda sample: share(value(sample))),
        stale=own.stale,
        worth=100,
    )


def _peak(snapshot: RunSnapshot, value: Value, now: float) -> float:
    """Of the whole run where the supervisor kept it."""
    use = use_of(snapshot)
    if use.gpu_util_max is not None:
        return min(100.0, max(use.gpu_util_max, now))
    return min(100.0, max([now, *(v for v in map(value, snapshot.hardware) if v is not None)]))


def use_of(snapshot: RunSnapshot) -> HardwareUse:
    return snapshot.status.hardware if snapshot.status is not None else HardwareUse()


# --------------------------------------------------------------------------- memory


def _memory(own: Device, snapshot: RunSnapshot) -> list[Gauge | Line]:
    """Of a card with memory of its own; Apple's is the machine's, and its gauge tells it."""
    gpu = own.gpu
    if own.shared:
        return []
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    if used is None:
        reason = clean(gpu.reasons.get("memory_used_bytes"), 160)
        return [Gauge("GPU mem", None, "not measured", reason, known=False, worth=97)]
    ours, whole = part(own.run_bytes, total), part(used, total)
    gauge = Gauge(
        "GPU mem",
        ours if ours is not None else whole,
        memory_size(used),
        f"of {_round(total)}" if total else "",
        history(snapshot.hardware, lambda sample: _filled(sample, gpu.key, total)),
        beside=max(0.0, (whole or 0.0) - ours) if ours is not None else 0.0,
        role="warn" if _is_low(own) else "text",
        stale=own.stale,
        worth=98,
    )
    words = _memory_words(own, use_of(snapshot))
    role = "warn" if _is_low(own) else "dim"
    return (
        [gauge, Line("", words, role, own.stale, 93 if _is_low(own) else 76)] if words else [gauge]
    )


def _filled(sample: HardwareSample, key: str, total: int | None) -> float | None:
    """The journal leaves out what never changes: the total."""
    one = reading_of(sample, key)
    return part(one.memory_used_bytes, total) if one is not None else None


def _is_low(device: Device) -> bool:
    left, total = device.left_bytes, device.gpu.memory_total_bytes
    return left is not None and bool(total) and left < LOW * (total or 0)


def _memory_words(own: Device, use: HardwareUse) -> str:
    """What is left, the peak, whose it is; in GB, as the gauge above."""
    left, ours, rest = own.left_bytes, own.run_bytes, own.others_bytes
    used = own.gpu.memory_used_bytes or 0
    peak = max(use.gpu_memory_max_bytes or 0, used)
    return joined(
        f"{gb(left)} left" if left is not None else "",
        f"peak {gb(peak)}" if peak else "",
        f"ours {gb(ours)}" if ours is not None else "",
        f"others {gb(rest)}" if ours is not None and rest is not None else "",
    )


def gb(size_bytes: float) -> str:
    """In GB, without the unit: the words beside it have it."""
    return f"{size_bytes / GB:.1f}"


def _round(size_bytes: int) -> str:
    return memory_size(size_bytes).replace(".0 ", " ")


# --------------------------------------------------------------------------- the card, its users


def _card(own: Device, samples: Sequence[HardwareSample]) -> list[Line]:
    """Temperature, power and clock: means of the last seconds, rounded, so that noise costs nothing."""

    def mean(field: str) -> float | None:
        def value(sample: HardwareSample) -> float | None:
            one = reading_of(sample, own.gpu.key)
            found = getattr(one, field) if one is not None else None
            return float(found) if found is not None else None

        known = recent_mean(samples, value, CARD_MEAN_S)
        return known if known is not None else getattr(own.gpu, field)

    celsius, clock = mean("temperature_c"), mean("clock_mhz")
    words = joined(
        f"{celsius:.0f} °C" if celsius is not None else "",
        power_words(mean("power_w"), own.gpu.power_limit_w),
        f"{clock / 1000:.1f} GHz" if clock is not None else "",
    )
    return [Line("", words, "dim", own.stale, 78)] if words else []


def power_words(power_w: float | None, limit_w: float | None) -> str:
    """To 10 W above 100 W: a card's power is never still."""
    if power_w is None:
        return ""
    step = 10 if power_w >= 100 else 1
    shown = f"{round(power_w / step) * step:.0f}"
    return f"{shown} of {limit_w:.0f} W" if limit_w else f"{shown} W"


def _slowed(own: Device) -> list[Line]:
    """Running at its power limit is what a card is bought for; anything else is worth a look."""
    reasons = [clean(one, 60) for one in own.gpu.throttle]
    if not reasons:
        return []
    usual = all("power" in one.lower() for one in reasons)
    text = joined(f"slowed: {reasons[0]}", *reasons[1:])
    return [Line("", text, "dim" if usual else "warn", own.stale, 60 if usual else 95)]


def _users(users: Sequence[GpuUser], now: float) -> list[Line]:
    words = users_line(users, now)
    return [Line("others", words, "warn", worth=90)] if words else []


def _other(device: Device, samples: Sequence[HardwareSample]) -> Gauge | Line:
    """Another card, in one row."""
    gpu = device.gpu
    if gpu.problem:
        return Line(device.label, clean(gpu.problem, 200), "bad", worth=79)
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    memory = f"{gb(used)}/{_round(total)}" if used is not None and total else ""
    value = percent(share(gpu.percent)) if gpu.percent is not None else "n/a"
    key = gpu.key
    return Gauge(
        device.label,
        share(gpu.percent),
        value,
        device.silence or memory,
        history(samples, lambda sample: _percent_of(sample, key)),
        stale=device.stale,
        worth=79,
    )


def _percent_of(sample: HardwareSample, key: str) -> float | None:
    one = reading_of(sample, key)
    return share(one.percent) if one is not None else None


# ---------------------------------------------------------------------------
# The gauges of the machine itself: CPU, memory, swap, the training's processes, disks.

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
        _host_memory(snapshot, sample),
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


def _host_memory(snapshot: RunSnapshot, sample: HardwareSample) -> Gauge:
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


# ---------------------------------------------------------------------------
# Everything that is known of the machine, for the zoomed panel: all devices, their users, what is missing
# and why, and what became of it over the whole run.

_FIELDS = {
    "percent": "load",
    "memory_used_bytes": "memory",
    "memory_run_bytes": "our memory",
    "memory_others_bytes": "others'",
    "temperature_c": "degrees",
    "power_w": "power",
    "power_limit_w": "limit",
    "clock_mhz": "clock",
    "memory_clock_mhz": "clock",
    "fan_percent": "fan",
    "energy_j": "energy",
    "users": "users",
}


def sections(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> tuple[Section, ...]:
    """`sample`: the newest reading; `now`: what ages are told against."""
    found = [
        *(_device(device, now) for device in devices(snapshot, sample, now)),
        _others(snapshot, now),
        _memory_detail(sample, now),
        _cpu_detail(sample, now),
        _disks(snapshot, sample, now),
        _so_far(snapshot),
        _missing_detail(sample.reasons),
    ]
    return tuple(one for one in found if one.facts)


def _source(source: str, age_s: float) -> str:
    said = f"no answer for {ago(age_s)}" if age_s > STALE_S else age_words(age_s)
    return joined(clean(source, 20), said)


def _facts(*facts: tuple[str, str], role: str = "text") -> list[Fact]:
    """Those that say something."""
    return [Fact(label, text, role) for label, text in facts if text]


# --------------------------------------------------------------------------- a device


def _device(device: Device, now: float) -> Section:
    gpu = device.gpu
    facts = _facts(("trouble", clean(gpu.problem, 300) if gpu.problem else ""), role="bad")
    facts += _facts(
        ("load", _load_of(device)),
        ("memory", _memory_of(device)),
        ("whose", _whose(device)),
        ("card", _card_detail(gpu)),
    )
    slowed = joined(*(clean(one, 80) for one in gpu.throttle))
    facts += _facts(("slowed", slowed), role="warn")
    if gpu.recoveries:
        facts.append(
            Fact("restarts", f"{gpu.recoveries} by its driver since it was started", "warn")
        )
    facts += [_user(user, now, label) for user, label in _labelled(gpu)]
    facts += _facts(
        *((clean(_FIELDS.get(k, k), 9), _why(v)) for k, v in gpu.reasons.items()), role="dim"
    )
    name = clean(gpu.name, 60)
    title = device.label if not name else f"{device.label}: {name}"
    ours = "ours, " if device.own and device.label != "GPU" else ""
    return Section(title, tuple(facts), ours + _source(gpu.source, device.age_s), device.stale)


def _why(reason: str) -> str:
    return f"not measured: {clean(reason, 200)}" if reason else ""


def _load_of(device: Device) -> str:
    if device.gpu.percent is None:
        return ""
    single = ", a single reading: they are spiky" if device.spiky else ""
    return f"{percent(share(device.gpu.percent))}{single}"


def _memory_of(device: Device) -> str:
    gpu = device.gpu
    if gpu.memory_used_bytes is None:
        return ""
    total, left = gpu.memory_total_bytes, device.left_bytes
    of = f" of {memory_size(total).replace('.0 ', ' ')}" if total and not device.shared else ""
    shared = "part of the machine's own" if device.shared else ""
    remaining = f"{memory_size(left)} left" if left is not None and not device.shared else ""
    return joined(f"{memory_size(gpu.memory_used_bytes)}{of}", remaining, shared)


def _whose(device: Device) -> str:
    ours, rest = device.run_bytes, device.others_bytes
    return joined(
        f"this run's {memory_size(ours)}" if ours is not None else "",
        f"others' and the driver's {memory_size(rest)}" if rest is not None else "",
    )


def _card_detail(gpu: GpuSample) -> str:
    return joined(
        f"{gpu.temperature_c:.0f} °C" if gpu.temperature_c is not None else "",
        power_words(gpu.power_w, gpu.power_limit_w),
        f"{gpu.clock_mhz:.0f} MHz" if gpu.clock_mhz is not None else "",
        f"memory {gpu.memory_clock_mhz:.0f} MHz" if gpu.memory_clock_mhz is not None else "",
        f"fan {gpu.fan_percent:.0f} %" if gpu.fan_percent is not None else "",
    )


def _labelled(gpu: GpuSample) -> list[tuple[GpuUser, str]]:
    """This run's processes first."""
    users = sorted(gpu.users, key=lambda user: (not user.ours, -(user.memory_bytes or 0)))
    return [(user, "ours" if user.ours else "other") for user in users]


def _user(user: GpuUser, now: float, label: str) -> Fact:
    pid = f" (process {user.pid})" if user.pid is not None else ""
    head, _, rest = user_words(user, now).partition(", ")
    return Fact(label, f"{head}{pid}{', ' + rest if rest else ''}", "text" if user.ours else "warn")


def _others(snapshot: RunSnapshot, now: float) -> Section:
    """Those that no device lists: found by their command line."""
    status = snapshot.status
    sample = status.sample if status is not None else None
    listed = {user.pid for gpu in (sample.gpus if sample is not None else ()) for user in gpu.users}
    rest = [user for user in others(snapshot) if user.pid is None or user.pid not in listed]
    return Section("Others at work", tuple(_user(user, now, "other") for user in rest))


# --------------------------------------------------------------------------- the machine


def _memory_detail(sample: HardwareSample, now: float) -> Section:
    used, total, left = sample.memory_used_bytes, sample.memory_total_bytes, left_bytes(sample)
    age_s = age_of(sample, "host", now)
    of = f" of {memory_size(total).replace('.0 ', ' ')}" if total else ""
    in_use = f"{memory_size(used)}{of}" if used is not None else ""
    swap = memory_size(sample.swap_used_bytes) if sample.swap_used_bytes is not None else ""
    swap = "none" if sample.swap_total_bytes == 0 else swap
    if swap and sample.swap_total_bytes:
        swap += f" of {memory_size(sample.swap_total_bytes).replace('.0 ', ' ')}"
    written = sample.swapped_out_bytes
    facts = _facts(
        ("in use", joined(in_use, f"{memory_size(left)} left" if left is not None else "")),
        ("pressure", pressure_word(sample.pressure) if sample.pressure is not None else ""),
        ("swap", joined(swap, f"{memory_size(written)} written since boot" if written else "")),
        ("trainer", _trainer_memory(sample)),
    )
    return Section("Memory", tuple(facts), _source("psutil", age_s), age_s > STALE_S)


def _trainer_memory(sample: HardwareSample) -> str:
    tree, footprint = sample.tree_memory_bytes, sample.footprint_bytes
    return joined(
        f"{memory_size(tree)} with its workers" if tree is not None else "",
        f"footprint {memory_size(footprint)}, the GPU's part included" if footprint else "",
    )


def _cpu_detail(sample: HardwareSample, now: float) -> Section:
    cores = f" of {count(sample.cpu_count, 'core')}" if sample.cpu_count else ""
    load, number = sample.load, sample.tree_processes
    all_of_it = (
        f"{percent(share(sample.cpu_percent))}{cores}" if sample.cpu_percent is not None else ""
    )
    processes = f"{number} process{'' if number == 1 else 'es'}" if number is not None else ""
    own = cores_words(sample.tree_cpu_percent) if sample.tree_cpu_percent is not None else ""
    age_s = age_of(sample, "host", now)
    facts = _facts(
        ("in use", joined(all_of_it, f"load {load:.1f}" if load is not None else "")),
        (
            "training",
            joined(own, f"{processes}, launcher and workers included" if processes else ""),
        ),
    )
    return Section("CPU", tuple(facts), _source("psutil", age_s), age_s > STALE_S)


def _disks(snapshot: RunSnapshot, sample: HardwareSample, now: float) -> Section:
    output = output_disk(sample)
    listed = sample.disks or ((output,) if output is not None else ())
    facts = []
    for disk in listed:
        if disk.free_bytes is None:
            continue
        total = f" of {file_size(disk.total_bytes)}" if disk.total_bytes else ""
        room = room_of(snapshot, disk.free_bytes) if disk is output else None
        full = room is not None and room.full_at_step is not None
        need = f"saves to come need {file_size(room.need_bytes)}" if room is not None else ""
        place = clean(disk.path, 200)
        text = joined(f"{file_size(disk.free_bytes)} free{total}", disk_words(room), need, place)
        role = "bad" if full else "warn" if is_low(disk) else "text"
        facts.append(Fact(clean(disk.what, 9), text, role))
    age_s = age_of(sample, "host", now)
    return Section("Disks", tuple(facts), _source("psutil", age_s), age_s > STALE_S)


def _so_far(snapshot: RunSnapshot) -> Section:
    """Peaks and means of the whole run."""
    facts = [Fact("", sentence) for sentence in use_sentences(use_of(snapshot))]
    awake = getattr(snapshot.status, "awake", None)
    facts += _facts(("awake", clean(awake, 200) if awake else ""), role="dim")
    return Section("So far", tuple(facts))


def _missing_detail(reasons: Mapping[str, str]) -> Section:
    facts = [Fact(clean(key, 9), clean(why, 300), "dim") for key, why in reasons.items() if why]
    return Section("Not measured", tuple(facts))


# ---------------------------------------------------------------------------
# The panel of the hardware: what the machine does, and why a value is missing where one is.

NOTHING = GaugeBoard((), "", False, "")


def gauge_board(snapshot: RunSnapshot | None, now: float, details: bool = False) -> GaugeBoard:
    """The newest reading as gauges; `details`: with everything that is known, for the zoomed panel. Of a run
    that is over the last reading is history, and says so."""
    live = snapshot is None or is_live(snapshot)
    sample = newest(snapshot) if snapshot is not None else None
    if snapshot is None or sample is None:
        return GaugeBoard((), "no sample yet" if live else "none recorded", False, "")
    age_s = max(0.0, now - sample.at)
    stale = live and age_s > STALE_S
    # ages of single sources count where the readings as such are fresh
    at = now if live and not stale else sample.at
    own = next(iter(devices(snapshot, sample, at)), None)
    rows = (*gpu_rows(snapshot, sample, at), *host_rows(snapshot, sample, at))
    more: tuple[Section, ...] = ()
    if details:
        more = sections(snapshot, sample, at)
    return GaugeBoard(
        rows,
        _age(own, age_s, live, stale),
        stale,
        span(snapshot.hardware),
        more,
        silent=stale or (own is not None and own.stale),
    )


def _age(own: Device | None, age_s: float, live: bool, stale: bool) -> str:
    """Of the run's own device, with its source; of the readings as such where there is none."""
    if not live:
        return "at the end of the run"
    if stale:
        return f"{ago(age_s)} ago"
    source = clean(own.gpu.source, 20) if own is not None else ""
    age_s = own.age_s if own is not None else age_s
    return joined(source, age_words(age_s))


# ---------------------------------------------------------------------------
# Rows of the hardware: gauges, lines in words, histories, and the sections of the zoomed panel.

LABEL, VALUE = 9, 8
#: colours of a bar: each costs some 40 bytes whenever its value changes
BAR_LEVELS = 6
#: from these widths on a row has a note, a longer one, and a bar before its blocks
NOTED, LONG_NOTED, TRACED = 38, 54, 80
FACT_LABEL = 11
#: from this width on the sections stand in two columns
TWO_COLUMNS = 116


def board_row(row: Gauge | Line, width: int, stale: bool) -> list[Row]:
    if isinstance(row, Line):
        return [_line_row(row, width, stale)]
    return gauge_rows(row, width, stale)


def gauge_rows(gauge: Gauge, width: int, stale: bool) -> list[Row]:
    """One row, or two where the reason for a missing value needs the room."""
    if gauge.known:
        return [_gauge_row(gauge, width, stale or gauge.stale)]
    label = Span(" " + cell(gauge.label, LABEL - 1).text)
    room = width - LABEL - 1
    if not gauge.note:
        return [(label, Span(crop(gauge.value, room), "dim"))]
    whole = f"{gauge.value}: {gauge.note}"
    if len(whole) <= room:
        return [(label, Span(whole, "dim"))]
    reason = (Span(" " * LABEL), Span(crop(gauge.note, room), "dim"))
    return [(label, Span(crop(gauge.value, room), "dim")), reason]


def _line_row(line: Line, width: int, stale: bool) -> Row:
    role = "faint" if stale or line.stale else line.role
    label = Span(" " + cell(line.label, LABEL - 1).text, "dim" if stale or line.stale else "text")
    return (label, Span(crop_parts(line.text, width - LABEL), role))


def _gauge_row(gauge: Gauge, width: int, stale: bool) -> Row:
    """Label, value, the last minutes as blocks (with a bar before them where it is wide), note. The number
    stands first: it changes more often, and a row is sent again from its left end up to what changed."""
    label = Span(" " + cell(gauge.label, LABEL - 1).text, "dim" if stale else "text")
    role = "dim" if stale else "strong" if gauge.role == "text" else gauge.role
    value = cell(gauge.value, VALUE, role, "right")
    note_role = "dim" if gauge.role == "text" or stale else gauge.role
    bar, trace, note = _widths(width)
    past = () if stale else gauge.history
    traced = any(one is not None for one in past)
    if (gauge.fraction is None and not traced) or bar < 4:
        # no whole to be a part of, or no room: words in the place of the bar
        room = width - LABEL - VALUE - 1
        return (label, value, Span(" " + crop_parts(gauge.note, room), note_role))
    spans: Row = (label, value, Span("  "))
    if trace:
        shown = (Span(" " * bar),) if gauge.fraction is None else _bar(gauge, bar, stale)
        spans = (*spans, *shown, Span("  "), *blocks(past, trace))
    else:
        spans = (*spans, *(blocks(past, bar) if traced else _bar(gauge, bar, stale)))
    if note:
        spans = (*spans, Span("  " + crop_parts(gauge.note, note - 2), note_role))
    return spans


def _widths(width: int) -> tuple[int, int, int]:
    """Of the bar, the blocks and the note. They depend on the width alone, so that nothing moves."""
    note = 0 if width < NOTED else 19 if width >= LONG_NOTED else 12
    room = width - LABEL - VALUE - 2 - note - (1 if not note else 0)
    if width < TRACED:
        return room, 0, note
    trace = min(PAST_BINS, (room - 2) * 2 // 3)
    return min(40, room - 2 - trace), trace, note


def _bar(gauge: Gauge, width: int, stale: bool) -> Row:
    if gauge.beside > 0:
        bar = shared_bar(gauge.fraction, gauge.beside, width, BAR_LEVELS)
    else:
        bar = ramp_bar(gauge.fraction, width, BAR_LEVELS)
    return tuple(Span(span.text, "faint") for span in bar) if stale else bar


# --------------------------------------------------------------------------- the zoomed panel


def section_rows(sections: Sequence[Section], width: int) -> list[Row]:
    """All sections, in two columns where there is room."""
    if width < TWO_COLUMNS or len(sections) < 2:
        return [row for one in sections for row in _section(one, width)]
    half = (width - 3) // 2
    blocks = [_section(one, half) for one in sections]
    left, right = _balanced(blocks)
    height = max(len(left), len(right))
    left, right = (side + [EMPTY] * (height - len(side)) for side in (left, right))
    return [(*pad(a, half), Span("   "), *b) for a, b in zip(left, right, strict=True)]


def _balanced(blocks: Sequence[list[Row]]) -> tuple[list[Row], list[Row]]:
    """The order is kept; the left column takes blocks until it has half of the rows."""
    total = sum(map(len, blocks))
    left: list[Row] = []
    right: list[Row] = []
    for block in blocks:
        fits = not right and (not left or len(left) + len(block) // 2 <= total // 2)
        (left if fits else right).extend(block)
    return left, right


def _section(section: Section, width: int) -> list[Row]:
    note = f" {section.note} " if section.note else ""
    title = f" {crop(section.title, max(8, width - 6 - cell_len(note)))} "
    room = width - 2 - cell_len(title) - cell_len(note)
    head: Row = (
        Span(glyphs.RULE, "faint"),
        Span(title, "strong"),
        Span(glyphs.RULE * max(1, room), "faint"),
        Span(note, "warn" if section.stale else "dim"),
        Span(glyphs.RULE if note else "", "faint"),
    )
    rows = [fit(head, width)]
    for fact in section.facts:
        label = f" {fact.label}"
        size = FACT_LABEL if fact.label else 1
        role = "faint" if section.stale and fact.role == "text" else fact.role
        for line in wrap(fact.text, max(12, width - size - 1)):
            rows.append((cell(label, size, "dim"), Span(line.strip(), role)))
            label = ""
    return [*(fit(row, width) for row in rows), EMPTY]


# ---------------------------------------------------------------------------
# The machine: gauges with their last five minutes; zoomed, everything that is known.


class GaugePanel(ScrollingPanel):
    """Where not all rows fit, the least worthy give way; scrolled down, or zoomed (`details`), all come in
    their order."""

    TITLE = "Machine"
    FOLLOWS = False

    model: reactive[GaugeBoard] = reactive(NOTHING, layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        role = "warn" if self.model.silent else "dim"
        return (Span(self.model.age, role),) if self.model.age else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        blocks = self._blocks(width)
        rows = [row for _, block in blocks for row in block]
        if self.details:
            rows += self._sections(width)
        top = self.window(len(rows), height, 0)
        if top == 0 and not self.details and len(rows) > height:
            return _worthiest(blocks, height)
        return rows[top : top + height]

    def _blocks(self, width: int) -> list[tuple[int, list[Row]]]:
        """The rows of each gauge, with their worth."""
        board = self.model
        return [(row.worth, board_row(row, width, board.stale)) for row in board.rows]

    def _sections(self, width: int) -> list[Row]:
        return [EMPTY, *section_rows(self.model.sections, width)]


def _worthiest(blocks: Sequence[tuple[int, list[Row]]], height: int) -> list[Row]:
    """The worthiest blocks that fit, in their own order."""
    chosen, left = set(), height
    for index in sorted(range(len(blocks)), key=lambda i: -blocks[i][0]):
        size = len(blocks[index][1])
        if size <= left:
            chosen.add(index)
            left -= size
    return [row for index, (_, block) in enumerate(blocks) if index in chosen for row in block]
