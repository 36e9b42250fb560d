"""The NVIDIA driver's library (libnvidia-ml, by nvidia-ml-py's module pynvml), and reading one card through
it. pynvml is only loaded if the library exists: it costs 70 ms and a few MB, which a machine without the
driver need not pay. A card may support any call or none, so each value is read separately.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from runner.hardware import nvidia_facts as facts
from runner.hardware.nvidia_facts import Held, Processes, Trouble
from runner.hardware.source import Asked
from runner.model import GpuSample

LIBRARY = "libnvidia-ml.so.1"
#: nvmlMemory_v2 of nvml.h: size of the struct and version
_MEMORY_V2 = 0x02000028
#: sizes from here on are "not available" (all bits set)
_NO_SIZE = 1 << 63
#: how far back the first query for GPU shares reaches
_FIRST_WINDOW_S = 2.0
_LONGEST_WINDOW_S = 10.0

MIG_UTILISATION = "not measured: the driver reports no utilization of a MIG card"
MIG_SHARED = "of the entire card; MIG has split it"
MIG_PARTS = "of the MIG instances visible here"
OLD_MEMORY = "old driver: its own reserved memory may be counted as used"

T = TypeVar("T")
Handle = Any
#: a library call and its arguments after the card
Spelling = tuple[Any, ...]

#: Numbers that are one call each: (the unit divided by, spellings, newer first). The old temperature call
#: disappears with CUDA 14. The fan value is the driver's target (over 100 is possible), energy counts since
#: the driver was loaded (Volta and newer).
_NUMBERS: Mapping[str, tuple[float, tuple[Spelling, ...]]] = {
    "temperature_c": (1, (("nvmlDeviceGetTemperature", 0), ("nvmlDeviceGetTemperatureV", 0))),
    "power_w": (1000, (("nvmlDeviceGetPowerUsage",),)),
    "power_limit_w": (1000, (("nvmlDeviceGetEnforcedPowerLimit",),)),
    "clock_mhz": (1, (("nvmlDeviceGetClockInfo", 1),)),
    "memory_clock_mhz": (1, (("nvmlDeviceGetClockInfo", 2),)),
    "fan_percent": (1, (("nvmlDeviceGetFanSpeed",),)),
    "energy_j": (1000, (("nvmlDeviceGetTotalEnergyConsumption",),)),
}
_THROTTLE = (
    ("nvmlDeviceGetCurrentClocksEventReasons",),
    ("nvmlDeviceGetCurrentClocksThrottleReasons",),
)
_MEMORY = (("nvmlDeviceGetMemoryInfo", _MEMORY_V2), ("nvmlDeviceGetMemoryInfo",))
_COMPUTE, _GRAPHICS = (
    tuple((f"nvmlDeviceGet{kind}RunningProcesses_v{version}",) for version in (3, 2))
    for kind in ("Compute", "Graphics")
)


class Nvml:
    """The library from `nvmlInit` to `close`. Every method raises Trouble and nothing else."""

    def __init__(self) -> None:
        """Raises Trouble (LIBRARY_NOT_FOUND where there is no driver), ImportError without nvidia-ml-py."""
        try:
            ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Trouble(facts.LIBRARY_NOT_FOUND, str(error)) from None
        import pynvml

        self._lib: Any = pynvml
        self._asked_at: dict[str, float] = {}
        self.call("nvmlInit")

    def close(self) -> None:
        with contextlib.suppress(Trouble):  # already gone; nothing to release
            self.call("nvmlShutdown")

    def call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._lib, name)(*arguments)
        except AttributeError as error:  # a pynvml from before the call existed
            raise Trouble(facts.FUNCTION_NOT_FOUND, str(error)) from None
        except Exception as error:  # its classes are created at run time
            code = getattr(error, "value", None)
            raise Trouble(code if isinstance(code, int) else None, str(error).rstrip(".")) from None

    def ask(self, card: Handle, *spellings: Spelling) -> Any:
        """The first variant of a call that this driver supports."""
        *newer, last = spellings
        for name, *arguments in newer:
            try:
                return self.call(name, card, *arguments)
            except Trouble as trouble:
                if not trouble.of_spelling:
                    raise
        return self.call(last[0], card, *last[1:])

    def text(self, card: Handle, name: str) -> str:
        value = self.call(name, card)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def mig_parts(self, card: Handle) -> list[Handle]:
        """The visible instances; unused slots are left out."""
        parts: list[Handle] = []
        for place in range(int(self.call("nvmlDeviceGetMaxMigDeviceCount", card))):
            try:
                parts.append(self.call("nvmlDeviceGetMigDeviceHandleByIndex", card, place))
            except Trouble as trouble:
                if trouble.code not in (facts.NOT_FOUND, facts.NO_PERMISSION):
                    raise
        return parts

    def processes(self, card: Handle) -> list[Held]:
        """Compute and graphics together, so a process may be listed twice."""
        listed = list(self.ask(card, *_COMPUTE))
        with contextlib.suppress(Trouble):  # cards without graphics, MIG
            listed += self.ask(card, *_GRAPHICS)
        found = []
        for entry in listed:
            size = entry.usedGpuMemory
            size = None if size is not None and size >= _NO_SIZE else size
            found.append(Held(int(entry.pid), size, int(getattr(entry, "gpuInstanceId", 0))))
        return found

    def shares(self, card: Handle, key: str) -> dict[int, float]:
        """Percent of the GPU by process since the last query for `key`; empty: all were idle."""
        now = time.monotonic()
        window_s = min(_LONGEST_WINDOW_S, now - self._asked_at.get(key, now - _FIRST_WINDOW_S))
        self._asked_at[key] = now
        # from the clock each time: the driver's times would be stuck after the clock is set back
        since_us = int((time.time() - window_s) * 1e6)
        try:
            samples = self.call("nvmlDeviceGetProcessUtilization", card, since_us)
        except Trouble as trouble:
            if trouble.code == facts.NOT_FOUND:
                return {}
            raise
        found: dict[int, list[float]] = {}
        for sample in samples:
            if sample.pid and sample.smUtil <= 100 and sample.timeStamp >= since_us:
                found.setdefault(sample.pid, []).append(float(sample.smUtil))
        return {pid: sum(values) / len(values) for pid, values in found.items()}


class Card:
    """One card asked through NVML: each value separately; `reasons` explains missing ones."""

    def __init__(self, nvml: Nvml, handle: Handle) -> None:
        self._nvml, self._handle = nvml, handle
        self.reasons: dict[str, str] = {}

    def read(self, known: GpuSample, asked: Asked, processes: Processes) -> GpuSample:
        """`known`: key, name and index. Raises Trouble if the card itself fails."""
        nvml, handle = self._nvml, self._handle
        mode = self._ask("mig", ("nvmlDeviceGetMigMode",))
        self.reasons.pop("mig", None)  # most cards do not have it, and it is not missed
        mig, values = bool(mode and mode[0]), dict[str, Any]()
        if mig:
            self.reasons["percent"] = MIG_UTILISATION
        elif (rates := self._ask("percent", ("nvmlDeviceGetUtilizationRates",))) is not None:
            # the share of the last 1/6 to 1 s in which at least one kernel ran
            values["percent"] = min(100.0, float(rates.gpu))
        values["memory_used_bytes"], values["memory_total_bytes"] = self._memory(mig)
        for field, (unit, spellings) in _NUMBERS.items():
            found = self._ask(field, *spellings)
            values[field] = None if found is None else float(found) / unit
        values["throttle"] = facts.throttle_words(int(self._ask("throttle", *_THROTTLE) or 0))
        card = replace(known, reasons=self.reasons, **values)
        listed = self._value("users", lambda: nvml.processes(handle))
        if listed is None:
            self.reasons["memory_run_bytes"] = self.reasons["users"]
            return card
        shares = None
        if listed and not mig:
            shares = self._value("users_percent", lambda: nvml.shares(handle, known.key))
        return processes.on(card, listed, shares, asked)

    def _ask(self, field: str, *spellings: Spelling, of: Handle | None = None) -> Any:
        return self._value(field, lambda: self._nvml.ask(of or self._handle, *spellings))

    def _value(self, field: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except Trouble as trouble:
            if trouble.of_card:
                raise
            self.reasons[field] = trouble.field
            return None

    def _memory(self, mig: bool) -> tuple[int | None, int | None]:
        """Used and total. Under MIG the card itself may refuse (containers): then the sum of its visible
        parts."""
        field = "memory_used_bytes"
        if (info := self._ask(field, *_MEMORY)) is not None:
            if mig:
                self.reasons[field] = MIG_SHARED
            elif not hasattr(
                info, "reserved"
            ):  # the old call does not report the driver's own memory
                self.reasons[field] = OLD_MEMORY
            return int(info.used), int(info.total)
        parts = self._value(field, lambda: self._nvml.mig_parts(self._handle)) if mig else None
        found = [self._ask(field, *_MEMORY, of=part) for part in parts or ()]
        known = [one for one in found if one is not None]
        if not known:
            return None, None
        self.reasons[field] = MIG_PARTS
        return sum(int(one.used) for one in known), sum(int(one.total) for one in known)
