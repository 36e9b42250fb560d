"""What a source of readings is: one file each in this package, each asked in a thread of its own.

A driver that hangs blocks its own thread and nothing else; its last reading grows old, which is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runner.model import GpuSample


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source may want to know. `run_pids`: the processes of the training, empty where there is none;
    `trainer_pid`: the one that holds the model, as far as it is known."""

    run_pids: frozenset[int] = frozenset()
    trainer_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer. `reason`: why there is nothing, one sentence for people; `final`: there never will be on this
    machine (no driver, another system), so that nobody asks again. The fields beside `gpus` are Apple's."""

    gpus: tuple[GpuSample, ...] = ()
    pressure: int | None = None
    swapped_out_bytes: int | None = None
    footprint_bytes: int | None = None
    reason: str | None = None
    final: bool = False


class Source(Protocol):
    """`name`: nvidia, apple, amd ...; `period_s`: how often it is asked."""

    name: str
    period_s: float

    def read(self, asked: Asked) -> Reading:
        """May block, never raises for what the machine lacks. Called from one thread only."""

    def close(self) -> None: ...
