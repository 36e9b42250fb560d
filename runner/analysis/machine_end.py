"""What the machine looked like when a training ended: main memory, and the disk of the run folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.hardware.watch import PRESSURE_CRITICAL, starved
from runner.model import Alarm, AlarmKind, HardwareSample
from runner.model.units import duration, memory_size, pressure_word

#: readings this long before the end count
NEAR_S = 15.0
#: the end is noticed a moment late; later readings show memory already freed
LATE_S = 0.5
#: a write refused this long before the end is part of it
REFUSED_S = 120.0
#: a disk with less than this cannot take a log line
FULL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class MachineEnd:
    """One phrase each; None: not so, or unknown. `memory_short` and `memory_free`: proven by recorded
    readings. `disk_full`: of the run folder, whose console.log the trainer writes to."""

    memory_short: str | None = None
    memory_free: str | None = None
    disk_full: str | None = None


UNKNOWN_END = MachineEnd()


def memory_at_end(
    samples: Iterable[HardwareSample], alarms: Iterable[Alarm], ended_at: float
) -> tuple[str | None, str | None]:
    """(proof that it was short, proof that it was free); both None: unknown."""
    near = [s for s in samples if -NEAR_S <= s.at - ended_at <= LATE_S]
    short = next((s for s in reversed(near) if _is_short(s)), None)
    if short is not None:
        return _words(short, ended_at), None
    for alarm in alarms:
        stood = alarm.over_at is None or alarm.over_at >= ended_at - NEAR_S
        if alarm.kind is AlarmKind.MEMORY_LOW and stood and alarm.since_at <= ended_at:
            return alarm.text, None
    known = next((s for s in reversed(near) if s.memory_total_bytes), None)
    return None, _words(known, ended_at) if known is not None else None


def _is_short(sample: HardwareSample) -> bool:
    return starved(sample) or (sample.pressure or 0) >= PRESSURE_CRITICAL


def _words(sample: HardwareSample, ended_at: float) -> str:
    total, used = sample.memory_total_bytes or 0, sample.memory_used_bytes or 0
    left = f"{memory_size(max(0, total - used))} of {memory_size(total)} main memory free"
    pressed = sample.pressure is not None and sample.pressure >= PRESSURE_CRITICAL
    pressure = f", memory pressure {pressure_word(sample.pressure or 0)}" if pressed else ""
    return f"{left}{pressure} {duration(max(0.0, ended_at - sample.at))} before the end"


def disk_at_end(run: Path, refused_at: float | None, ended_at: float) -> str | None:
    """Evidence that the disk of the run folder was full; None: not full, as far as known. `refused_at`: when
    it last refused a write of ours."""
    if refused_at is not None and refused_at >= ended_at - REFUSED_S:
        return f"the disk of the run folder {run} was full when the training ended"
    try:
        free = shutil.disk_usage(run).free
    except OSError:
        return None
    if free < FULL_BYTES:
        return f"the disk of the run folder {run} is full ({free:,} bytes free)"
    return None
