"""One life after the other: a seed decides the project, the faults, their phases and moments."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runner.model import RunSnapshot
from tests.torture.faults import Fault
from tests.torture.judge import judge, judge_gone
from tests.torture.life import PHASES, Life, Overdue, copy_folder, succeeded
from tests.torture.project import Trainer
from tests.torture.reference import Reference, reference_of

#: after these the rest of the training is left in peace
ATTEMPTS_WITH_FAULTS = 5
ATTEMPTS_AT_MOST = 8
#: so many faults in a row come in the order of the phases
IN_ORDER = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One fault at one moment. `phase`: in which it really came."""

    fault: str
    family: str
    phase: str
    attempt: int
    did: str


@dataclass(frozen=True, slots=True)
class LifeResult:
    """A life: its points, and what was lost, a sentence each."""

    seed: int
    trainer: str
    points: tuple[Point, ...]
    lost: tuple[str, ...]
    outcome: str
    readopted_s: tuple[float, ...]
    resident_mb: float
    took_s: float
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed has decided: the project, and each fault with the phase in which it is to come."""

    launcher: str
    workers: int
    screen: bool
    faults: tuple[tuple[Fault, str], ...]


def drawn(seed: int, table: Sequence[Fault], trainer: str) -> Plan:
    """Four to fourteen faults of those that the project allows."""
    rng = random.Random(f"{seed} {trainer}")
    launcher = "accelerate" if rng.random() < 0.25 else "python"
    workers = 1 if rng.random() < 0.15 else 0
    screen = rng.random() < 0.2
    given = {"screen"} if screen else set()
    given |= {"launcher"} if launcher == "accelerate" else set()
    given |= {"worker"} if workers else set()
    given |= {"root"} if os.geteuid() == 0 else set()
    able = [one for one in table if one.needs <= given]
    chosen = rng.choices(able, [one.weight for one in able], k=rng.randint(4, 14))
    faults = [(one, rng.choice(one.phases)) for one in chosen]
    for at in range(
        0, len(faults), IN_ORDER
    ):  # else an early one at the end of an attempt hides the others
        faults[at : at + IN_ORDER] = sorted(faults[at : at + IN_ORDER], key=_when)
    return Plan(launcher, workers, screen, tuple(faults))


def _when(planned: tuple[Fault, str]) -> int:
    return list(PHASES).index(planned[1])


@dataclass
class Torture:
    """`scratch`: where lives take place, a folder each."""

    trainer: Trainer
    scratch: Path
    references: dict[tuple[str, int], Reference] = field(default_factory=dict)

    def reference(self, launcher: str, workers: int) -> Reference:
        """Measured once for each kind of project."""
        key = (launcher, workers)
        if key not in self.references:
            life = Life(
                0, self.scratch / f"reference-{launcher}-{workers}", self.trainer, launcher, workers
            )
            try:
                life.start()
                last = life.wait_end()
                if not succeeded(last):
                    raise SystemExit(f"the undisturbed run ended {last.outcome}: {last.status}")
                self.references[key] = reference_of(life.run, life.output, self.trainer.steps)
            finally:
                life.clean_up()
        return self.references[key]

    def live(self, seed: int, plan: Plan) -> LifeResult:
        """One life: faults until the plan has no more, resumed until it has ended well. `seed`: decides the
        moments within the phases, and what a fault leaves open."""
        reference = self.reference(plan.launcher, plan.workers)
        folder = self.scratch / f"life-{seed}"
        life = Life(seed, folder, self.trainer, plan.launcher, plan.workers)
        points: list[Point] = []
        lost: list[str] = []
        last: RunSnapshot | None = None
        try:
            for one, _ in plan.faults:
                if one.prepare is not None:
                    one.prepare(life)
            life.start()
            if plan.screen:
                life.open_screen()
            last = _suffer(life, list(plan.faults), points)
            if last is None:
                lost += judge_gone(life, reference)
            else:
                lost += judge(life, last, reference)
        except Overdue as error:
            lost.append(str(error))
        except Exception as error:
            lost.append(f"the harness failed: {type(error).__name__}: {error}")
        finally:
            lost += life.wrong
            with contextlib.suppress(OSError):
                if lost and life.run.path.exists():
                    _keep(life, self.scratch)
            life.clean_up()
        return LifeResult(
            seed, self.trainer.name, tuple(points), tuple(lost),
            str(last.outcome) if last is not None else "unknown",
            tuple(round(one, 2) for one in life.readopted_s), life.resident_mb,
            round(time.monotonic() - life.began_at, 1), tuple(life.notes),
        )  # fmt: skip


def _suffer(life: Life, chosen: list[tuple[Fault, str]], points: list[Point]) -> RunSnapshot | None:
    """None: a fault deleted the run folder, and every process has ended."""
    while True:
        if chosen and life.attempt <= ATTEMPTS_WITH_FAULTS:
            one, phase = chosen.pop(0)
            came = life.reach(phase)
            if life.attempt > 1 and came in ("starting", "caching"):
                came = "resuming"
            life.note(f"{one.name} at {came} (wanted {phase})")
            life.allowed |= {str(outcome) for outcome in one.outcomes}
            did = one.act(life)
            life.note(did)
            points.append(Point(one.name, one.family, came, life.attempt, did))
            if life.gone:
                life.wait_gone()
                return None
            if not life.over() and chosen:
                continue  # the next fault in the same attempt
        last = life.settle()
        if succeeded(last) or life.attempt >= ATTEMPTS_AT_MOST or not life.resume():
            return last


def _keep(life: Life, scratch: Path) -> None:
    """The run folder of a life in which something was lost, for a person to look at."""
    target = scratch / "lost" / f"{life.trainer.name}-{life.seed}"
    shutil.rmtree(target, ignore_errors=True)
    copy_folder(life.run.path, target)
    (target / "torture.txt").write_text("\n".join(life.notes))
