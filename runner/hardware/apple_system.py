"""How short of memory a Mac is, how much of it the training takes, and the watts and degrees of its GPU.

Facts: pressure level 1 normal, 2 warning, 4 critical; `Swapouts` of vm_stat counts pages since boot; RSS
misses compressed and GPU memory, so the footprint (Activity Monitor's figure) is taken: the 8th number behind
the 16 bytes of uuid in rusage_info_v0. Watts and degrees come from macmon, where the user has it; it reads
private interfaces and was seen to crash on new chips, so that it always runs in a process of its own: the
program `macmon` in PATH, else the wheel macmon-lib (extra `mac`) in a second interpreter.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
import re
import shutil
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from runner.hardware.source import Ask, Unanswered, ask, number_in
from runner.process.spawn import source_command

CRITICAL = 4
RUSAGE_BYTES = 96
_FOOTPRINT_AT = 72
_LEVEL = b"kern.memorystatus_vm_pressure_level"
#: through a name of its own, so that the type checker looks at both ways on every system
ON_A_MAC: bool = sys.platform == "darwin"

#: a reading of macmon costs half a second of a process
EVERY_S = 20.0
#: after so many failures in a row it is left alone
TRIES = 3
_MACMON_TIMEOUT_S = 5.0
_ABSENT = "needs macmon: brew install macmon, or plasma-tui[mac]"
#: the first reading of a sampler covers no time yet
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
    """1, 2 or 4; 3 is not in use, above 4 is critical, below 1 is no level."""
    return min(value, CRITICAL) if value >= 1 else None


def swapped_out(answer: bytes) -> int | None:
    """Bytes written to swap since boot, by what vm_stat prints."""
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
    """The kernel's level now; None where it does not tell (microseconds, no process)."""
    if not ON_A_MAC:
        return None
    level, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    name, value, length = ctypes.c_char_p(_LEVEL), ctypes.byref(level), ctypes.byref(size)
    try:
        failed = ctypes.CDLL(None).sysctlbyname(name, value, length, None, ctypes.c_size_t(0))
    except (OSError, AttributeError):
        return None
    return None if failed else level_of(level.value)


def footprint(pid: int) -> int | None:
    """Bytes of memory that the process answers for; None for one that is gone or somebody else's."""
    if not ON_A_MAC:
        return None
    usage = ctypes.create_string_buffer(RUSAGE_BYTES * 2)
    try:
        libproc = ctypes.CDLL("/usr/lib/libproc.dylib")
        failed = libproc.proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(0), usage)
    except (OSError, AttributeError):
        return None
    return None if failed else footprint_in(usage.raw)


# ----------------------------------------------------------------------------- macmon


@dataclass(frozen=True, slots=True)
class Heat:
    """None: not told; `reason` says why where both are."""

    power_w: float | None = None
    temperature_c: float | None = None
    reason: str | None = None


def heat_in(answer: bytes) -> Heat:
    """The last whole line of JSON that `macmon pipe` prints. Fields differ between its versions."""
    for line in reversed(answer.splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            temperatures = found.get("temp")
            degrees = temperatures.get("gpu_temp_avg") if isinstance(temperatures, dict) else None
            heat = Heat(
                _positive(found.get("gpu_power")), _positive(degrees) or None
            )  # 0: no sensor
            if heat.power_w is not None or heat.temperature_c is not None:
                return heat
    return Heat(reason="the answer of macmon is not understood")


def _positive(value: object) -> float | None:
    number = number_in(value)
    return number if number is not None and number >= 0 else None


def find_macmon() -> tuple[str, ...] | None:
    """The command that prints one reading; None: macmon is not here."""
    if program := shutil.which("macmon"):
        return program, "pipe", "-s", "1", "-i", "500"
    try:
        if importlib.util.find_spec("macmon") is not None:
            return tuple(source_command(_BY_LIBRARY))
    except (ImportError, ValueError):
        pass
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
        self._command: tuple[str, ...] | None = None
        self._looked = False
        self._failed = 0
        self._at = -math.inf
        self._last = Heat(reason=_ABSENT)

    def read(self) -> Heat:
        """At most one process every `EVERY_S` seconds."""
        if not self._looked:
            self._looked, self._command = True, self._find()
        due = self._clock() - self._at >= EVERY_S
        if self._command is None or not due or self._failed >= TRIES:
            return self._last
        self._at = self._clock()
        try:
            self._last = heat_in(self._ask(self._command, _MACMON_TIMEOUT_S))
        except Unanswered as error:
            self._last = Heat(reason=str(error))
        self._failed = self._failed + 1 if self._last.reason else 0
        return self._last
