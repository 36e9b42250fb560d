"""The gauges: what the machine does, and why a value is missing where one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.model import HardwareSample
from runner.units import ago, duration, file_size, memory_size, percent
from tui.text import clean

#: samples come every 2 s; older ones are not what the machine does now
STALE_S = 10.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """`fraction`: of the whole, None where there is no whole or no value. `history`: means of
    its last minutes, oldest first. `value` is a word such as `not measured` if there is no number."""

    label: str
    fraction: float | None
    value: str
    note: str = ""
    history: tuple[float | None, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class GaugeBoard:
    """`history`: the time that the gauges' histories span; empty while it is short."""

    gauges: tuple[Gauge, ...]
    age: str
    stale: bool
    history: str


#: a history holds means over so many seconds: it moves on seldom, and reaches back far
BIN_S = 8.0
BINS = 90


def gauge_board(samples: Sequence[HardwareSample], now: float, live: bool) -> GaugeBoard:
    """The newest sample as gauges. Of a run that is over the last sample is history, and says so."""
    if not samples:
        return GaugeBoard((), "no sample yet" if live else "none recorded", False, "")
    last = samples[-1]
    age_s = now - last.at
    stale = live and age_s > STALE_S
    age = "" if live and not stale else f"{ago(age_s)} ago" if live else "at the end of the run"
    rows = [
        *_gpus(last, samples),
        _cpu(last, samples),
        _memory(last, samples),
        _swap(last),
        _tree(last),
        _disk(last),
    ]
    span_s = min(last.at - samples[0].at, BINS * BIN_S)
    span_s = span_s // 60 * 60 or span_s // 30 * 30
    return GaugeBoard(tuple(rows), age, stale, _span(span_s))


def _span(seconds: float) -> str:
    """How long a history is, as in `the last ...`; empty while it is too short to show."""
    if seconds <= 0:
        return ""
    return "minute" if seconds == 60 else duration(seconds)


def _history(
    samples: Sequence[HardwareSample], share: Callable[[HardwareSample], float | None]
) -> tuple[float | None, ...]:
    """Means over whole bins of the clock, oldest first; a bin without a value is None. The bin that
    is still filling is left out, so that a history changes once a bin."""
    newest = int(samples[-1].at // BIN_S)
    sums: dict[int, tuple[float, int]] = {}
    for sample in samples:
        value, at = share(sample), int(sample.at // BIN_S)
        if value is not None and newest - BINS <= at < newest:
            total, number = sums.get(at, (0.0, 0))
            sums[at] = (total + value, number + 1)
    if not sums:
        return ()
    means = {at: total / number for at, (total, number) in sums.items()}
    return tuple(means.get(at) for at in range(min(means), newest))


def _gpus(last: HardwareSample, samples: Sequence[HardwareSample]) -> tuple[Gauge, ...]:
    """Load and memory; where neither is measured, one row says so."""
    if last.gpu_percent is None and last.gpu_memory_used_bytes is None:
        return (_missing("GPU", last, "gpu_percent"),)
    return (_gpu(last, samples), _gpu_memory(last, samples))


def _gpu(last: HardwareSample, samples: Sequence[HardwareSample]) -> Gauge:
    if last.gpu_percent is None:
        return _missing("GPU", last, "gpu_percent")
    history = _history(samples, lambda s: _share(s.gpu_percent))
    peak = max((s.gpu_percent for s in samples if s.gpu_percent is not None), default=0.0)
    return Gauge(
        "GPU",
        _share(last.gpu_percent),
        percent(last.gpu_percent / 100),
        f"peak {peak:.0f}",
        history,
    )


def _gpu_memory(last: HardwareSample, samples: Sequence[HardwareSample]) -> Gauge:
    used, total = last.gpu_memory_used_bytes, last.gpu_memory_total_bytes
    if used is None:
        return _missing("GPU mem", last, "gpu_memory_used_bytes")
    history = _history(samples, lambda s: _part(s.gpu_memory_used_bytes, s.gpu_memory_total_bytes))
    return Gauge("GPU mem", _part(used, total), memory_size(used), _of(total), history)


def _cpu(last: HardwareSample, samples: Sequence[HardwareSample]) -> Gauge:
    if last.cpu_percent is None:
        return _missing("CPU", last, "cpu_percent")
    history = _history(samples, lambda s: _share(s.cpu_percent))
    return Gauge("CPU", _share(last.cpu_percent), percent(last.cpu_percent / 100), "", history)


def _memory(last: HardwareSample, samples: Sequence[HardwareSample]) -> Gauge:
    used, total = last.memory_used_bytes, last.memory_total_bytes
    if used is None:
        return _missing("memory", last, "memory_used_bytes")
    history = _history(samples, lambda s: _part(s.memory_used_bytes, s.memory_total_bytes))
    return Gauge("memory", _part(used, total), memory_size(used), _of(total), history)


def _swap(last: HardwareSample) -> Gauge:
    used, total = last.swap_used_bytes, last.swap_total_bytes
    if used is None:
        return _missing("swap", last, "swap_used_bytes")
    if total == 0:
        return Gauge("swap", None, "none")
    return Gauge("swap", _part(used, total), memory_size(used), _of(total))


def _tree(last: HardwareSample) -> Gauge:
    """The trainer with its launcher and workers; memory as a share of the machine's."""
    if last.tree_memory_bytes is None:
        return _missing("trainer", last, "tree_memory_bytes")
    notes = []
    if last.tree_cpu_percent is not None:
        notes.append(f"CPU {last.tree_cpu_percent:.0f} %")
    if last.tree_processes is not None:
        notes.append(f"{last.tree_processes} proc")
    fraction = _part(last.tree_memory_bytes, last.memory_total_bytes)
    return Gauge("trainer", fraction, memory_size(last.tree_memory_bytes), ", ".join(notes))


def _disk(last: HardwareSample) -> Gauge:
    if last.disk_free_bytes is None:
        return _missing("disk", last, "disk_free_bytes")
    return Gauge("disk", None, file_size(last.disk_free_bytes), "free")


def _missing(label: str, last: HardwareSample, field: str) -> Gauge:
    reason = clean(last.reasons.get(field) or last.reasons.get(field.split("_")[0]) or "", 120)
    return Gauge(label, None, "not measured", reason, (), known=False)


def _share(value: float | None) -> float | None:
    return None if value is None else max(0.0, min(1.0, value / 100))


def _part(used: int | None, total: int | None) -> float | None:
    if used is None or not total:
        return None
    return max(0.0, min(1.0, used / total))


def _of(total: int | None) -> str:
    return f"of {memory_size(total).replace('.0 ', ' ')}" if total else ""
