"""AMD cards, from what the kernel's amdgpu driver exposes in /sys: no library, no special rights.

Small files, each read separately, each failure with a reason. A sleeping card is not read: reading wakes it.
Not tested on a real card yet.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.hardware.amd_users import Uses, users_of, uses
from runner.hardware.source import Asked, Reading
from runner.model import GpuSample

VENDOR = 0x1002
ASLEEP = "the card is asleep; reading would wake it"
SHARED = "shared with the system"
NO_RUN = "no process of the training found on it"
#: scanning all processes costs more than reading the card
SELDOM_S = 20.0
#: of several temperatures, the main one first
_LABELS = ("edge", "junction", "mem")
#: numbers of the card's sensors (hwmon): the unit divided by, files, newer names last
_SENSORS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "power_w": (1e6, ("power1_average", "power1_input")),
    "power_limit_w": (1e6, ("power1_cap",)),
    "clock_mhz": (1e6, ("freq1_input",)),
    "memory_clock_mhz": (1e6, ("freq2_input",)),
}
_FIELDS = (
    "percent", "memory_used_bytes", "memory_total_bytes", "memory_run_bytes", "temperature_c",
    "fan_percent", "energy_j", *_SENSORS,
)  # fmt: skip
#: format of gpu_metrics (the kernel's kgd_pp_interface.h): 1 cards, 2 and 3 integrated graphics
_APU_FORMATS = (2, 3)
_WORDS = {
    errno.ENOENT: "not reported by the driver",
    errno.ENODEV: "not reported by the driver",
    errno.EOPNOTSUPP: "not reported by the driver",
    errno.ENODATA: "no value from the driver now",
    errno.EBUSY: "the driver is busy",
    errno.EINVAL: "refused by the driver",
    errno.EACCES: "not allowed to read it",
    errno.EPERM: "not allowed to read it",
}
_CARD = re.compile(r"card\d+")
_PCI_IDS = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")

#: raises OSError and UnicodeDecodeError
ReadText = Callable[[Path], str]


def read_text(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip()


@dataclass(frozen=True, slots=True)
class Linux:
    """System calls, replaceable in tests."""

    system: str = sys.platform
    root: Path = Path("/")
    read: ReadText = read_text
    uid: int = field(default_factory=os.getuid)
    clock: Callable[[], float] = time.monotonic


class AmdSource:
    """Used from one thread only."""

    name = "amd"
    period_s = 2.0

    def __init__(self, linux: Linux | None = None) -> None:
        self._linux = linux or Linux()
        self._names: dict[Path, str] = {}
        #: process usage of cards, now and `_passed_s` earlier
        self._uses: Uses | None = None
        self._before: Uses | None = None
        self._at, self._passed_s = 0.0, 0.0

    def close(self) -> None:
        """Nothing to close."""

    def read(self, asked: Asked) -> Reading:
        if self._linux.system != "linux":
            return Reading(reason="AMD cards are only supported on Linux", final=True)
        found = self._listed()
        if not found:
            return Reading(reason="no AMD card here", final=True)
        now = self._linux.clock()
        if self._uses is None or now - self._at >= SELDOM_S:
            self._before, self._passed_s, self._at = self._uses, now - self._at, now
            self._uses = uses(self._linux.root / "proc", self._linux.uid)
        return Reading(tuple(self._sample(card, i, asked) for i, card in enumerate(found)))

    def _listed(self) -> list[Path]:
        """The cards' folders in /sys, each named by its address (`0000:03:00.0`), in their order. Reads
        nothing that would wake a card."""
        links = (self._linux.root / "sys/class/drm").glob("card*")
        found = {
            (link / "device").resolve()
            for link in links
            if _CARD.fullmatch(link.name)  # no card0-DP-1
            and _hex(Figures(link / "device", self._linux.read).text("vendor")) == VENDOR
        }
        return sorted(found, key=lambda folder: folder.name)

    def _name(self, figures: Figures) -> str:
        """Determined once: it never changes."""
        if figures.folder not in self._names:
            device_id = _hex(figures.text("device")) or 0
            listed = pci_name(self._linux.root, VENDOR, device_id)
            named = f"AMD {listed}" if listed else f"AMD GPU {device_id:#06x}"
            self._names[figures.folder] = figures.text("product_name") or named
        return self._names[figures.folder]

    def _sample(self, card: Path, index: int, asked: Asked) -> GpuSample:
        figures, why = Figures(card, self._linux.read), ""
        driver = (card / "driver").resolve().name
        if figures.text("power/runtime_status") == "suspended":
            why = ASLEEP
        elif (card / "driver").exists() and driver != "amdgpu":
            why = f"its driver is {driver}, not amdgpu"
        values: dict[str, Any] = {"reasons": dict.fromkeys(_FIELDS, why)}
        if not why:
            values = {**self._values(card, figures, asked), "reasons": figures.reasons}
        return GpuSample(f"amd:{card.name}", "amdgpu", self._name(figures), index, **values)

    def _values(self, card: Path, figures: Figures, asked: Asked) -> dict[str, Any]:
        percent = figures.number("percent", "gpu_busy_percent")
        used, total = _memory(figures)
        found = (self._uses or {}).get(card.name, {})
        before = None if self._before is None else self._before.get(card.name, {})
        users = users_of(found, before, self._passed_s, asked.run_pids)
        ours = [user.memory_bytes or 0 for user in users if user.ours]
        run = sum(ours) if ours else None
        if run is None:
            figures.reasons["memory_run_bytes"] = figures.reasons["memory_others_bytes"] = NO_RUN
        figures.reasons["energy_j"] = "not reported by the driver"
        return {
            "percent": None if percent is None else min(100.0, max(0.0, float(percent))),
            "memory_used_bytes": used,
            "memory_total_bytes": total,
            "memory_run_bytes": run,
            "memory_others_bytes": None if used is None or run is None else max(0, used - run),
            "users": users,
            **_sensors(Figures(_hwmon(card), self._linux.read, figures.reasons)),
        }


class Figures:
    """Numbers of one folder; unreadable ones are None, with the reason in `reasons` by field name."""

    def __init__(self, folder: Path, read: ReadText, reasons: dict[str, str] | None = None) -> None:
        self.folder, self._read = folder, read
        self.reasons = {} if reasons is None else reasons

    def number(self, field: str, *names: str) -> int | None:
        """The first file in `names` with a number."""
        why = _WORDS[errno.ENOENT]
        for name in names:
            try:
                value = int(self._read(self.folder / name))
            except OSError as error:
                if error.errno != errno.ENOENT:
                    why = _WORDS.get(error.errno or 0, f"not measured: {error.strerror}")
            except ValueError:
                why = "the driver's value is not a number"
            else:
                self.reasons.pop(field, None)
                return value
        self.reasons[field] = why
        return None

    def text(self, name: str) -> str:
        """ "" if unreadable."""
        try:
            return self._read(self.folder / name)
        except (OSError, ValueError):
            return ""


def _memory(figures: Figures) -> tuple[int | None, int | None]:
    """The card's own, used and total. Integrated graphics have a small part of the RAM reserved and share the
    rest: both together, with a note."""
    kinds = ["vram"]
    if _is_apu(figures.folder):
        kinds, figures.reasons["memory"] = ["vram", "gtt"], SHARED

    def together(part: str) -> int | None:
        sizes = [figures.number(f"memory_{part}_bytes", f"mem_info_{k}_{part}") for k in kinds]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(kinds) else None

    return together("used"), together("total")


def _sensors(figures: Figures) -> dict[str, float | None]:
    """Fields of GpuSample by the card's hwmon folder."""
    labels = {figures.text(f"temp{n}_label"): n for n in (3, 2, 1)}
    sensor = next((labels[label] for label in _LABELS if label in labels), 1)
    values: dict[str, float | None] = {"fan_percent": _fan(figures)}
    files = {**_SENSORS, "temperature_c": (1e3, (f"temp{sensor}_input",))}
    for name, (unit, names) in files.items():
        number = figures.number(name, *names)
        values[name] = None if number is None else number / unit
    values["power_limit_w"] = values["power_limit_w"] or None  # 0: there is none
    return values


def _fan(figures: Figures) -> float | None:
    """By its speed if the maximum is known, else by its setting (0 to 255)."""
    speed = figures.number("fan_percent", "fan1_input")
    fastest = figures.number("fan_percent", "fan1_max") if speed is not None else None
    if speed is None or not fastest:
        speed, fastest = figures.number("fan_percent", "pwm1"), 255
    return None if speed is None else min(100.0, speed / fastest * 100)


def _hwmon(folder: Path) -> Path:
    """The card's sensors; a nonexistent folder if it has none."""
    try:
        return min((folder / "hwmon").iterdir())
    except (OSError, ValueError):
        return folder / "hwmon" / "none"


@lru_cache
def _is_apu(folder: Path) -> bool:
    """By the format of the driver's metrics table, which is read once and wakes the card; without one it
    counts as a card."""
    try:
        with (folder / "gpu_metrics").open("rb") as stream:
            return stream.read(4)[2] in _APU_FORMATS
    except (OSError, IndexError):
        return False


def pci_name(root: Path, vendor: int, device: int) -> str | None:
    """Its name in the machine's list of PCI devices; None: no list, or not listed."""
    for name in _PCI_IDS:
        with (
            contextlib.suppress(OSError),
            (root / name).open(encoding="utf-8", errors="replace") as stream,
        ):
            inside = False
            for line in stream:
                if inside and line.startswith(f"\t{device:04x}  "):
                    return line[7:].strip()
                if line[0] not in "\t#\n":
                    inside = line.startswith(f"{vendor:04x}  ")
    return None


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
