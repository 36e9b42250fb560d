"""What a source of readings is: one file each in this package, each polled in its own thread; and how a
source runs another program.

A hung driver only blocks its own thread; its last reading is shown with its age.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from runner.model import GpuSample, HardwareSample
from runner.model.units import finite

#: the exit code of a program that cannot be started, as shells give it
NOT_STARTED = 127


@dataclass(frozen=True, slots=True)
class Asked:
    """Input of a source. `run_pids`: processes of the training as last seen, empty if none; `root_pid`,
    `members`: where to find them, see `TreeMeter.read`."""

    run_pids: frozenset[int] = frozenset()
    root_pid: int | None = None
    members: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer. `reason`: why there is nothing, one sentence for display; `final`: there never will be on
    this machine (no driver, another system), so do not ask again. `host`: CPU, memory and disks; the fields
    between are Apple's."""

    gpus: tuple[GpuSample, ...] = ()
    pressure: int | None = None
    swapped_out_bytes: int | None = None
    footprint_bytes: int | None = None
    host: HardwareSample | None = None
    reason: str | None = None
    final: bool = False


class Source(Protocol):
    """`name`: host, nvidia, apple, amd; `period_s`: polling interval."""

    name: str
    period_s: float

    def read(self, asked: Asked) -> Reading:
        """May block, never raises for missing hardware. Called from one thread only."""

    def close(self) -> None: ...


class Unanswered(Exception):
    """No answer; the text is one sentence for display. `code`: the exit code, None on timeout; `output`: what
    it still printed."""

    def __init__(self, text: str, code: int | None = None, output: str = "") -> None:
        super().__init__(text)
        self.code, self.output = code, output


#: raises Unanswered; the answer may be empty
Ask = Callable[[Sequence[str], float], bytes]


def ask(command: Sequence[str], timeout_s: float, stderr: int = subprocess.DEVNULL) -> bytes:
    """What the command prints. Raises Unanswered when it is missing, too slow or fails; blocks longer than
    `timeout_s` only if the driver prevents killing the command."""
    name = PurePath(command[0]).name
    try:
        found = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"{name} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unanswered(f"{name} cannot be started: {reason}", NOT_STARTED) from None
    if code := found.returncode:
        said = found.stdout.decode(errors="replace")
        raise Unanswered(f"{name} failed with exit code {code}", code, said)
    return found.stdout


def number_in(value: object) -> float | None:
    """The number in an untrusted answer, if it is usable."""
    return finite(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def share_of_time(
    now: Mapping[str, int], before: Mapping[str, int], passed_s: float
) -> float | None:
    """Percent of GPU time of a process, from counters (ns) of its connections. A new connection counts fully,
    a closed one not at all, and no counter runs backwards."""
    if passed_s <= 0:
        return None
    gained_ns = sum(max(0, total - before.get(client, 0)) for client, total in now.items())
    return min(100.0, gained_ns / 1e9 / passed_s * 100)
