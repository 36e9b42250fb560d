"""What of the readings goes to hardware.jsonl, and how often: numbers alone, below 100 MB a week. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from runner.model import GpuSample, HardwareSample

#: (seconds since the start, seconds between lines): a line with two GPUs has about 600 bytes, a week 40 MB
TIERS = ((6 * 3600.0, 10.0), (1800.0, 5.0), (0.0, 2.0))


class Cadence:
    """When the next line is due."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._last_at = 0.0

    def due(self, at: float) -> bool:
        """Asked with each sample; True takes the turn."""
        if self._began_at is None:
            self._began_at = at
        lasted_s = at - self._began_at
        period_s = next((period for since, period in TIERS if lasted_s >= since), TIERS[-1][1])
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
        swap_total_bytes=None,
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


def known(value: Any) -> Any:
    """Plain values without what is not known or empty: a line of numbers."""
    if isinstance(value, dict):
        return {
            k: known(v) for k, v in value.items() if v is not None and v not in ({}, [], (), "")
        }
    if isinstance(value, list | tuple):
        return [known(one) for one in value]
    return value


def line_of(sample: HardwareSample) -> bytes:
    """A line for hardware.jsonl, without its end."""
    return msgspec.json.encode(known(msgspec.to_builtins(lean(sample))))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
