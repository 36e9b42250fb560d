"""Memory pressure of a Mac, memory of the training, and watts and degrees of its GPU.

Facts: pressure level 1 normal, 2 warning, 4 critical; `Swapouts` of vm_stat counts pages since boot; RSS
misses compressed and GPU memory, so the footprint (Activity Monitor's value) is used: the 8th number after
the 16 bytes of uuid in rusage_info_v0. Watts and degrees are from macmon, if installed; it reads private
interfaces and can crash on new chips, so it always runs in a separate process: the program `macmon` in PATH,
else the wheel macmon-lib (extra `mac`) in a second interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import math
import re
import shutil
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runner.files.json_text import parse_json
from runner.hardware.source import Ask, Unanswered, ask, number_in
from runner.process.spawn import source_command

CRITICAL = 4
RUSAGE_BYTES = 96
_FOOTPRINT_AT = 72
_LEVEL = b"kern.memorystatus_vm_pressure_level"
#: through a variable, so that the type checker checks both branches on every system
ON_A_MAC: bool = sys.platform == "darwin"

#: a reading of macmon costs half a second of a process
EVERY_S = 20.0
#: after this many failures in a row it is no longer used
TRIES = 3
_MACMON_TIMEOUT_S = 5.0
_ABSENT = "needs macmon: brew install macmon, or plasma-tui[mac]"
#: a sampler's first reading covers no time yet
_BY_LIBRARY = """\
import json, time
from macmon import Sampler
with Sampler() as sampler:
    sampler.metrics()
    time.sleep(0.5)
    found = sampler.metrics()
print(json.dumps({"gpu_power": found.power.gpu, "temp": {"gpu_temp_avg": found.temperature.gpu_average}}))
"""


def level_of(value: int) -> int | None:
    """1, 2 or 4; 3 is unused, above 4 is critical, below 1 is invalid."""
    return min(value, CRITICAL) if value >= 1 else None


def swapped_out(answer: bytes) -> int | None:
    """Bytes written to swap since boot, from vm_stat."""
    text = answer.decode("ascii", "replace")
    page = re.search(r"page size of (\d+) bytes", text)
    count = re.search(r"^\W*Swapouts\W*:\s*(\d+)", text, re.M)
    return int(page[1]) * int(count[1]) if page and count else None


def footprint_in(usage: bytes) -> int | None:
    """`ri_phys_footprint` of a rusage_info_v0."""
    if len(usage) < RUSAGE_BYTES:
        return None
    return int(struct.unpack_from("=Q", usage, _FOOTPRINT_AT)[0])


def pressure() -> int | None:
    """The kernel's current level; None if not reported (microseconds, no process)."""
    level, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    asked = ctypes.c_char_p(_LEVEL), ctypes.byref(level), ctypes.byref(size)
    done = _called(None, "sysctlbyname", *asked, None, ctypes.c_size_t(0))
    return level_of(level.value) if done else None


def footprint(pid: int) -> int | None:
    """The process's memory footprint in bytes; None for one that ended or belongs to another user."""
    usage = ctypes.create_string_buffer(RUSAGE_BYTES * 2)
    library, asked = "/usr/lib/libproc.dylib", (ctypes.c_int(pid), ctypes.c_int(0), usage)
    return footprint_in(usage.raw) if _called(library, "proc_pid_rusage", *asked) else None


def _called(library: str | None, name: str, *arguments: Any) -> bool:
    """Did a function of macOS succeed?"""
    try:
        return ON_A_MAC and not getattr(ctypes.CDLL(library), name)(*arguments)
    except (OSError, AttributeError):
        return False


# ----------------------------------------------------------------------------- macmon


@dataclass(frozen=True, slots=True)
class Heat:
    """None: not reported; `reason` says why if both are None."""

    power_w: float | None = None
    temperature_c: float | None = None
    reason: str | None = None


def heat_in(answer: bytes) -> Heat:
    """The last complete JSON line of `macmon pipe`. Fields differ between its versions."""
    for line in reversed(answer.splitlines()):
        try:
            found = parse_json(line)
            temperatures = found.get("temp") or {}
            values = found.get("gpu_power"), temperatures.get("gpu_temp_avg")
        except (ValueError, AttributeError):
            continue
        power_w, degrees = map(number_in, values)
        heat = Heat(
            power_w if (power_w or 0.0) >= 0 else None,
            degrees if (degrees or 0.0) > 0 else None,  # 0: no sensor
        )
        if heat.power_w is not None or heat.temperature_c is not None:
            return heat
    return Heat(reason="unknown output of macmon")


def find_macmon() -> tuple[str, ...] | None:
    """The command that prints one reading; None: macmon is not installed."""
    if program := shutil.which("macmon"):
        return program, "pipe", "-s", "1", "-i", "500"
    with contextlib.suppress(ImportError, ValueError):
        if importlib.util.find_spec("macmon") is not None:
            return tuple(source_command(_BY_LIBRARY))
    return None


class Macmon:
    """Keeps the last reading, because each costs a process."""

    def __init__(
        self,
        ask: Ask = ask,
        find: Callable[[], tuple[str, ...] | None] = find_macmon,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._find, self._clock = ask, find, clock
        #: None: not searched yet, (): macmon is not installed
        self._command: tuple[str, ...] | None = None
        self._failed = 0
        self._at = -math.inf
        self._last = Heat(reason=_ABSENT)

    def read(self) -> Heat:
        """At most one process every `EVERY_S` seconds."""
        if self._command is None:
            self._command = self._find() or ()
        now = self._clock()
        if self._command and now - self._at >= EVERY_S and self._failed < TRIES:
            self._at = now
            try:
                self._last = heat_in(self._ask(self._command, _MACMON_TIMEOUT_S))
            except Unanswered as error:
                self._last = Heat(reason=str(error))
            self._failed = self._failed + 1 if self._last.reason else 0
        return self._last
