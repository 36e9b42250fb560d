"""Feeding the guard a training that never happened: a clock, a console and losses, step by step."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

from runner.analysis.guard import Change, Guard
from runner.model import Alarm, AlarmKind, Checkpoint, Phase
from runner.model.events import EpochStarted, PhaseChanged, StepShown

NAN = math.nan
Series = Callable[[int, random.Random], float]


def checkpoint(step: int, *, finite: bool | None = True, complete: bool = True) -> Checkpoint:
    name = f"a-step{step:08d}.safetensors"
    return Checkpoint(name, f"out/{name}", step, None, 1, 0.0, 1000, complete, finite)


class Feed:
    """A training under a guard; one look a second, as the supervisor has it."""

    def __init__(self, guard: Guard | None = None, now: float = 1_000_000.0) -> None:
        self.guard = guard or Guard()
        self.now = now
        self.step = 0
        self.changes: list[Change] = []
        self.checkpoints: list[Checkpoint] = []
        self.evidence = ""
        self.more: dict[AlarmKind, str] = {}
        self._looked = now

    # ------------------------------------------------------------- time

    def wait(self, seconds: float, *, bytes_every_s: float | None = None) -> None:
        """Time passes; the trainer may print something without getting on."""
        end, printed = self.now + seconds, self.now
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            if bytes_every_s is not None and self.now - printed >= bytes_every_s:
                self.guard.on_bytes(self.now)
                printed = self.now
            self.look()

    def jump(self, seconds: float) -> None:
        """The clock goes on without us: suspend, or somebody set it."""
        self.now += seconds
        self.look()

    def look(self) -> list[Change]:
        found = self.guard.tick(self.now, self.checkpoints, lambda: self.evidence, self.more)
        self.changes += found
        self._looked = self.now
        return found

    # ------------------------------------------------------------- the trainer

    def phase(self, phase: Phase) -> None:
        self.guard.on_bytes(self.now)
        self.guard.on_console(PhaseChanged(0, phase), self.step, None, self.now)

    def epoch(self, number: int) -> None:
        self.guard.on_bytes(self.now)
        self.guard.on_console(EpochStarted(0, number, 10), self.step, None, self.now)

    def train(
        self,
        losses: Iterable[float],
        *,
        step_s: float = 1.0,
        exact: bool = True,
        averages: bool = True,
    ) -> None:
        """A step for each loss. The average is poisoned for ever by one NaN, as sd-scripts' is."""
        self.phase(Phase.TRAINING)
        for loss in losses:
            self.step += 1
            self._pass(step_s)
            if averages:
                self.poison = getattr(self, "poison", 0.0) + (0.0 if math.isfinite(loss) else NAN)
                shown = round(0.1 + self.poison, 3)
                self.guard.on_bytes(self.now)
                event = StepShown(0, self.step, None, shown)
                self.guard.on_console(event, self.step, shown, self.now)
            if exact:
                self.guard.on_exact(self.step, loss)

    def _pass(self, seconds: float) -> None:
        end = self.now + seconds
        while end - self._looked >= 1.0:
            self.now = self._looked + 1.0
            self.look()
        self.now = end

    # ------------------------------------------------------------- what came of it

    @property
    def raised(self) -> list[AlarmKind]:
        return [c.alarm.kind for c in self.changes if c.alarm.over_at is None]

    @property
    def over(self) -> list[AlarmKind]:
        return [c.alarm.kind for c in self.changes if c.alarm.over_at is not None]

    def standing(self, kind: AlarmKind) -> Alarm:
        return next(alarm for alarm in self.guard.standing if alarm.kind is kind)


def noisy(level: float = 0.1, sigma: float = 1.0) -> Series:
    """Losses of diffusion trainings: a factor of ten between steps is nothing special."""
    return lambda _, chance: level * math.exp(sigma * chance.gauss(0, 1))


def series(of: Series, steps: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [of(step, chance) for step in range(1, steps + 1)]
