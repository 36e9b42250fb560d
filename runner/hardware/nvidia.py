"""NVIDIA cards: through the driver's library, else through nvidia-smi, for machines without the library or
its Python package.

Nothing is loaded before the first reading, and nothing is printed. A hung driver blocks `read` and its
thread. The command's texts for a missing value: [N/A], [Not Supported], [Unknown Error], [GPU requires
reset], [GPU is lost], ERR!.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runner.hardware import nvidia_facts as facts
from runner.hardware.nvidia_facts import Held, Processes, Trouble
from runner.hardware.nvml import Card, Handle, Nvml
from runner.hardware.source import NOT_STARTED, Asked, Reading, Unanswered, ask
from runner.model import GpuSample

SOURCE, SMI_SOURCE = "nvml", "nvidia-smi"
PERIOD_S = 2.0
#: the command costs 0.1 to 1 s a call
SMI_PERIOD_S = 5.0
SMI_TIMEOUT_S = 10.0
#: between two attempts to open the library again: after a failure, or while a card is lost
PAUSE_S = 30.0


class NvidiaSource:
    """All cards that the driver shows, in its order (that of the PCI bus)."""

    name = "nvidia"

    def __init__(
        self,
        pause_s: float = PAUSE_S,
        processes: Processes | None = None,
        smi: NvidiaSmi | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.period_s = PERIOD_S
        self._pause_s, self._clock = pause_s, clock
        self._processes = processes or Processes()
        self._smi = smi or NvidiaSmi(self._processes)
        self._nvml: Nvml | None = None
        #: handles hold until the library is shut down
        self._handles: dict[int, tuple[Handle, GpuSample]] = {}
        #: every card that ever answered, by its key; the latest answer last
        self._known: dict[str, GpuSample] = {}
        self._open_at: float | None = 0.0  # when to open (again); None: no need to
        self._reason: str | None = None

    def read(self, asked: Asked) -> Reading:
        """Never raises for a missing driver or card."""
        if sys.platform == "darwin":
            return Reading(reason=facts.NO_DRIVER, final=True)
        if self._open_at is not None and self._clock() >= self._open_at:
            self._open()
        if self._nvml is not None:
            try:
                return self._by_library(self._nvml, asked)
            except Trouble as trouble:  # the library no longer answers at all
                self.close()
                self._reason, self._open_at = trouble.state, self._clock() + self._pause_s
        return self._by_command(asked)

    def close(self) -> None:
        """Close the library; the next reading reopens it."""
        if self._nvml is not None:
            self._nvml.close()
        self._nvml, self._open_at = None, 0.0
        self._handles.clear()

    def _open(self) -> None:
        """Sets `_nvml`, or `_reason`. Temporary failures are retried after a pause."""
        self.close()
        self._reason = self._open_at = None
        try:
            self._nvml = Nvml()
        except ImportError:
            self._reason = facts.NO_BINDINGS
        except Trouble as trouble:
            if trouble.code == facts.LIBRARY_NOT_FOUND:
                self._reason = _no_library(trouble.text)
            else:
                self._reason, self._open_at = trouble.state, self._clock() + self._pause_s

    def _by_library(self, nvml: Nvml, asked: Asked) -> Reading:
        count = int(nvml.call("nvmlDeviceGetCount"))
        self.period_s = PERIOD_S
        cards = [self._card(nvml, index, asked) for index in range(count)]
        # a failed card may be missing after reopening the library; others move up then
        gone = self._known.keys() - {one.key for one in cards}
        cards += [replace(self._known[key], index=None, problem=facts.GONE) for key in gone]
        if cards and all(card.problem is None for card in cards):
            self._open_at = None
        elif self._open_at is None:
            self._open_at = self._clock() + self._pause_s
        return Reading(tuple(cards), reason=None if cards else facts.NO_CARD)

    def _card(self, nvml: Nvml, index: int, asked: Asked) -> GpuSample:
        here = [card for card in self._known.values() if card.index == index]
        known = here[-1] if here else GpuSample(f"nvidia-{index}", SOURCE, index=index)
        try:
            if index not in self._handles:
                handle = nvml.call("nvmlDeviceGetHandleByIndex", index)
                key, name = (nvml.text(handle, f"nvmlDeviceGet{what}") for what in ("UUID", "Name"))
                known = GpuSample(key, SOURCE, name, index)
                self._handles[index] = (handle, known)
                self._known.pop(key, None)
                self._known[key] = known
            handle, known = self._handles[index]
            return Card(nvml, handle).read(known, asked, self._processes)
        except Trouble as trouble:
            return replace(known, problem=trouble.state)

    def _by_command(self, asked: Asked) -> Reading:
        found = self._smi.read(asked)
        self.period_s = SMI_PERIOD_S if found.gpus else max(PERIOD_S, self._pause_s)
        if found.gpus:
            return found
        reason = self._reason
        if reason is None or reason == facts.NO_DRIVER:
            reason = found.reason or facts.NO_DRIVER
        return Reading(reason=reason, final=self._open_at is None and found.final)


def _no_library(said: str) -> str:
    """An existing library that cannot be loaded is worth reporting: containers leave empty files."""
    if "No such file" in said or not said:
        return facts.NO_DRIVER
    return f"the NVIDIA driver's library cannot be loaded ({said}); in a container use --gpus all"


# --------------------------------------------------------------------------- the command

#: on WSL it is outside a service's search path
_WSL = "/usr/lib/wsl/lib/nvidia-smi"


def _mib(cell: str) -> int:
    return int(float(cell) * (1 << 20))


#: columns of the answer -> field of GpuSample, and how a cell is read (raises ValueError)
_COLUMNS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "index": ("index", int),
    "uuid": ("key", str),
    "name": ("name", str),
    "utilization.gpu": ("percent", float),
    "memory.used": ("memory_used_bytes", _mib),
    "memory.total": ("memory_total_bytes", _mib),
    "temperature.gpu": ("temperature_c", float),
    "power.draw": ("power_w", float),
    "enforced.power.limit": ("power_limit_w", float),
    "clocks.sm": ("clock_mhz", float),
    "clocks.mem": ("memory_clock_mhz", float),
    "fan.speed": ("fan_percent", float),
}
#: the last column by its new and its old name; an unknown field makes the entire call fail
_LAST = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
_READERS = (*_COLUMNS.values(), ("throttle", lambda cell: facts.throttle_words(int(cell, 16))))
_APPS = "--query-compute-apps=gpu_uuid,pid,used_memory"
_FORMAT = "--format=csv,noheader,nounits"
NOT_TOLD = "not reported by nvidia-smi"
NO_APPS = "nvidia-smi gave no list of processes"
#: the command's messages for known errors
_TROUBLES = {
    "is lost": facts.GPU_IS_LOST,
    "requires reset": facts.RESET_REQUIRED,
    "version mismatch": facts.LIB_RM_VERSION_MISMATCH,
    "communicate with the nvidia driver": facts.DRIVER_NOT_LOADED,
}


def find() -> str | None:
    """Where nvidia-smi is; None: nowhere."""
    return shutil.which("nvidia-smi") or (_WSL if os.access(_WSL, os.X_OK) else None)


def ask_smi(command: list[str]) -> str:
    """The command's output, including its errors. Raises Unanswered."""
    return ask(command, SMI_TIMEOUT_S, subprocess.STDOUT).decode(errors="replace")


class NvidiaSmi:
    """Runs the command; remembers which spelling of the throttle reasons it supports."""

    def __init__(
        self,
        processes: Processes,
        ask: Callable[[list[str]], str] = ask_smi,
        find: Callable[[], str | None] = find,
    ) -> None:
        self._on, self._ask, self._find = processes.on, ask, find
        self._spellings = list(_LAST)

    def read(self, asked: Asked) -> Reading:
        """`final`: there is no such command, or it cannot be started."""
        if (path := self._find()) is None:
            return Reading(final=True)
        try:
            cards = parse_cards(answer := self._query(path))
            if not cards:
                raise Unanswered("", 0, answer)
        except Unanswered as failed:
            return Reading(reason=_why_none(failed), final=failed.code == NOT_STARTED)
        try:
            listed = parse_apps(self._ask([path, _APPS, _FORMAT]))
        except Unanswered:
            missing = dict.fromkeys(("users", "memory_run_bytes"), NO_APPS)
            return Reading(tuple(replace(one, reasons=one.reasons | missing) for one in cards))
        return Reading(tuple(self._on(one, listed.get(one.key, ()), None, asked) for one in cards))

    def _query(self, path: str) -> str:
        while True:
            columns = ",".join((*_COLUMNS, *self._spellings[:1]))
            try:
                return self._ask([path, f"--query-gpu={columns}", _FORMAT])
            except Unanswered as failed:
                if not self._spellings or "not a valid field" not in failed.output:
                    raise
            self._spellings.pop(0)


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]


def parse_cards(text: str) -> list[GpuSample]:
    """Rows of `--query-gpu`; other lines are skipped."""
    lengths = len(_COLUMNS), len(_COLUMNS) + 1
    return [_card(row) for row in _rows(text) if len(row) in lengths and row[0].isdecimal()]


def _card(cells: list[str]) -> GpuSample:
    values: dict[str, Any] = {}
    reasons = dict.fromkeys(("energy_j", "users_percent", "throttle"), NOT_TOLD)
    for cell, (field, read) in zip(cells, _READERS, strict=False):
        try:
            values[field] = read(cell)
            reasons.pop(field, None)
        except (ValueError, OverflowError):
            supported = cell.strip("[]").lower() not in ("n/a", "not supported")
            said = f"not measured: nvidia-smi reports {cell}"
            reasons[field] = said if supported else "not supported by this GPU"
    if not values["key"].startswith(("GPU-", "MIG-")):
        values["key"] = f"nvidia-{values['index']}"
    if values["name"].startswith("["):
        values["name"] = ""
    trouble = _trouble_in(" ".join(cells[3:]))
    problem = trouble.state if trouble else None
    return GpuSample(source=SMI_SOURCE, problem=problem, reasons=reasons, **values)


def parse_apps(text: str) -> dict[str, list[Held]]:
    """Rows of `--query-compute-apps`, by UUID of the card; size None: not reported."""
    found: dict[str, list[Held]] = {}
    for cells in _rows(text):
        if len(cells) == 3 and cells[1].isdecimal():
            size = _mib(cells[2]) if cells[2].isdecimal() else None
            found.setdefault(cells[0], []).append(Held(int(cells[1]), size))
    return found


def _trouble_in(text: str) -> Trouble | None:
    lowered = text.lower()
    return next((Trouble(code) for words, code in _TROUBLES.items() if words in lowered), None)


def _why_none(failed: Unanswered) -> str:
    if failed.code is None:
        return f"{failed}: the driver may hang"
    if trouble := _trouble_in(failed.output):
        return trouble.state
    first = next(filter(None, map(str.strip, failed.output.splitlines())), "")
    if "no devices were found" in first.lower() or (not first and failed.code == 0):
        return facts.NO_CARD
    return f"nvidia-smi failed with {failed.code}: {first[:120]}" if first else str(failed)
