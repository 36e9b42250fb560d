"""What of the readings goes to hardware.jsonl, and how often: numbers alone, below 100 MB a week. Pure."""

from __future__ import annotations

from dataclasses import replace

from runner.model import GpuSample, HardwareSample

#: a line with one GPU has about 350 bytes: every 2 s of half an hour, then 17,280 lines a day: 42 MB a week
DENSE_S = 1800.0
PERIOD_S = 2.0
LATER_PERIOD_S = 5.0


class Cadence:
    """When the next line is due."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._last_at = 0.0

    def due(self, at: float) -> bool:
        """Asked with each sample; True takes the turn."""
        if self._began_at is None:
            self._began_at = at
        period_s = PERIOD_S if at - self._began_at < DENSE_S else LATER_PERIOD_S
        if 0 <= at - self._last_at < period_s * 0.75:
            return False
        self._last_at = at
        return True


def lean(sample: HardwareSample) -> HardwareSample:
    """Without words, users and what never changes; rounded to what can be seen."""
    return replace(
        sample,
        at=round(sample.at, 1),
        cpu_percent=_rounded(sample.cpu_percent),
        tree_cpu_percent=_rounded(sample.tree_cpu_percent),
        load=None,
        cpu_count=None,
        reasons={},
        disks=(),
        ages_s={},
        gpus=tuple(map(_lean_gpu, sample.gpus)),
    )


def _lean_gpu(gpu: GpuSample) -> GpuSample:
    return GpuSample(
        key=gpu.key[-8:],
        source=gpu.source,
        percent=_rounded(gpu.percent),
        memory_used_bytes=gpu.memory_used_bytes,
        memory_run_bytes=gpu.memory_run_bytes,
        temperature_c=_rounded(gpu.temperature_c),
        power_w=_rounded(gpu.power_w),
        clock_mhz=_rounded(gpu.clock_mhz),
        throttle=gpu.throttle,
        problem=gpu.problem,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
