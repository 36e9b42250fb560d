"""One NVIDIA card asked through NVML: each value by itself, with the reason where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from runner.hardware import nvidia_words as words
from runner.hardware.nvidia_users import Processes, by_process, split
from runner.hardware.nvml import Failed, Handle, Nvml
from runner.hardware.source import Asked
from runner.model import GpuSample, GpuUser

SOURCE = "nvml"

T = TypeVar("T")


class _CardTrouble(Exception):
    """The card does not answer at all: nothing more is asked of it."""


class _Asking:
    """Values of one card, one after the other; what is missing goes into `reasons`."""

    def __init__(self, card: Handle) -> None:
        self._card = card
        self.reasons: dict[str, str] = {}

    def value(self, field: str, call: Callable[[Handle], T]) -> T | None:
        try:
            return call(self._card)
        except Failed as failed:
            if failed.trouble.of_card:
                raise _CardTrouble(failed.trouble.state) from None
            self.reasons[field] = failed.trouble.field
            return None


def read_card(
    nvml: Nvml, card: Handle, known: GpuSample, asked: Asked, processes: Processes
) -> GpuSample:
    """All of one card. `known`: key, name and index, kept from when it answered; never raises."""
    asking = _Asking(card)
    try:
        values = _values(nvml, asking, known.key, asked, processes)
    except _CardTrouble as trouble:
        return in_trouble(known, str(trouble))
    return replace(known, reasons=asking.reasons, **values)


def in_trouble(known: GpuSample, problem: str) -> GpuSample:
    """A card of which nothing is known but that it is in trouble."""
    return replace(known, problem=problem)


def _values(
    nvml: Nvml, asking: _Asking, key: str, asked: Asked, processes: Processes
) -> dict[str, Any]:
    mig = asking.value("mig", nvml.is_mig) or False
    asking.reasons.pop("mig", None)  # most cards have no such thing, and nobody misses it
    if mig:
        asking.reasons["percent"] = words.MIG_UTILISATION
    used, total = _memory(nvml, asking, mig)
    users = _users(nvml, asking, key, total, asked, processes, mig)
    values: dict[str, Any] = {
        "percent": None if mig else asking.value("percent", nvml.percent),
        "memory_used_bytes": used,
        "memory_total_bytes": total,
        "temperature_c": asking.value("temperature_c", nvml.temperature_c),
        "power_w": asking.value("power_w", nvml.power_w),
        "power_limit_w": asking.value("power_limit_w", nvml.power_limit_w),
        "clock_mhz": asking.value("clock_mhz", nvml.clock_mhz),
        "memory_clock_mhz": asking.value("memory_clock_mhz", nvml.memory_clock_mhz),
        "fan_percent": asking.value("fan_percent", nvml.fan_percent),
        "energy_j": asking.value("energy_j", nvml.energy_j),
        "throttle": asking.value("throttle", nvml.throttle) or (),
    }
    if users is None:
        asking.reasons["memory_run_bytes"] = asking.reasons["users"]
        return values
    parts = split(used, users, asked, processes.trusted)
    if parts.reason is not None:
        asking.reasons["memory_run_bytes"] = parts.reason
    return values | {
        "users": users,
        "memory_run_bytes": parts.run_bytes,
        "memory_others_bytes": parts.others_bytes,
    }


def _memory(nvml: Nvml, asking: _Asking, mig: bool) -> tuple[int | None, int | None]:
    """Used and total. Under MIG the card itself may refuse (containers): then the sum of its visible parts."""
    field = "memory_used_bytes"
    found = asking.value(field, nvml.memory)
    if found is not None:
        used, total, with_reserve = found
        if mig:
            asking.reasons[field] = words.MIG_SHARED
        elif with_reserve:
            asking.reasons[field] = words.OLD_MEMORY
        return used, total
    if not mig:
        return None, None
    parts = [
        asking.value(field, lambda _, part=part: nvml.memory(part))  # type: ignore[misc]
        for part in asking.value(field, nvml.mig_parts) or ()
    ]
    known = [part for part in parts if part is not None]
    if not known:
        return None, None
    asking.reasons[field] = words.MIG_PARTS
    return sum(part[0] for part in known), sum(part[1] for part in known)


def _users(
    nvml: Nvml,
    asking: _Asking,
    key: str,
    total_bytes: int | None,
    asked: Asked,
    processes: Processes,
    mig: bool,
) -> tuple[GpuUser, ...] | None:
    """None: the list itself is not to be had (its reason stands under `users`)."""
    listed = asking.value("users", nvml.processes)
    if listed is None:
        return None
    sizes = by_process(listed, total_bytes)
    shares = None
    if sizes and not mig:
        shares = asking.value("users_percent", lambda card: nvml.shares(card, key))
    return processes.users(sizes, shares, asked)
