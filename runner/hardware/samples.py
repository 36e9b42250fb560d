"""Derived from readings: the run's own GPU, means, a line of hardware.jsonl. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from runner.model import GpuSample, HardwareSample

#: hardware.jsonl stores the end of a key
KEY_END = 8
#: (seconds since the start, seconds between lines): a line with two GPUs has about 600 bytes, a week 40 MB,
#: and must stay below 100 MB
TIERS = ((6 * 3600.0, 10.0), (1800.0, 5.0), (0.0, 2.0))
#: left out of a line: texts, and constants
_LEFT_OUT = frozenset(("swap_total_bytes", "load", "cpu_count", "reasons", "disks", "ages_s"))
_GPU_KEPT = (
    "source", "percent", "memory_used_bytes", "memory_run_bytes", "temperature_c", "power_w",
    "clock_mhz", "throttle", "problem",
)  # fmt: skip
#: values that fluctuate, so that a mean is meaningful
_MEANS = (
    "cpu_percent", "memory_used_bytes", "tree_cpu_percent", "tree_memory_bytes", "gpu_percent",
    "gpu_memory_used_bytes", "load",
)  # fmt: skip
_GPU_MEANS = (
    "percent", "memory_used_bytes", "memory_others_bytes", "temperature_c", "power_w", "clock_mhz",
    "memory_clock_mhz",
)  # fmt: skip

# ----------------------------------------------------------------------------- the run's own GPU


def own_gpu(
    gpus: Sequence[GpuSample],
    device: str | None,
    earlier: Iterable[Sequence[GpuSample]] = (),
    *,
    steady: bool = False,
) -> GpuSample | None:
    """The one with this run's memory, now or in `earlier` readings (newest first); else the one with index
    `cuda:N`; else the busiest. `steady`: the first instead, for a panel that must not jump."""
    if (held := _holding(gpus)) is not None or not gpus:
        return held
    past = next((one for reading in earlier if (one := _holding(reading)) is not None), None)
    found = [gpu for gpu in gpus if past is not None and same_device(gpu.key, past.key)]
    number = (device or "").partition(":")[2]
    found += [gpu for gpu in gpus if number and str(gpu.index) == number]
    if found or steady:
        return (found or gpus)[0]
    return max(gpus, key=lambda gpu: gpu.percent if gpu.percent is not None else -1.0)


def _holding(gpus: Sequence[GpuSample]) -> GpuSample | None:
    """The device with most of this run's memory, else one that this run uses."""
    holding = [gpu for gpu in gpus if gpu.memory_run_bytes]
    if holding:
        return max(holding, key=lambda gpu: gpu.memory_run_bytes or 0)
    return next((gpu for gpu in gpus if any(user.ours for user in gpu.users)), None)


def same_device(a: str, b: str) -> bool:
    """Are these two keys of one device, even if one is from hardware.jsonl?"""
    return a == b or (bool(a) and a[-KEY_END:] == b[-KEY_END:])


def with_own_gpu(sample: HardwareSample, device: str | None) -> HardwareSample:
    """The plain GPU fields, of the device that the run uses."""
    own, reasons = own_gpu(sample.gpus, device), dict(sample.reasons)
    if own is None:
        reasons.setdefault("gpu", "no GPU found")
        return replace(sample, reasons=reasons)
    if own.percent is None:
        reasons["gpu"] = own.reasons.get("percent", own.problem or "not measured")
    return replace(
        sample,
        gpu_percent=own.percent,
        gpu_memory_used_bytes=own.memory_used_bytes,
        gpu_memory_total_bytes=own.memory_total_bytes,
        reasons=reasons,
    )


# ----------------------------------------------------------------------------- several as one


def mean_of(samples: Sequence[HardwareSample]) -> HardwareSample | None:
    """The newest reading, with means for CPU, memory and GPU; None without readings. Counters and free space
    are the newest; a reason for slowness counts if it is in half of the readings."""
    if not samples:
        return None
    last = samples[-1]
    gpus = tuple(_mean_gpu(samples, gpu) for gpu in last.gpus)
    return replace(last, gpus=gpus, **_means(samples, _MEANS))


def _mean_gpu(samples: Sequence[HardwareSample], last: GpuSample) -> GpuSample:
    found = [gpu for sample in samples for gpu in sample.gpus if gpu.key == last.key]
    words = dict.fromkeys(word for gpu in found for word in gpu.throttle)
    often = tuple(w for w in words if sum(w in gpu.throttle for gpu in found) * 2 >= len(found))
    return replace(last, throttle=often, **_means(found, _GPU_MEANS))


def _means(items: Sequence[object], fields: Iterable[str]) -> dict[str, Any]:
    """By field; bytes are integers."""
    found: dict[str, Any] = {}
    for field in fields:
        values = [value for item in items if (value := getattr(item, field)) is not None]
        mean = sum(values) / len(values) if values else None
        found[field] = mean if mean is None or not field.endswith("_bytes") else round(mean)
    return found


# ----------------------------------------------------------------------------- hardware.jsonl


class Cadence:
    """When the next line is due."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._last_at = 0.0

    def due(self, at: float) -> bool:
        """Called with each sample; True: write now."""
        if self._began_at is None:
            self._began_at = at
        lasted_s = at - self._began_at
        period_s = next((period for since, period in TIERS if lasted_s >= since), TIERS[-1][1])
        if 0 <= at - self._last_at < period_s * 0.75:
            return False
        self._last_at = at
        return True


def line_of(sample: HardwareSample) -> bytes:
    """A line for hardware.jsonl, without its end: known numbers, rounded to visible precision."""
    line = {k: v for k, v in msgspec.to_builtins(sample).items() if k not in _LEFT_OUT}
    line["gpus"] = [
        {"key": gpu["key"][-KEY_END:]} | {name: gpu[name] for name in _GPU_KEPT}
        for gpu in line["gpus"]
    ]
    return msgspec.json.encode(_known(line))


def _known(value: Any) -> Any:
    """Without unknown or empty values."""
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items() if v not in (None, {}, [], (), "")}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return round(value, 1) if isinstance(value, float) else value
