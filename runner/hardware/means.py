"""Several readings as one: the mean of what goes up and down. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from runner.model import GpuSample, HardwareSample

T = TypeVar("T")


def mean_of(samples: Sequence[HardwareSample]) -> HardwareSample | None:
    """The newest reading, with means in place of what it measures of CPU, memory and GPU; None for none.

    Counters and free space stay those of the newest; a reason for slowness in half of the readings counts."""
    if not samples:
        return None
    last = samples[-1]
    return replace(
        last,
        cpu_percent=_mean(samples, lambda s: s.cpu_percent),
        memory_used_bytes=_whole(samples, lambda s: s.memory_used_bytes),
        tree_cpu_percent=_mean(samples, lambda s: s.tree_cpu_percent),
        tree_memory_bytes=_whole(samples, lambda s: s.tree_memory_bytes),
        gpu_percent=_mean(samples, lambda s: s.gpu_percent),
        gpu_memory_used_bytes=_whole(samples, lambda s: s.gpu_memory_used_bytes),
        load=_mean(samples, lambda s: s.load),
        gpus=tuple(_gpu(samples, gpu) for gpu in last.gpus),
    )


def _gpu(samples: Sequence[HardwareSample], last: GpuSample) -> GpuSample:
    found = [gpu for sample in samples for gpu in sample.gpus if gpu.key == last.key]
    words = dict.fromkeys(word for gpu in found for word in gpu.throttle)
    often = tuple(w for w in words if sum(w in gpu.throttle for gpu in found) * 2 >= len(found))
    return replace(
        last,
        percent=_mean(found, lambda g: g.percent),
        memory_used_bytes=_whole(found, lambda g: g.memory_used_bytes),
        memory_others_bytes=_whole(found, lambda g: g.memory_others_bytes),
        temperature_c=_mean(found, lambda g: g.temperature_c),
        power_w=_mean(found, lambda g: g.power_w),
        clock_mhz=_mean(found, lambda g: g.clock_mhz),
        memory_clock_mhz=_mean(found, lambda g: g.memory_clock_mhz),
        throttle=often,
    )


def _mean(items: Sequence[T], of: Callable[[T], float | int | None]) -> float | None:
    values = [value for item in items if (value := of(item)) is not None]
    return sum(values) / len(values) if values else None


def _whole(items: Sequence[T], of: Callable[[T], int | None]) -> int | None:
    value = _mean(items, of)
    return None if value is None else round(value)
