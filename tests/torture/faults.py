"""What can be done to a training: one table. A fault acts on a life when it is called, and says what it did.

Each row has a family (a part of the fault matrix), the phases at which it makes sense, and whether the training
may end by it. Families live in `faults_*.py`; a new fault is a decorated function in one of them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from runner.model import Outcome
from tests.torture.life import PHASES, Life

Act = Callable[[Life], str]
#: outcomes of an attempt whose trainer nobody harmed
UNHARMED = frozenset({Outcome.SUCCEEDED})
KILLED = frozenset({Outcome.SUCCEEDED, Outcome.KILLED})
#: a launcher or a worker was killed: the trainer reports a failure of its own, or nothing
BROKEN = frozenset({Outcome.SUCCEEDED, Outcome.KILLED, Outcome.FAILED})
STOPPED = frozenset({Outcome.SUCCEEDED, Outcome.STOPPED})


@dataclass(frozen=True, slots=True)
class Fault:
    """`outcomes`: those that an attempt may have after this fault. `needs`: launcher, workers,
    screen, root: what the life must have. `prepare`: what the life needs before its start."""

    name: str
    family: str
    act: Act
    outcomes: frozenset[Outcome] = UNHARMED
    phases: tuple[str, ...] = tuple(PHASES)
    needs: frozenset[str] = frozenset()
    weight: float = 1.0
    prepare: Callable[[Life], None] | None = None


TABLE: list[Fault] = []


def fault(
    name: str,
    family: str,
    outcomes: frozenset[Outcome] = UNHARMED,
    *,
    phases: tuple[str, ...] = tuple(PHASES),
    needs: tuple[str, ...] = (),
    weight: float = 1.0,
    prepare: Callable[[Life], None] | None = None,
) -> Callable[[Act], Act]:
    """Enter a function into the table."""

    def enter(act: Act) -> Act:
        TABLE.append(Fault(name, family, act, outcomes, phases, frozenset(needs), weight, prepare))
        return act

    return enter


def load_families() -> list[Fault]:
    """The whole table."""
    from tests.torture import (  # noqa: F401
        faults_disk,
        faults_files,
        faults_orders,
        faults_process,
        faults_world,
    )

    return TABLE


def frozen(life: Life, roles: tuple[str, ...], seconds: float) -> str:
    """SIGSTOP, a while, SIGCONT."""
    hit = [(role, life.signal(role, signal.SIGSTOP)) for role in roles]
    time.sleep(seconds)
    for role in roles:
        life.signal(role, signal.SIGCONT)
    return f"stopped and continued {hit} for {seconds:.1f} s"
