"""The command nvidia-smi, for machines where the library or its Python package is out of reach.

It needs 0.1 to 1 s a call, so it is asked seldom. Its words for a missing value: [N/A], [Not Supported],
[Unknown Error], [GPU requires reset], [GPU is lost], ERR!.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from runner.hardware.nvidia_users import Held, Processes, by_process, split
from runner.hardware.nvidia_words import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIB_RM_VERSION_MISMATCH,
    NO_CARD,
    RESET_REQUIRED,
    Trouble,
    throttle_words,
)
from runner.hardware.source import Asked
from runner.model import GpuSample

SOURCE = "nvidia-smi"
TIMEOUT_S = 10.0
#: WSL keeps it where the search path of a service does not look
_WSL = "/usr/lib/wsl/lib/nvidia-smi"
_MIB = 1 << 20

_NUMBERS = {
    "utilization.gpu": ("percent", 1),
    "memory.used": ("memory_used_bytes", _MIB),
    "memory.total": ("memory_total_bytes", _MIB),
    "temperature.gpu": ("temperature_c", 1),
    "power.draw": ("power_w", 1),
    "enforced.power.limit": ("power_limit_w", 1),
    "clocks.sm": ("clock_mhz", 1),
    "clocks.mem": ("memory_clock_mhz", 1),
    "fan.speed": ("fan_percent", 1),
}
_BYTES = ("memory_used_bytes", "memory_total_bytes")
FIELDS = ("index", "uuid", "name", *_NUMBERS)
#: the same by its new and its old name; an unknown field makes the whole call fail
_THROTTLE = ("clocks_event_reasons.active", "clocks_throttle_reasons.active", None)
_APPS = "--query-compute-apps=gpu_uuid,pid,used_memory"
_FORMAT = "--format=csv,noheader,nounits"

NO_ENERGY = "not told by nvidia-smi"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed. `code`: its exit code, None if it did not end in time."""

    text: str
    code: int | None


@dataclass(frozen=True, slots=True)
class SmiCards:
    """`reason`: why there are none; `hopeless`: asking again will not help."""

    gpus: tuple[GpuSample, ...] = ()
    reason: str | None = None
    hopeless: bool = False


def find() -> str | None:
    """Where nvidia-smi is; None: nowhere."""
    return shutil.which("nvidia-smi") or (_WSL if os.access(_WSL, os.X_OK) else None)


def run_command(command: list[str]) -> Said:
    """Blocks for at most TIMEOUT_S (longer only for a driver that will not let the command be killed)."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said("", None)
    except OSError as error:
        return Said(error.strerror or str(error), 127)
    return Said(done.stdout.decode(errors="replace"), done.returncode)


class NvidiaSmi:
    """Asks the command; remembers which spelling of the throttle reasons it knows."""

    def __init__(
        self,
        processes: Processes,
        run: Callable[[list[str]], Said] = run_command,
        find: Callable[[], str | None] = find,
    ) -> None:
        self._processes, self._run, self._find = processes, run, find
        self._spellings = list(_THROTTLE)

    def read(self, asked: Asked) -> SmiCards:
        path = self._find()
        if path is None:
            return SmiCards(hopeless=True)
        said = self._query(path)
        cards = parse_cards(said.text) if said.code == 0 else []
        if not cards:
            return SmiCards(reason=_why_none(said), hopeless=said.code == 127)
        apps = self._run([path, _APPS, _FORMAT])
        listed = parse_apps(apps.text) if apps.code == 0 else None
        return SmiCards(tuple(self._with_users(card, listed, asked) for card in cards))

    def _query(self, path: str) -> Said:
        while True:
            more = self._spellings[0]
            fields = ",".join((*FIELDS, more) if more else FIELDS)
            said = self._run([path, f"--query-gpu={fields}", _FORMAT])
            if more is None or said.code == 0 or "not a valid field" not in said.text:
                return said
            self._spellings.pop(0)

    def _with_users(
        self, card: GpuSample, listed: dict[str, list[Held]] | None, asked: Asked
    ) -> GpuSample:
        if listed is None:
            why = "nvidia-smi gave no list of processes"
            reasons = {**card.reasons, "users": why, "memory_run_bytes": why}
            return replace(card, reasons=reasons)
        sizes = by_process(listed.get(card.key, ()), card.memory_total_bytes)
        users = self._processes.users(sizes, None, asked)
        parts = split(card.memory_used_bytes, users, asked, self._processes.trusted)
        more = {"memory_run_bytes": parts.reason} if parts.reason else {}
        return replace(
            card,
            users=users,
            memory_run_bytes=parts.run_bytes,
            memory_others_bytes=parts.others_bytes,
            reasons={**card.reasons, **more},
        )


def parse_cards(text: str) -> list[GpuSample]:
    """Rows of `--query-gpu`; a line that is no such row is left out."""
    cards = (_card([cell.strip() for cell in line.split(",")]) for line in text.splitlines())
    return [card for card in cards if card is not None]


def _card(cells: list[str]) -> GpuSample | None:
    if len(cells) not in (len(FIELDS), len(FIELDS) + 1) or not cells[0].isdigit():
        return None
    index, uuid, name, *rest = cells
    values: dict[str, Any] = {}
    reasons = {"energy_j": NO_ENERGY, "users_percent": NO_ENERGY}
    for cell, (field, unit) in zip(rest, _NUMBERS.values(), strict=False):
        try:
            values[field] = float(cell) * unit
        except ValueError:
            reasons[field] = _missing(cell)
    sizes: dict[str, Any] = {field: int(values.pop(field)) for field in _BYTES if field in values}
    throttle: tuple[str, ...] = ()
    try:
        throttle = throttle_words(int(cells[len(FIELDS)], 16))
    except (IndexError, ValueError):
        reasons["throttle"] = NO_ENERGY
    trouble = _trouble_in(" ".join(rest))
    return GpuSample(
        uuid if uuid.startswith(("GPU-", "MIG-")) else f"nvidia-{index}",
        SOURCE,
        name if not name.startswith("[") else "",
        int(index),
        throttle=throttle,
        problem=trouble.state if trouble else None,
        reasons=reasons,
        **{**values, **sizes},
    )


def parse_apps(text: str) -> dict[str, list[Held]]:
    """Rows of `--query-compute-apps`, by UUID of the card; the size is None where it is not told."""
    found: dict[str, list[Held]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3 and cells[1].isdigit():
            size = int(cells[2]) * _MIB if cells[2].isdigit() else None
            found.setdefault(cells[0], []).append(Held(int(cells[1]), size))
    return found


def _missing(cell: str) -> str:
    words = cell.strip("[]").lower()
    if words in ("n/a", "not supported"):
        return "not supported by this GPU"
    return f"not measured: nvidia-smi says {cell}"


def _trouble_in(text: str) -> Trouble | None:
    """Which known trouble the command's words mean."""
    lowered = text.lower()
    if "is lost" in lowered:
        return Trouble(GPU_IS_LOST)
    if "requires reset" in lowered:
        return Trouble(RESET_REQUIRED)
    if "version mismatch" in lowered:
        return Trouble(LIB_RM_VERSION_MISMATCH)
    if "communicate with the nvidia driver" in lowered:
        return Trouble(DRIVER_NOT_LOADED)
    return None


def _why_none(said: Said) -> str:
    if said.code is None:
        return f"nvidia-smi did not answer within {TIMEOUT_S:.0f} s: the driver may hang"
    trouble = _trouble_in(said.text)
    if trouble is not None:
        return trouble.state
    first = next((line.strip() for line in said.text.splitlines() if line.strip()), "")
    if "no devices were found" in first.lower() or (not first and said.code == 0):
        return NO_CARD
    return f"nvidia-smi failed with {said.code}: {first[:120] or 'nothing said'}"
