"""Watts and degrees of a Mac from macmon, where the user has it; nothing of ours depends on it.

It reads private interfaces and was seen to crash on new chips, so that it always runs in a process of its own:
the program `macmon` in PATH, else the wheel macmon-lib (extra `mac`) in a second interpreter.
"""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runner.hardware.source import Ask, Unanswered, ask

#: a reading costs half a second of a process
EVERY_S = 20.0
#: after so many failures in a row it is left alone
TRIES = 3
_TIMEOUT_S = 5.0
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
            heat = Heat(_number(found.get("gpu_power")), _number(degrees) or None)  # 0: no sensor
            if heat.power_w is not None or heat.temperature_c is not None:
                return heat
    return Heat(reason="the answer of macmon is not understood")


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def find_macmon() -> tuple[str, ...] | None:
    """The command that prints one reading; None: macmon is not here."""
    if program := shutil.which("macmon"):
        return program, "pipe", "-s", "1", "-i", "500"
    try:
        if importlib.util.find_spec("macmon") is not None:
            return sys.executable, "-P", "-c", _BY_LIBRARY
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
            self._last = heat_in(self._ask(self._command, _TIMEOUT_S))
        except Unanswered as error:
            self._last = Heat(reason=str(error))
        self._failed = self._failed + 1 if self._last.reason else 0
        return self._last
