"""Everything that is known of the machine, for the zoomed panel: all devices, their users, what is missing
and why, and what became of it over the whole run."""

from __future__ import annotations

from collections.abc import Mapping

from runner.model import GpuSample, GpuUser, HardwareSample, RunSnapshot
from runner.model.units import ago, count, file_size, memory_size, percent, pressure_word
from tui.text import clean
from tui.viewmodel.disk_room import room_of
from tui.viewmodel.gauge_gpu import power_words, use_of
from tui.viewmodel.gauge_host import (
    cores_words,
    disk_words,
    is_low,
    left_bytes,
    output_disk,
)
from tui.viewmodel.gauge_model import STALE_S, Fact, Section, age_words, joined, share
from tui.viewmodel.gpu_devices import Device, age_of, devices
from tui.viewmodel.gpu_users import others, user_words
from tui.viewmodel.hardware_use import use_sentences

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
        _memory(sample, now),
        _cpu(sample, now),
        _disks(snapshot, sample, now),
        _so_far(snapshot),
        _missing(sample.reasons),
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
        ("card", _card(gpu)),
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


def _card(gpu: GpuSample) -> str:
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


def _memory(sample: HardwareSample, now: float) -> Section:
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


def _cpu(sample: HardwareSample, now: float) -> Section:
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


def _missing(reasons: Mapping[str, str]) -> Section:
    facts = [Fact(clean(key, 9), clean(why, 300), "dim") for key, why in reasons.items() if why]
    return Section("Not measured", tuple(facts))
