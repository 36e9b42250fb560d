"""`plasma-tui hardware` as text. Pure; all foreign text goes through `clean`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from runner.hardware.board import OLD_S
from runner.hardware.host import HOST
from runner.hardware.programs import Hold
from runner.hardware.users import User
from runner.model import GpuSample, GpuUser, HardwareSample, RunSnapshot
from runner.model.units import ago, file_size, memory_size, pressure_word
from tui.text import clean

_LABEL = 10
_HOLD = {
    Hold.MODEL: "holds a model",
    Hold.MIGHT: "may hold a model",
    Hold.IDLE: "loads a model when asked to",
}
#: shown in lines of their own
_MACHINE = frozenset({"cpu", "swap", "tree", "disk", "gpu"})
_NOT_REPORTED = "not reported"
#: sources that never say whether the GPU is throttled
_NO_THROTTLE = frozenset({"ioreg", "amdgpu"})


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of the machine. `silent`: sources that have not answered in `waited_s`."""

    sample: HardwareSample
    users: tuple[User, ...] = ()
    runs: tuple[RunSnapshot, ...] = ()
    silent: tuple[str, ...] = ()
    waited_s: float = 0.0

    @property
    def gpu_silent(self) -> bool:
        """Is there a GPU source that has not answered?"""
        return any(name != HOST for name in self.silent)

    @property
    def reasons(self) -> dict[str, str]:
        """Why something is missing, by field of the machine and by source."""
        late = f"no answer within {self.waited_s:g} s"
        found = {name: why for name, why in self.sample.reasons.items() if name != "disk"}
        if not self.runs:
            found.pop("tree", None)
        return found | dict.fromkeys(self.silent, late)


def block(look: Look) -> list[str]:
    """Everything, as lines."""
    sample, lines = look.sample, []
    for label, text in (*_machine(look), *_runs(look)):
        lines.append(_row(label, text))
    if not sample.gpus:
        lines.append(_row("GPU", "no answer" if look.gpu_silent else "none found"))
    for number, gpu in enumerate(sample.gpus):
        lines += _gpu(number, gpu, len(sample.gpus), sample.at)
    lines += _users(look)
    for name, why in look.reasons.items():
        if name not in _MACHINE and name != HOST:
            lines.append(_row("source", f"{name}: {why}"))
    for name, age_s in sample.ages_s.items():
        if age_s > OLD_S and name not in look.silent:
            lines.append(_row("source", f"{name}: last answered {ago(age_s)} ago"))
    return lines


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}} {clean(text)}".rstrip()


def _machine(look: Look) -> Iterator[tuple[str, str]]:
    sample, reasons = look.sample, look.reasons
    if HOST in reasons:
        yield "machine", f"CPU, memory and disks: {reasons[HOST]}"
        return
    yield "CPU", _cpu(sample, reasons)
    yield "memory", _of(sample.memory_used_bytes, sample.memory_total_bytes)
    if sample.pressure is not None:
        yield "pressure", pressure_word(sample.pressure)
    yield "swap", _swap(sample, reasons)
    for disk in sample.disks:
        size = f"{file_size(disk.free_bytes)} of {file_size(disk.total_bytes)} free"
        yield "disk", f"{size}, {disk.what} ({disk.path})"


def _cpu(sample: HardwareSample, reasons: dict[str, str]) -> str:
    if sample.cpu_percent is None:
        busy = f"not measured: {reasons.get('cpu', 'unknown')}"
    else:
        busy = f"{sample.cpu_percent:.0f} % busy"
    cores = f", {sample.cpu_count} cores" if sample.cpu_count is not None else ""
    return busy + cores + (f", load {sample.load:.2f}" if sample.load is not None else "")


def _of(used: int | None, total: int | None) -> str:
    if used is None or total is None:
        return f"{memory_size(used)} used of {memory_size(total)}"
    return f"{memory_size(used)} of {memory_size(total)} used, {memory_size(total - used)} left"


def _swap(sample: HardwareSample, reasons: dict[str, str]) -> str:
    if sample.swap_used_bytes is None:
        return reasons.get("swap", "not measured")
    if not sample.swap_total_bytes:
        return "none"
    written = sample.swapped_out_bytes
    more = f", {memory_size(written)} written since boot" if written is not None else ""
    return _of(sample.swap_used_bytes, sample.swap_total_bytes) + more


def _runs(look: Look) -> Iterator[tuple[str, str]]:
    """Only the newest run's processes are measured."""
    for number, run in enumerate(look.runs):
        name = run.spec.name if run.spec is not None else ""
        pid = run.status.trainer_pid if run.status is not None else None
        parts = [f"{run.id} ({name})" if name else run.id, f"pid {pid}" if pid else ""]
        sample = look.sample
        if number == 0 and sample.tree_cpu_percent is not None:
            parts.append(f"{sample.tree_cpu_percent:.0f} % of a core")
        if number == 0 and sample.tree_memory_bytes is not None:
            parts.append(memory_size(sample.tree_memory_bytes))
        yield "run", ", ".join(part for part in parts if part)


# ------------------------------------------------------------------------------------------- GPUs


def _gpu(number: int, gpu: GpuSample, count: int, at: float) -> Iterator[str]:
    index = gpu.index if gpu.index is not None else number
    label = f"GPU {index}" if count > 1 else "GPU"
    yield _row(label, f"{gpu.name or 'unnamed'} ({gpu.source}, {gpu.key})")
    if gpu.problem:
        yield _detail("problem", gpu.problem)
    for name, value, field in _fields(gpu):
        why = gpu.reasons.get(field)
        if value is not None:
            yield _detail(name, f"{value} ({why})" if why else value)
        elif why is not None or field != "recoveries":
            yield _detail(name, why or _NOT_REPORTED)
    for user in gpu.users:
        yield _detail("used by", _gpu_user(user, at))
    if not gpu.users:
        yield _detail("used by", gpu.reasons.get("users", "no process"))


def _detail(name: str, text: str) -> str:
    return f"{'':<{_LABEL}} {name:<14} {clean(text)}"


def _fields(gpu: GpuSample) -> tuple[tuple[str, str | None, str], ...]:
    """Name, value with its unit, and the field that `reasons` goes by."""
    memory = None
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        memory = _of(gpu.memory_used_bytes, gpu.memory_total_bytes)
    elif gpu.memory_used_bytes is not None:
        memory = f"{memory_size(gpu.memory_used_bytes)} used"
    energy = (
        None
        if gpu.energy_j is None
        else f"{gpu.energy_j / 3.6e6:.2f} kWh since the driver was loaded"
    )
    reported = gpu.source not in _NO_THROTTLE and "throttle" not in gpu.reasons
    return (
        ("busy", _number(gpu.percent, "%"), "percent"),
        ("memory", memory, "memory_used_bytes"),
        ("of the run", _size(gpu.memory_run_bytes), "memory_run_bytes"),
        ("of others", _size(gpu.memory_others_bytes), "memory_others_bytes"),
        ("temperature", _number(gpu.temperature_c, "°C"), "temperature_c"),
        ("power", _number(gpu.power_w, "W"), "power_w"),
        ("power limit", _number(gpu.power_limit_w, "W"), "power_limit_w"),
        ("clock", _number(gpu.clock_mhz, "MHz"), "clock_mhz"),
        ("memory clock", _number(gpu.memory_clock_mhz, "MHz"), "memory_clock_mhz"),
        ("fan", _number(gpu.fan_percent, "%"), "fan_percent"),
        ("energy", energy, "energy_j"),
        ("throttled", ", ".join(gpu.throttle) or ("no" if reported else None), "throttle"),
        ("restarts", _number(gpu.recoveries, ""), "recoveries"),
    )


def _number(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:.0f} {unit}".rstrip()


def _size(size_bytes: int | None) -> str | None:
    return None if size_bytes is None else memory_size(size_bytes)


def _gpu_user(user: GpuUser, at: float) -> str:
    who = "a process outside this container" if user.outside else user.name or "unknown program"
    parts = [
        f"{who}, this run's" if user.ours else who,
        f"pid {user.pid}" if user.pid is not None else "",
        memory_size(user.memory_bytes) if user.memory_bytes is not None else "",
        f"{user.percent:.0f} %" if user.percent is not None else "",
        f"for {ago(at - user.since_at)}" if user.since_at is not None else "",
    ]
    return ", ".join(part for part in parts if part)


# ------------------------------------------------------------------------------------ other users


def _users(look: Look) -> Iterator[str]:
    for number, user in enumerate(look.users):
        yield _row("others" if number == 0 else "", user_words(user, look.sample.at))
    if not look.users:
        yield _row("others", "no other program uses a GPU")


def user_words(user: User, at: float) -> str:
    """`ComfyUI (pid 71), 3.0 GB of GPU memory, for 2 h, holds a model: close ComfyUI`."""
    who = user.title if user.pid is None else f"{user.title} (pid {user.pid})"
    age_s = None if user.since_at is None else max(60.0, at - user.since_at)
    parts = [
        who,
        f"{memory_size(user.gpu_memory_bytes)} of GPU memory" if user.gpu_memory_bytes else "",
        f"{user.gpu_percent:.0f} % of the GPU" if user.gpu_percent is not None else "",
        f"{memory_size(user.memory_bytes)} of memory" if user.memory_bytes else "",
        f"for {ago(age_s)}" if age_s is not None else "",
        _HOLD[user.hold] if user.hold is not None else "",
    ]
    words = ", ".join(part for part in parts if part)
    return f"{words}: {user.how}" if user.how else words


# ------------------------------------------------------------------------------------ one line of --follow


def line(look: Look) -> str:
    """`12:01:02  CPU 12 %  memory 3.1 GB of 7.8 GB  GPU 97 % 20.1 GB of 24.0 GB 65 °C 300 W`."""
    sample = look.sample
    parts = [time.strftime("%H:%M:%S", time.localtime(sample.at))]
    if HOST in look.silent:
        parts.append("CPU and memory: no answer")
    else:
        cpu = "not measured" if sample.cpu_percent is None else f"{sample.cpu_percent:.0f} %"
        parts.append(f"CPU {cpu}")
        parts.append(_short("memory", sample.memory_used_bytes, sample.memory_total_bytes))
    if sample.swap_total_bytes and sample.swap_used_bytes is not None:
        parts.append(f"swap {memory_size(sample.swap_used_bytes)}")
    if (sample.pressure or 1) > 1:
        parts.append(f"pressure {pressure_word(sample.pressure or 1)}")
    parts += [_short_gpu(gpu, len(sample.gpus)) for gpu in sample.gpus]
    if not sample.gpus:
        parts.append("GPU: no answer" if look.gpu_silent else "no GPU")
    for user in look.users:
        if user.on_gpu:
            size = memory_size(user.gpu_memory_bytes) if user.gpu_memory_bytes else "on the GPU"
            parts.append(f"{user.title} {size}")
    return clean("  ".join(parts))


def _short(name: str, used: int | None, total: int | None) -> str:
    return f"{name} {memory_size(used)} of {memory_size(total)}"


def _short_gpu(gpu: GpuSample, count: int) -> str:
    label = f"GPU {gpu.index}" if count > 1 and gpu.index is not None else "GPU"
    if gpu.problem:
        return f"{label} problem: {gpu.problem}"
    total = f" of {memory_size(gpu.memory_total_bytes)}" if gpu.memory_total_bytes else ""
    memory = None if gpu.memory_used_bytes is None else memory_size(gpu.memory_used_bytes) + total
    parts = (
        _number(gpu.percent, "%") or "busy unknown",
        memory,
        _number(gpu.temperature_c, "°C"),
        _number(gpu.power_w, "W"),
        ", ".join(gpu.throttle) or None,
    )
    return f"{label} " + " ".join(part for part in parts if part)
