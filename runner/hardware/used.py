"""Was the machine used? Sums over the time of training, sample by sample. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from runner.hardware.samples import own_gpu
from runner.model import GpuSample, HardwareSample, HardwareUse

#: a GPU below this does nothing
IDLE_PERCENT = 5.0
#: a gap between two samples that is longer was not watched
LONGEST_GAP_S = 15.0


class UseMeter:
    """`before`: what a predecessor or an earlier attempt has summed up."""

    def __init__(self, before: HardwareUse | None = None) -> None:
        self.use = before or HardwareUse()
        self._last_at: float | None = None
        self._energy_j: float | None = None
        self._swap_bytes: int | None = None

    def add(self, sample: HardwareSample, *, training: bool, device: str | None) -> None:
        """`training`: the time since the sample before went into steps. `device`: as the trainer named it."""
        gap_s = 0.0
        if self._last_at is not None and 0 < sample.at - self._last_at <= LONGEST_GAP_S:
            gap_s = sample.at - self._last_at
        self._last_at = sample.at
        self.use = replace(self.use, samples=self.use.samples + 1)
        self._peaks(sample)
        self._gpu(sample, gap_s if training else 0.0, gap_s, device)
        if training:
            self._host(sample, gap_s)

    def _peaks(self, sample: HardwareSample) -> None:
        use, swap = self.use, sample.swap_used_bytes
        if self._swap_bytes is None:
            self._swap_bytes = swap
        grown = None if swap is None else max(0, swap - (self._swap_bytes or 0))
        self.use = replace(
            use,
            tree_memory_max_bytes=_most(use.tree_memory_max_bytes, sample.tree_memory_bytes),
            memory_low_bytes=min(
                _known(use.memory_low_bytes, sample.memory_left_bytes), default=None
            ),
            swap_grown_bytes=_most(use.swap_grown_bytes, grown),
            gpu_memory_max_bytes=_most(use.gpu_memory_max_bytes, sample.gpu_memory_used_bytes),
        )

    def _gpu(
        self, sample: HardwareSample, training_s: float, gap_s: float, device: str | None
    ) -> None:
        gpu, use = own_gpu(sample.gpus, device), self.use
        if gpu is None or (device is not None and device.startswith("cpu")):
            return
        use = replace(
            use,
            gpu_name=gpu.name or use.gpu_name,
            gpu_source=gpu.source,
            gpu_memory_run_max_bytes=_most(use.gpu_memory_run_max_bytes, gpu.memory_run_bytes),
            temperature_max_c=_most(use.temperature_max_c, gpu.temperature_c),
            energy_wh=self._energy(gpu.energy_j, gpu.power_w, gap_s),
            throttled_s=use.throttled_s + (training_s if _slowed(gpu) else 0.0),
        )
        if gpu.percent is not None:
            use = replace(use, gpu_util_max=_most(use.gpu_util_max, gpu.percent))
            if training_s:
                idle_s = training_s if gpu.percent < IDLE_PERCENT else 0.0
                whole_s = use.gpu_training_s
                use = replace(
                    use,
                    gpu_util_mean=_mean(use.gpu_util_mean, whole_s, gpu.percent, training_s),
                    gpu_idle_s=(use.gpu_idle_s or 0.0) + idle_s,
                    gpu_training_s=whole_s + training_s,
                )
        mean_w = _mean(use.power_mean_w, use.training_s, gpu.power_w, training_s)
        self.use = replace(use, power_mean_w=mean_w)

    def _energy(self, counter_j: float | None, power_w: float | None, gap_s: float) -> float | None:
        """By the card's own counter where it has one, else by power times time."""
        before, self._energy_j = self._energy_j, counter_j
        grown_j: float | None = None
        if counter_j is not None and before is not None and counter_j >= before:
            grown_j = counter_j - before
        elif counter_j is None and power_w is not None:
            grown_j = power_w * gap_s
        if grown_j is None:
            return self.use.energy_wh
        return (self.use.energy_wh or 0.0) + grown_j / 3600

    def _host(self, sample: HardwareSample, gap_s: float) -> None:
        use = self.use
        self.use = replace(
            use,
            training_s=use.training_s + gap_s,
            cpu_mean=_mean(use.cpu_mean, use.training_s, sample.cpu_percent, gap_s),
            tree_cpu_mean=_mean(use.tree_cpu_mean, use.training_s, sample.tree_cpu_percent, gap_s),
        )


def _mean(mean: float | None, seconds: float, value: float | None, more_s: float) -> float | None:
    """Weighted by time."""
    if value is None or more_s <= 0:
        return mean
    if mean is None or seconds <= 0:
        return value
    return (mean * seconds + value * more_s) / (seconds + more_s)


def _slowed(gpu: GpuSample) -> bool:
    """A power cap is where a card under full load usually stands: no news."""
    return any(word != "power cap" for word in gpu.throttle)


Number = TypeVar("Number", int, float)


def _most(*values: Number | None) -> Number | None:
    return max(_known(*values), default=None)


def _known(*values: Number | None) -> list[Number]:
    return [value for value in values if value is not None]
