"""NVIDIA cards: by the driver's library, else by the command nvidia-smi, for machines where the library or its
Python package is out of reach.

Nothing of it is loaded before the first reading, and nothing is printed. A driver that hangs blocks `read` and
with it the one thread that asks. The command's words for a missing value: [N/A], [Not Supported],
[Unknown Error], [GPU requires reset], [GPU is lost], ERR!.
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
        #: every card that ever answered, by its key; the one that answered last comes last
        self._known: dict[str, GpuSample] = {}
        self._open_at: float | None = 0.0  # when to open (again); None: no need to
        self._reason: str | None = None

    def read(self, asked: Asked) -> Reading:
        """Never raises for what the machine lacks."""
        if sys.platform == "darwin":
            return Reading(reason=facts.NO_DRIVER, final=True)
        if self._open_at is not None and self._clock() >= self._open_at:
            self._open()
        reading = self._by_library(self._nvml, asked) if self._nvml is not None else None
        return reading or self._by_command(asked)

    def close(self) -> None:
        """The library is let go; the next reading opens it again."""
        if self._nvml is not None:
            self._nvml.close()
        self._nvml, self._open_at = None, 0.0
        self._handles.clear()

    def _open(self) -> None:
        """Sets `_nvml`, or `_reason`. What can get better is tried again after a pause."""
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
                self._reason = trouble.state
                self._later()

    def _later(self) -> None:
        if self._open_at is None:
            self._open_at = self._clock() + self._pause_s

    def _by_library(self, nvml: Nvml, asked: Asked) -> Reading | None:
        """None: the library has stopped answering as a whole."""
        try:
            count = int(nvml.call("nvmlDeviceGetCount"))
        except Trouble as trouble:
            self.close()
            self._reason, self._open_at = trouble.state, self._clock() + self._pause_s
            return None
        self.period_s = PERIOD_S
        cards = [self._card(nvml, index, asked) for index in range(count)]
        # a card that has failed may be missing after the library was opened again; others move up then
        gone = [card for key, card in self._known.items() if key not in {one.key for one in cards}]
        cards += [replace(card, index=None, problem=facts.GONE) for card in gone]
        self._processes.forget_but(
            frozenset(user.pid for card in cards for user in card.users if user.pid is not None)
        )
        if cards and all(card.problem is None for card in cards):
            self._open_at = None
        else:
            self._later()
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
        if found.gpus:
            self.period_s = SMI_PERIOD_S
            return found
        self.period_s = max(PERIOD_S, self._pause_s)
        reason = self._reason
        if reason is None or reason == facts.NO_DRIVER:
            reason = found.reason or facts.NO_DRIVER
        return Reading(reason=reason, final=self._open_at is None and found.final)


def _no_library(said: str) -> str:
    """A library that is there and cannot be loaded is worth telling: containers leave empty files."""
    if "No such file" in said or not said:
        return facts.NO_DRIVER
    return f"the NVIDIA driver's library cannot be loaded ({said}); in a container use --gpus all"


# --------------------------------------------------------------------------- the command

#: WSL keeps it where the search path of a service does not look
_WSL = "/usr/lib/wsl/lib/nvidia-smi"
_MIB = 1 << 20
#: columns of the answer -> field of GpuSample, and how a cell is read (raises ValueError)
_VALUES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "utilization.gpu": ("percent", float),
    "memory.used": ("memory_used_bytes", lambda cell: int(float(cell) * _MIB)),
    "memory.total": ("memory_total_bytes", lambda cell: int(float(cell) * _MIB)),
    "temperature.gpu": ("temperature_c", float),
    "power.draw": ("power_w", float),
    "enforced.power.limit": ("power_limit_w", float),
    "clocks.sm": ("clock_mhz", float),
    "clocks.mem": ("memory_clock_mhz", float),
    "fan.speed": ("fan_percent", float),
}
#: the last column by its new and its old name; an unknown field makes the whole call fail
_LAST = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
_READERS = (*_VALUES.values(), ("throttle", lambda cell: facts.throttle_words(int(cell, 16))))
_COLUMNS = ("index", "uuid", "name", *_VALUES)
_APPS = "--query-compute-apps=gpu_uuid,pid,used_memory"
_FORMAT = "--format=csv,noheader,nounits"
NOT_TOLD = "not told by nvidia-smi"
NO_APPS = "nvidia-smi gave no list of processes"
#: the command's words for a known trouble
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
    """All that the command prints; its errors are among its output. Raises Unanswered."""
    return ask(command, SMI_TIMEOUT_S, subprocess.STDOUT).decode(errors="replace")


class NvidiaSmi:
    """Asks the command; remembers which spelling of the throttle reasons it knows."""

    def __init__(
        self,
        processes: Processes,
        ask: Callable[[list[str]], str] = ask_smi,
        find: Callable[[], str | None] = find,
    ) -> None:
        self._processes, self._ask, self._find = processes, ask, find
        self._spellings = list(_LAST)

    def read(self, asked: Asked) -> Reading:
        """`final`: there is no such command, or it cannot be started."""
        path = self._find()
        if path is None:
            return Reading(final=True)
        try:
            answer = self._query(path)
        except Unanswered as failed:
            return Reading(reason=_why_none(failed), final=failed.code == NOT_STARTED)
        cards = parse_cards(answer)
        if not cards:
            return Reading(reason=_why_none(Unanswered("", 0, answer)))
        try:
            listed = parse_apps(self._ask([path, _APPS, _FORMAT]))
        except Unanswered:
            missing = dict.fromkeys(("users", "memory_run_bytes"), NO_APPS)
            return Reading(tuple(replace(one, reasons=one.reasons | missing) for one in cards))
        on = self._processes.on
        return Reading(tuple(on(card, listed.get(card.key, ()), None, asked) for card in cards))

    def _query(self, path: str) -> str:
        while True:
            columns = ",".join((*_COLUMNS, *self._spellings[:1]))
            try:
                return self._ask([path, f"--query-gpu={columns}", _FORMAT])
            except Unanswered as failed:
                if not self._spellings or "not a valid field" not in failed.output:
                    raise
            self._spellings.pop(0)


def parse_cards(text: str) -> list[GpuSample]:
    """Rows of `--query-gpu`; a line that is no such row is left out."""
    return [card for cells in _rows(text) if (card := _card(cells)) is not None]


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]


def _card(cells: list[str]) -> GpuSample | None:
    if len(cells) not in (len(_COLUMNS), len(_COLUMNS) + 1) or not cells[0].isdigit():
        return None
    index, uuid, name, *rest = cells
    values: dict[str, Any] = {}
    reasons = dict.fromkeys(("energy_j", "users_percent", "throttle"), NOT_TOLD)
    for cell, (field, read) in zip(rest, _READERS, strict=False):
        try:
            values[field] = read(cell)
            reasons.pop(field, None)
        except (ValueError, OverflowError):
            reasons[field] = _missing(cell)
    trouble = _trouble_in(" ".join(rest))
    return GpuSample(
        uuid if uuid.startswith(("GPU-", "MIG-")) else f"nvidia-{index}",
        SMI_SOURCE,
        name if not name.startswith("[") else "",
        int(index),
        problem=trouble.state if trouble else None,
        reasons=reasons,
        **values,
    )


def parse_apps(text: str) -> dict[str, list[Held]]:
    """Rows of `--query-compute-apps`, by UUID of the card; the size is None where it is not told."""
    found: dict[str, list[Held]] = {}
    for cells in _rows(text):
        if len(cells) == 3 and cells[1].isdigit():
            size = int(cells[2]) * _MIB if cells[2].isdigit() else None
            found.setdefault(cells[0], []).append(Held(int(cells[1]), size))
    return found


def _missing(cell: str) -> str:
    if cell.strip("[]").lower() in ("n/a", "not supported"):
        return "not supported by this GPU"
    return f"not measured: nvidia-smi says {cell}"


def _trouble_in(text: str) -> Trouble | None:
    lowered = text.lower()
    return next((Trouble(code) for words, code in _TROUBLES.items() if words in lowered), None)


def _why_none(failed: Unanswered) -> str:
    if failed.code is None:
        return f"{failed}: the driver may hang"
    if trouble := _trouble_in(failed.output):
        return trouble.state
    first = next((line.strip() for line in failed.output.splitlines() if line.strip()), "")
    if "no devices were found" in first.lower() or (not first and failed.code == 0):
        return facts.NO_CARD
    return f"nvidia-smi failed with {failed.code}: {first[:120]}" if first else str(failed)
