"""Usage of the machine, summed over the training time, sample by sample. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from runner.hardware.samples import own_gpu
from runner.model import GpuSample, HardwareSample, HardwareUse

#: a GPU below this is idle
IDLE_PERCENT = 5.0
#: a longer gap between two samples was not monitored
LONGEST_GAP_S = 15.0


class UseMeter:
    """`before`: sums of a previous supervisor or attempt."""

    def __init__(self, before: HardwareUse | None = None) -> None:
        self.use = before or HardwareUse()
        self._last_at: float | None = None
        self._energy_j: float | None = None
        self._swap_bytes: int | None = None

    def add(self, sample: HardwareSample, *, training: bool, device: str | None) -> None:
        """`training`: the time since the sample before went into steps. `device`: as the trainer named it."""
        gap_s, before_at, self._last_at = 0.0, self._last_at, sample.at
        if before_at is not None and 0 < sample.at - before_at <= LONGEST_GAP_S:
            gap_s = sample.at - before_at
        training_s = gap_s if training else 0.0
        gpu = None if (device or "").startswith("cpu") else own_gpu(sample.gpus, device)
        found = self._peaks(sample)
        if gpu is not None:
            found |= self._gpu(gpu, training_s, gap_s)
        if training_s:
            found |= self._host(sample, training_s)
        self.use = replace(self.use, samples=self.use.samples + 1, **found)

    def _peaks(self, sample: HardwareSample) -> dict[str, Any]:
        use, swap = self.use, sample.swap_used_bytes
        if self._swap_bytes is None:
            self._swap_bytes = swap
        grown = None if swap is None else max(0, swap - (self._swap_bytes or 0))
        left = _known(use.memory_low_bytes, sample.memory_left_bytes)
        return {
            "tree_memory_max_bytes": _most(use.tree_memory_max_bytes, sample.tree_memory_bytes),
            "memory_low_bytes": min(left, default=None),
            "swap_grown_bytes": _most(use.swap_grown_bytes, grown),
            "gpu_memory_max_bytes": _most(use.gpu_memory_max_bytes, sample.gpu_memory_used_bytes),
        }

    def _gpu(self, gpu: GpuSample, training_s: float, gap_s: float) -> dict[str, Any]:
        use, percent = self.use, gpu.percent
        # a card under full load usually hits its power cap: not worth reporting
        slowed = any(word != "power cap" for word in gpu.throttle)
        idle = percent is not None and percent < IDLE_PERCENT
        watched_s = training_s if percent is not None else 0.0
        return {
            "gpu_name": gpu.name or use.gpu_name,
            "gpu_source": gpu.source,
            "gpu_memory_run_max_bytes": _most(use.gpu_memory_run_max_bytes, gpu.memory_run_bytes),
            "temperature_max_c": _most(use.temperature_max_c, gpu.temperature_c),
            "energy_wh": self._energy(gpu.energy_j, gpu.power_w, gap_s),
            "throttled_s": use.throttled_s + (training_s if slowed else 0.0),
            "gpu_util_max": _most(use.gpu_util_max, percent),
            "gpu_util_mean": _mean(use.gpu_util_mean, use.gpu_training_s, percent, training_s),
            "gpu_idle_s": (use.gpu_idle_s or 0.0) + idle * watched_s
            if watched_s
            else use.gpu_idle_s,
            "gpu_training_s": use.gpu_training_s + watched_s,
            "power_mean_w": _mean(use.power_mean_w, use.training_s, gpu.power_w, training_s),
        }

    def _energy(self, counter_j: float | None, power_w: float | None, gap_s: float) -> float | None:
        """From the card's own counter if it has one, else power times time."""
        before, self._energy_j = self._energy_j, counter_j
        grown_j: float | None = None
        if counter_j is not None and before is not None and counter_j >= before:
            grown_j = counter_j - before
        elif counter_j is None and power_w is not None:
            grown_j = power_w * gap_s
        if grown_j is None:
            return self.use.energy_wh
        return (self.use.energy_wh or 0.0) + grown_j / 3600

    def _host(self, sample: HardwareSample, training_s: float) -> dict[str, Any]:
        use, tree = self.use, sample.tree_cpu_percent
        return {
            "training_s": use.training_s + training_s,
            "cpu_mean": _mean(use.cpu_mean, use.training_s, sample.cpu_percent, training_s),
            "tree_cpu_mean": _mean(use.tree_cpu_mean, use.training_s, tree, training_s),
        }


def _mean(mean: float | None, seconds: float, value: float | None, more_s: float) -> float | None:
    """Weighted by time."""
    if value is None or more_s <= 0:
        return mean
    if mean is None or seconds <= 0:
        return value
    return (mean * seconds + value * more_s) / (seconds + more_s)


Number = TypeVar("Number", int, float)


def _most(*values: Number | None) -> Number | None:
    return max(_known(*values), default=None)


def _known(*values: Number | None) -> list[Number]:
    return [value for value in values if value is not None]
