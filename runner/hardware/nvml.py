"""The calls into libnvidia-ml, by nvidia-ml-py (module pynvml), each with its own failure. I/O.

pynvml is loaded when the library is known to be there: it costs 70 ms and some MB, which a machine without the
driver need not pay. Every call may raise NotSupported on its own card, so each is asked by itself.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any, TypeVar

from runner.hardware import nvidia_words as words
from runner.hardware.nvidia_users import Held
from runner.hardware.nvidia_words import Trouble

LIBRARY = "libnvidia-ml.so.1"
#: nvmlMemory_v2 of nvml.h: size of the struct and version
_MEMORY_V2 = 0x02000028
#: sizes from here on are "not available" (all bits set)
_NO_SIZE = 1 << 63
#: how far back the first question for shares of the GPU looks
_FIRST_WINDOW_S = 2.0
_LONGEST_WINDOW_S = 10.0

T = TypeVar("T")
Handle = Any


class Failed(Exception):
    """A call that gave nothing; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class NoBindings(Exception):
    """The driver is there, nvidia-ml-py is not."""


class Nvml:
    """The library from `nvmlInit` to `close`. Every method raises Failed and nothing else."""

    def __init__(self) -> None:
        """Raises Failed (LIBRARY_NOT_FOUND where there is no driver), NoBindings."""
        try:
            ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Failed(Trouble(words.LIBRARY_NOT_FOUND, str(error))) from None
        try:
            import pynvml
        except ImportError:
            raise NoBindings from None
        self._lib: Any = pynvml
        self._asked_at: dict[str, float] = {}
        self._try(lambda: self._lib.nvmlInit())

    def close(self) -> None:
        try:
            self._try(lambda: self._lib.nvmlShutdown())
        except Failed:
            pass  # it is gone already; nothing is held any more

    def _try(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (
            Exception
        ) as error:  # pynvml's classes are made at run time; whatever comes is one value's
            raise Failed(_trouble_of(error)) from None

    def _either(self, first: Callable[[], T], second: Callable[[], T]) -> T:
        """The newer spelling of a call, else the older one."""
        try:
            return self._try(first)
        except Failed as failed:
            if failed.trouble.code not in words.UNKNOWN_TO_DRIVER:
                raise
            return self._try(second)

    def count(self) -> int:
        return int(self._try(lambda: self._lib.nvmlDeviceGetCount()))

    def handle(self, index: int) -> Handle:
        return self._try(lambda: self._lib.nvmlDeviceGetHandleByIndex(index))

    def uuid(self, card: Handle) -> str:
        return _text(self._try(lambda: self._lib.nvmlDeviceGetUUID(card)))

    def name(self, card: Handle) -> str:
        return _text(self._try(lambda: self._lib.nvmlDeviceGetName(card)))

    def percent(self, card: Handle) -> float:
        """Share of the last 1/6 to 1 s in which at least one kernel ran."""
        rates = self._try(lambda: self._lib.nvmlDeviceGetUtilizationRates(card))
        return min(100.0, float(rates.gpu))

    def memory(self, card: Handle) -> tuple[int, int, bool]:
        """Used and total bytes; True: an old driver, its own reserve may be counted as used."""
        try:
            info = self._try(lambda: self._lib.nvmlDeviceGetMemoryInfo(card, version=_MEMORY_V2))
            return int(info.used), int(info.total), False
        except Failed as failed:
            if failed.trouble.code not in words.UNKNOWN_TO_DRIVER:
                raise
        info = self._try(lambda: self._lib.nvmlDeviceGetMemoryInfo(card))
        return int(info.used), int(info.total), True

    def temperature_c(self, card: Handle) -> float:
        """By the old call, which CUDA 14 takes away, else by the new."""
        lib = self._lib
        return float(
            self._either(
                lambda: lib.nvmlDeviceGetTemperature(card, 0),
                lambda: lib.nvmlDeviceGetTemperatureV(card, 0),
            )
        )

    def power_w(self, card: Handle) -> float:
        return float(self._try(lambda: self._lib.nvmlDeviceGetPowerUsage(card))) / 1000

    def power_limit_w(self, card: Handle) -> float:
        return float(self._try(lambda: self._lib.nvmlDeviceGetEnforcedPowerLimit(card))) / 1000

    def clock_mhz(self, card: Handle) -> float:
        return float(self._try(lambda: self._lib.nvmlDeviceGetClockInfo(card, 1)))

    def memory_clock_mhz(self, card: Handle) -> float:
        return float(self._try(lambda: self._lib.nvmlDeviceGetClockInfo(card, 2)))

    def fan_percent(self, card: Handle) -> float:
        """What the driver wants of the fan; more than 100 is possible."""
        return float(self._try(lambda: self._lib.nvmlDeviceGetFanSpeed(card)))

    def energy_j(self, card: Handle) -> float:
        """Since the driver was loaded; Volta and newer."""
        total_mj = self._try(lambda: self._lib.nvmlDeviceGetTotalEnergyConsumption(card))
        return float(total_mj) / 1000

    def throttle(self, card: Handle) -> tuple[str, ...]:
        lib = self._lib
        mask = self._either(
            lambda: lib.nvmlDeviceGetCurrentClocksEventReasons(card),
            lambda: lib.nvmlDeviceGetCurrentClocksThrottleReasons(card),
        )
        return words.throttle_words(int(mask))

    def is_mig(self, card: Handle) -> bool:
        return bool(self._try(lambda: self._lib.nvmlDeviceGetMigMode(card))[0])

    def mig_parts(self, card: Handle) -> list[Handle]:
        """The parts that can be seen from here; unused places are left out."""
        parts: list[Handle] = []
        for place in range(int(self._try(lambda: self._lib.nvmlDeviceGetMaxMigDeviceCount(card)))):
            try:
                parts.append(self._mig_part(card, place))
            except Failed as failed:
                if failed.trouble.code not in (words.NOT_FOUND, words.NO_PERMISSION):
                    raise
        return parts

    def _mig_part(self, card: Handle, place: int) -> Handle:
        return self._try(lambda: self._lib.nvmlDeviceGetMigDeviceHandleByIndex(card, place))

    def processes(self, card: Handle) -> list[Held]:
        """Compute and graphics together, so the same process may come twice."""
        lib = self._lib
        listed = list(
            self._either(
                lambda: lib.nvmlDeviceGetComputeRunningProcesses_v3(card),
                lambda: lib.nvmlDeviceGetComputeRunningProcesses_v2(card),
            )
        )
        try:
            listed += self._either(
                lambda: lib.nvmlDeviceGetGraphicsRunningProcesses_v3(card),
                lambda: lib.nvmlDeviceGetGraphicsRunningProcesses_v2(card),
            )
        except Failed:
            pass  # cards without graphics, MIG
        return [_held(entry) for entry in listed]

    def shares(self, card: Handle, key: str) -> dict[int, float]:
        """Percent of the GPU by process since the last question for `key`; nobody in it: all were idle."""
        now = time.monotonic()
        window_s = min(_LONGEST_WINDOW_S, now - self._asked_at.get(key, now - _FIRST_WINDOW_S))
        self._asked_at[key] = now
        # from the clock each time: times that the driver gave would hold for ever after the clock is set back
        since_us = int((time.time() - window_s) * 1e6)
        try:
            samples = self._try(lambda: self._lib.nvmlDeviceGetProcessUtilization(card, since_us))
        except Failed as failed:
            if failed.trouble.code == words.NOT_FOUND:
                return {}
            raise
        found: dict[int, list[float]] = {}
        for sample in samples:
            if sample.pid and sample.smUtil <= 100 and sample.timeStamp >= since_us:
                found.setdefault(sample.pid, []).append(float(sample.smUtil))
        return {pid: sum(values) / len(values) for pid, values in found.items()}


def _held(entry: Any) -> Held:
    size = entry.usedGpuMemory
    if size is not None and size >= _NO_SIZE:
        size = None
    return Held(int(entry.pid), size, int(getattr(entry, "gpuInstanceId", 0)))


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _trouble_of(error: Exception) -> Trouble:
    if isinstance(error, AttributeError):
        # a pynvml from before the call existed
        return Trouble(words.FUNCTION_NOT_FOUND, str(error))
    code = getattr(error, "value", None)
    return Trouble(code if isinstance(code, int) else None, str(error).rstrip("."))
