"""The files of one attempt within its run folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner.model import AttemptPlan, ExitRecord, KeeperRecord, RunSpec
from runner.store.journal import Unreadable, readable
from runner.store.rundir import RunDir

_NUMBER = re.compile(r"^attempt-(\d+)\.json$")


def attempts_of(run: RunDir) -> list[int]:
    """The N of every attempt-N.json, in order."""
    return sorted(int(m[1]) for name in os.listdir(run.path) if (m := _NUMBER.match(name)))


def newest_attempt(run: RunDir) -> int:
    """The highest N of attempt-N.json. Raises Unreadable if there is none."""
    numbers = attempts_of(run)
    if not numbers:
        raise Unreadable("attempt-1.json is missing")
    return numbers[-1]


def newest_started(run: RunDir, status_attempt: int) -> int:
    """The newest attempt that was started. A plan of a later one was written by a resume that was killed
    before its supervisor came up: nothing of it ever ran. Raises Unreadable."""
    newest = newest_attempt(run)
    while newest > max(1, status_attempt) and not run.started(newest).exists():
        newest -= 1
    return newest


class AttemptFiles:
    """Paths and small readings that belong to one attempt."""

    def __init__(self, run: RunDir, attempt: int, plan: AttemptPlan, spec: RunSpec) -> None:
        self.run, self.attempt, self.plan, self.spec = run, attempt, plan, spec
        self._started_at: float | None = None

    @property
    def started_mark(self) -> Path:
        """See RunDir.started."""
        return self.run.started(self.attempt)

    def keeper(self) -> KeeperRecord | None:
        found = readable(self.run.keeper, KeeperRecord)
        if found is None or found.attempt != self.attempt:
            return None
        self._started_at = found.started_at
        return found

    def exit(self) -> ExitRecord | None:
        found = readable(self.run.exit, ExitRecord)
        return found if found is not None and found.attempt == self.attempt else None

    def resolve(self, path: str) -> Path:
        """A path as the trainer printed it, seen from its working folder."""
        return Path(self.plan.cwd) / path

    @property
    def event_folder(self) -> Path | None:
        chosen = self.plan.logging_dir or self.spec.logging_dir
        return self.resolve(chosen) if chosen else None

    def is_ours(self, wall_at: float) -> bool:
        """A logging_dir of the user's own may hold event files of earlier trainings."""
        return self._started_at is None or wall_at >= self._started_at - 1.0

    def total_steps(self, announced: int | None) -> int | None:
        """What the trainer `announced` in its banner, else the forecast's; the plan's, where the trainer's
        own end lies past it."""
        if self.plan.stop_step is not None:
            return self.plan.stop_step
        if announced is not None:
            return announced
        return self.spec.forecast.steps if self.spec.forecast is not None else None
