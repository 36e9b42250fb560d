"""Hardware readings, as frozen types: part of `runner.model`, which re-exports them. No I/O. Units are in the
names; None is always "not measured".
"""

from __future__ import annotations

from dataclasses import field

from runner.model.lean import dataclass


def _left(total: int | None, used: int | None) -> int | None:
    return None if total is None or used is None else max(0, total - used)


@dataclass(frozen=True, slots=True)
class GpuUser:
    """A process on the GPU. `percent`: its share of the GPU's time, 100 is all of it; `ours`: it belongs to
    this run; `outside`: not a process of this machine (or container), so only its size is known."""

    pid: int | None
    name: str = ""
    memory_bytes: int | None = None
    percent: float | None = None
    ours: bool = False
    outside: bool = False
    since_at: float | None = None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of one device. `key`: stable across reboots if possible (UUID), `source`: nvml, nvidia-smi,
    ioreg, amdgpu ...; None: not measured, `reasons` says why by field. `memory_run_bytes`,
    `memory_others_bytes`: of the used memory, this run's and all others'. `throttle`: why it is slowed down,
    as text; `problem`: the card itself is failing."""

    key: str
    source: str
    name: str = ""
    index: int | None = None
    percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_run_bytes: int | None = None
    memory_others_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    fan_percent: float | None = None
    energy_j: float | None = None
    recoveries: int | None = None
    throttle: tuple[str, ...] = ()
    users: tuple[GpuUser, ...] = ()
    problem: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def memory_left_bytes(self) -> int | None:
        return _left(self.memory_total_bytes, self.memory_used_bytes)


@dataclass(frozen=True, slots=True)
class DiskFree:
    """Free space where the run writes. `what`: output, logs, cache or temp; several on one disk are one."""

    what: str
    path: str
    free_bytes: int | None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HardwareSample:
    """One reading of the machine. None: not measured; `reasons` says why, by field.

    `gpu_percent` and `gpu_memory_*` are those of the device that the run uses (else of the busiest). On Apple
    `pressure`: 1 normal, 2 warning, 4 critical; `swapped_out_bytes`: since boot. `tree_memory_bytes`: of all
    processes of the training, shared pages once. `ages_s`: seconds since a source last answered, by
    source."""

    at: float
    cpu_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    tree_cpu_percent: float | None = None
    tree_memory_bytes: int | None = None
    tree_processes: int | None = None
    disk_free_bytes: int | None = None
    gpu_percent: float | None = None
    gpu_memory_used_bytes: int | None = None
    gpu_memory_total_bytes: int | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    gpus: tuple[GpuSample, ...] = ()
    disks: tuple[DiskFree, ...] = ()
    pressure: int | None = None
    swapped_out_bytes: int | None = None
    footprint_bytes: int | None = None
    cpu_count: int | None = None
    load: float | None = None
    ages_s: dict[str, float] = field(default_factory=dict)

    @property
    def memory_left_bytes(self) -> int | None:
        return _left(self.memory_total_bytes, self.memory_used_bytes)


@dataclass(frozen=True, slots=True)
class HardwareUse:
    """Hardware use of this run so far, over all attempts; means and idle times only count training.
    `training_s`: measured seconds of training, `gpu_training_s`: of them, with GPU readings, `gpu_idle_s`:
    with the GPU below 5 percent; `memory_low_bytes`: the minimum left."""

    samples: int = 0
    training_s: float = 0.0
    gpu_util_max: float | None = None
    gpu_util_mean: float | None = None
    gpu_idle_s: float | None = None
    gpu_training_s: float = 0.0
    gpu_memory_max_bytes: int | None = None
    gpu_memory_run_max_bytes: int | None = None
    temperature_max_c: float | None = None
    power_mean_w: float | None = None
    energy_wh: float | None = None
    throttled_s: float = 0.0
    cpu_mean: float | None = None
    tree_cpu_mean: float | None = None
    tree_memory_max_bytes: int | None = None
    memory_low_bytes: int | None = None
    swap_grown_bytes: int | None = None
    gpu_name: str | None = None
    gpu_source: str | None = None
