"""Intel graphics: the name, and what `xpu-smi` tells where it is installed.

The kernel's two drivers (i915, xe) show next to nothing that is the same on both, so that is not guessed at.
Not seen on a real card yet.
"""

from __future__ import annotations

import csv
import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.hardware.asking import Ask, Unanswered, ask
from runner.hardware.source import Asked, Reading
from runner.hardware.sysfs import Card, ReadText, cards, pci_name, read_text
from runner.model import GpuSample

VENDOR = 0x8086
DRIVERS = ("i915", "xe")
#: it takes the better part of a second of a process
EVERY_S = 10.0
TRIES = 3
_TIMEOUT_S = 5.0
_ABSENT = "needs xpu-smi, which is not in PATH"
#: by Intel's numbers: utilisation, power, frequency, core temperature, memory used
_METRICS = "0,1,2,3,18"
#: column of the answer -> field and factor
_COLUMNS = {
    "GPU Utilization (%)": ("percent", 1.0),
    "GPU Power (W)": ("power_w", 1.0),
    "GPU Frequency (MHz)": ("clock_mhz", 1.0),
    "GPU Core Temperature": ("temperature_c", 1.0),
    "GPU Memory Used (MiB)": ("memory_used_bytes", float(1 << 20)),
}
_FIELDS = tuple(field for field, _ in _COLUMNS.values())


@dataclass(frozen=True, slots=True)
class Linux:
    """What is asked of the system, so that tests can answer in its place."""

    system: str = sys.platform
    root: Path = Path("/")
    read: ReadText = read_text
    ask: Ask = ask
    find: Callable[[str], str | None] = shutil.which
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Told:
    """The last answer about one card."""

    at: float
    figures: dict[str, float]
    reason: str | None = None
    failed: int = 0


class IntelSource:
    """Asked from one thread only."""

    name = "intel"
    period_s = EVERY_S

    def __init__(self, linux: Linux | None = None) -> None:
        self._linux = linux or Linux()
        self._names: dict[str, str] = {}
        self._told: dict[str, _Told] = {}

    def close(self) -> None:
        """Nothing is held."""

    def read(self, asked: Asked) -> Reading:
        if self._linux.system != "linux":
            return Reading(reason="Intel graphics are read on Linux only", final=True)
        found = cards(self._linux.root, VENDOR, self._linux.read)
        gpus = tuple(self._sample(card) for card in found if card.driver in DRIVERS)
        if not gpus:
            return Reading(reason="no Intel graphics here", final=True)
        return Reading(gpus)

    def _sample(self, card: Card) -> GpuSample:
        told = self._figures(card)
        figures = told.figures
        why = told.reason or "xpu-smi does not tell"
        reasons = {field: why for field in _FIELDS if field not in figures}
        reasons["memory_total_bytes"] = f"the driver {card.driver} does not tell"
        used = figures.get("memory_used_bytes")
        return GpuSample(
            key=f"intel:{card.address}",
            source="xpu-smi" if figures else card.driver,
            name=self._name(card),
            percent=figures.get("percent"),
            memory_used_bytes=None if used is None else round(used),
            temperature_c=figures.get("temperature_c"),
            power_w=figures.get("power_w"),
            clock_mhz=figures.get("clock_mhz"),
            reasons=reasons,
        )

    def _figures(self, card: Card) -> _Told:
        program = self._linux.find("xpu-smi")
        if program is None:
            return _Told(0.0, {}, _ABSENT)
        last, now = self._told.get(card.address), self._linux.clock()
        if last is not None and (now - last.at < EVERY_S or last.failed >= TRIES):
            return last
        command = (program, "dump", "-d", card.address, "-m", _METRICS, "-n", "1")
        try:
            told = _Told(now, figures_in(self._linux.ask(command, _TIMEOUT_S)))
            told.reason = None if told.figures else "the answer of xpu-smi is not understood"
        except Unanswered as error:
            told = _Told(now, {}, str(error))
        told.failed = 0 if told.figures else (last.failed if last else 0) + 1
        self._told[card.address] = told
        return told

    def _name(self, card: Card) -> str:
        if card.address not in self._names:
            listed = pci_name(self._linux.root, VENDOR, card.device_id)
            name = f"Intel {listed}" if listed else f"Intel GPU {card.device_id:#06x}"
            self._names[card.address] = name
        return self._names[card.address]


def figures_in(answer: bytes) -> dict[str, float]:
    """Fields by the CSV of `xpu-smi dump`, found by the names of its columns; `N/A` is left out. The last line
    counts: the first one may not cover any time yet."""
    rows = [row for row in csv.reader(answer.decode("utf-8", "replace").splitlines()) if row]
    head = next((row for row in rows if row[0].strip() == "Timestamp"), None)
    if head is None or rows[-1] is head:
        return {}
    found: dict[str, float] = {}
    for title, text in zip(head, rows[-1], strict=False):
        for name, (field, factor) in _COLUMNS.items():
            if title.strip().startswith(name):
                try:
                    value = float(text) * factor
                except ValueError:
                    continue
                if math.isfinite(value) and value >= 0:
                    found[field] = min(value, 100.0) if field == "percent" else value
    return found
