"""AMD cards by what the kernel's amdgpu driver shows to everybody in /sys: no library, no rights.

A card that sleeps is not read, because reading wakes it. Not seen on a real card yet.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.hardware.amd_users import Use, users_of, uses
from runner.hardware.source import Asked, Reading
from runner.hardware.sysfs import Card, Figures, ReadText, cards, pci_name, read_text
from runner.model import GpuSample

VENDOR = 0x1002
ASLEEP = "the card sleeps; reading would wake it"
SHARED = "shared with the system"
#: walking over all processes costs more than the card's own figures
SELDOM_S = 20.0
#: where several sensors are named, the one that stands for the card first
_SENSORS = ("edge", "junction", "mem")
#: format of gpu_metrics (the kernel's kgd_pp_interface.h): 1 cards, 2 and 3 graphics inside a processor
_APU_FORMATS = (2, 3)


def read_head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


@dataclass(frozen=True, slots=True)
class Linux:
    """What is asked of the system, so that tests can answer in its place."""

    system: str = sys.platform
    root: Path = Path("/")
    read: ReadText = read_text
    uid: int = field(default_factory=os.getuid)
    clock: Callable[[], float] = time.monotonic


class AmdSource:
    """Asked from one thread only."""

    name = "amd"
    period_s = 2.0

    def __init__(self, linux: Linux | None = None) -> None:
        self._linux = linux or Linux()
        self._names: dict[str, str] = {}
        self._apu: dict[str, bool] = {}
        self._uses: Mapping[str, Mapping[int, Use]] | None = None
        self._before: Mapping[str, Mapping[int, Use]] | None = None
        self._at, self._passed_s = 0.0, 0.0

    def close(self) -> None:
        """Nothing is held."""

    def read(self, asked: Asked) -> Reading:
        if self._linux.system != "linux":
            return Reading(reason="AMD cards are read on Linux only", final=True)
        found = cards(self._linux.root, VENDOR, self._linux.read)
        if not found:
            return Reading(reason="no AMD card here", final=True)
        self._look_at_processes()
        return Reading(tuple(self._sample(card, i, asked) for i, card in enumerate(found)))

    def _look_at_processes(self) -> None:
        now = self._linux.clock()
        if self._uses is None or now - self._at >= SELDOM_S:
            self._before, self._passed_s, self._at = self._uses, now - self._at, now
            self._uses = uses(self._linux.root / "proc", self._linux.uid)

    def _sample(self, card: Card, index: int, asked: Asked) -> GpuSample:
        key, name = f"amd:{card.address}", self._name(card)
        if Figures(card.folder, self._linux.read).text("power/runtime_status") == "suspended":
            return GpuSample(key, "amdgpu", name, index, reasons=dict.fromkeys(_FIELDS, ASLEEP))
        if card.driver and card.driver != "amdgpu":
            why = f"its driver is {card.driver}, not amdgpu"
            return GpuSample(key, "amdgpu", name, index, reasons=dict.fromkeys(_FIELDS, why))
        return self._awake(card, key, index, asked)

    def _awake(self, card: Card, key: str, index: int, asked: Asked) -> GpuSample:
        figures = Figures(card.folder, self._linux.read)
        percent = figures.number("percent", "gpu_busy_percent")
        used, total = self._memory(card, figures)
        sensors, reasons = _sensors(_hwmon(card.folder), self._linux.read)
        found = (self._uses or {}).get(card.address, {})
        before = None if self._before is None else self._before.get(card.address, {})
        users = users_of(found, before, self._passed_s, asked.run_pids)
        ours = [user.memory_bytes or 0 for user in users if user.ours]
        reasons = {**reasons, **figures.reasons}
        run = sum(ours) if ours else None
        if run is None:
            why = "no process of the training is seen on it"
            reasons["memory_run_bytes"] = reasons["memory_others_bytes"] = why
        reasons["energy_j"] = "the driver does not tell"
        return GpuSample(
            key=key,
            source="amdgpu",
            name=self._name(card),
            index=index,
            percent=None if percent is None else min(100.0, max(0.0, float(percent))),
            memory_used_bytes=used,
            memory_total_bytes=total,
            memory_run_bytes=run,
            memory_others_bytes=_less(used, run),
            users=users,
            reasons=reasons,
            **sensors,
        )

    def _memory(self, card: Card, figures: Figures) -> tuple[int | None, int | None]:
        """The card's own. Graphics inside a processor have a small part of the RAM for themselves and take
        the rest from what everybody uses: both together, and told."""
        used = figures.number("memory_used_bytes", "mem_info_vram_used")
        total = figures.number("memory_total_bytes", "mem_info_vram_total")
        if card.address not in self._apu:
            self._apu[card.address] = _is_apu(card.folder)
        if not self._apu[card.address]:
            return used, total
        shared_used = figures.number("memory_used_bytes", "mem_info_gtt_used")
        shared = figures.number("memory_total_bytes", "mem_info_gtt_total")
        figures.reasons["memory"] = SHARED
        return _sum(used, shared_used), _sum(total, shared)

    def _name(self, card: Card) -> str:
        if card.address not in self._names:
            own = Figures(card.folder, self._linux.read).text("product_name")
            listed = pci_name(self._linux.root, VENDOR, card.device_id)
            name = own or (f"AMD {listed}" if listed else f"AMD GPU {card.device_id:#06x}")
            self._names[card.address] = name
        return self._names[card.address]


_FIELDS = (
    "percent", "memory_used_bytes", "memory_total_bytes", "memory_run_bytes", "temperature_c",
    "power_w", "power_limit_w", "clock_mhz", "memory_clock_mhz", "fan_percent", "energy_j",
)  # fmt: skip


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _less(used: int | None, run: int | None) -> int | None:
    return None if used is None or run is None else max(0, used - run)


def _is_apu(folder: Path) -> bool:
    """By the format of the driver's table of figures; where there is none it counts as a card."""
    try:
        return read_head(folder / "gpu_metrics")[2] in _APU_FORMATS
    except (OSError, IndexError):
        return False


def _hwmon(folder: Path) -> Path:
    """The card's sensors; a folder that does not exist where it has none."""
    try:
        return min((folder / "hwmon").iterdir())
    except (OSError, ValueError):
        return folder / "hwmon" / "none"


def _sensors(folder: Path, read: ReadText) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of GpuSample by its hwmon folder, and why some are not known."""
    figures = Figures(folder, read)
    labels = {figures.text(f"temp{n}_label"): n for n in (3, 2, 1)}
    sensor = next((labels[label] for label in _SENSORS if label in labels), 1)
    degrees = figures.number("temperature_c", f"temp{sensor}_input")
    power = figures.number("power_w", "power1_average", "power1_input")
    limit = figures.number("power_limit_w", "power1_cap")
    clock = figures.number("clock_mhz", "freq1_input")
    memory_clock = figures.number("memory_clock_mhz", "freq2_input")
    found: dict[str, Any] = {
        "temperature_c": _over(degrees, 1e3),
        "power_w": _over(power, 1e6),
        "power_limit_w": _over(limit or None, 1e6),
        "clock_mhz": _over(clock, 1e6),
        "memory_clock_mhz": _over(memory_clock, 1e6),
        "fan_percent": _fan(figures),
    }
    return found, figures.reasons


def _over(value: int | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _fan(figures: Figures) -> float | None:
    """By its speed where the fastest is known, else by what it is told to do (0 to 255)."""
    speed = figures.number("fan_percent", "fan1_input")
    fastest = figures.number("fan_percent", "fan1_max") if speed is not None else None
    if speed is None or not fastest:
        speed, fastest = figures.number("fan_percent", "pwm1"), 255
    return None if speed is None else min(100.0, speed / fastest * 100)
