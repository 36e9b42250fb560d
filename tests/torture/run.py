"""One life after the other: a seed decides the project, the faults, their phases and moments."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runner.model import RunSnapshot
from tests.torture.faults import Fault
from tests.torture.judge import READOPTION_S, judge
from tests.torture.life import Life, Overdue, succeeded
from tests.torture.project import Trainer
from tests.torture.reference import Reference, reference_of

#: after these the rest of the training is left in peace
ATTEMPTS_WITH_FAULTS = 5
ATTEMPTS_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One fault at one moment. `phase`: in which it really came. `outcome`: of the attempt it met."""

    fault: str
    family: str
    phase: str
    attempt: int
    did: str


@dataclass(frozen=True, slots=True)
class Result:
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


@dataclass
class Torture:
    """`table`: the faults to choose from. `scratch`: where lives take place, a folder each."""

    trainer: Trainer
    table: Sequence[Fault]
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

    def live(self, seed: int) -> Result:
        """One life: faults until the seed has no more, resumed until it has ended well."""
        rng = random.Random(f"{seed} {self.trainer.name}")
        launcher = "accelerate" if rng.random() < 0.25 else "python"
        workers = 1 if rng.random() < 0.15 else 0
        screens = rng.random() < 0.2
        given = {"screen"} if screens else set()
        given |= {"launcher"} if launcher == "accelerate" else set()
        given |= {"worker"} if workers else set()
        given |= {"root"} if os.geteuid() == 0 else set()
        chosen = list(_choose(rng, [f for f in self.table if f.needs <= given]))
        reference = self.reference(launcher, workers)
        life = Life(seed, self.scratch / f"life-{seed}", self.trainer, launcher, workers)
        points: list[Point] = []
        lost: list[str] = []
        last: RunSnapshot | None = None
        try:
            life.start()
            if screens:
                life.open_screen()
            last = self._suffer(life, chosen, points)
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
        return Result(
            seed, self.trainer.name, tuple(points), tuple(lost),
            str(last.outcome) if last is not None else "unknown",
            tuple(round(one, 2) for one in life.readopted_s), life.resident_mb,
            round(time.monotonic() - life.began_at, 1), tuple(life.notes),
        )  # fmt: skip

    def _suffer(
        self, life: Life, chosen: list[tuple[Fault, str]], points: list[Point]
    ) -> RunSnapshot:
        while True:
            if chosen and life.attempt <= ATTEMPTS_WITH_FAULTS:
                one, phase = chosen.pop(0)
                came = life.reach(phase)
                life.note(f"{one.name} at {came} (wanted {phase})")
                life.allowed |= {str(outcome) for outcome in one.outcomes}
                did = one.act(life)
                life.note(did)
                points.append(Point(one.name, one.family, came, life.attempt, did))
                if not life.over() and chosen and life.random.random() < 0.8:
                    continue  # the next fault in the same attempt
            last = life.settle()
            if succeeded(last) or life.attempt >= ATTEMPTS_AT_MOST or not life.resume():
                return last


def _choose(rng: random.Random, table: Sequence[Fault]) -> Iterator[tuple[Fault, str]]:
    """Four to fourteen faults, each with a phase."""
    for _ in range(rng.randint(4, 14)):
        one = rng.choices(table, [f.weight for f in table])[0]
        yield one, rng.choice(one.phases)


def _keep(life: Life, scratch: Path) -> None:
    """The run folder of a life in which something was lost, for a person to look at."""
    import shutil

    target = scratch / "lost" / f"{life.trainer.name}-{life.seed}"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(life.run.path, target, symlinks=True)
    (target / "torture.txt").write_text("\n".join(life.notes))


def slow(result: Result) -> bool:
    """Did a successor need longer than a person waits?"""
    return any(one > READOPTION_S for one in result.readopted_s)
