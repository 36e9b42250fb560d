"""Facts about one attempt: the parts of the supervisor read them, nothing changes them."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from runner.analysis.expected import expected_saves, states_are_saved
from runner.model import (
    AttemptPlan,
    AttemptStatus,
    Checkpoint,
    ExitRecord,
    ExpectedCheckpoint,
    KeeperRecord,
    RunSpec,
    Status,
)
from runner.state.attempt_state import AttemptState
from runner.store.attempt import newest_attempt
from runner.store.journal import Unreadable, read_json, readable
from runner.store.rundir import RunDir

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """`before`: the run's status before this supervision; None: none. `problems`: unreadable files, a
    sentence each; their facts are taken from other files, or empty."""

    run: RunDir
    spec: RunSpec
    attempt: int
    plan: AttemptPlan
    before: Status | None
    problems: tuple[str, ...] = ()

    @property
    def resumes_supervision(self) -> bool:
        """Did an earlier supervisor write a status of this attempt?"""
        return self.before is not None and self.before.attempt == self.attempt

    @property
    def earlier_attempts(self) -> tuple[AttemptStatus, ...]:
        before = self.before.attempts if self.before is not None else ()
        return tuple(a for a in before if a.attempt < self.attempt)

    def attempts(self, state: AttemptState) -> tuple[AttemptStatus, ...]:
        """The earlier ones, and this one without its times."""
        return (*self.earlier_attempts, state.status(0.0))

    def total_steps(self, state: AttemptState) -> int | None:
        """From the trainer's banner, else the forecast; from the plan, if the trainer on its own would train
        past it."""
        if self.plan.stop_step is not None:
            return self.plan.stop_step
        if state.total_steps is not None or self.spec.forecast is None:
            return state.total_steps
        return self.spec.forecast.steps

    def expected_saves(self, state: AttemptState) -> tuple[ExpectedCheckpoint, ...]:
        """The files that this attempt will write, as far as known."""
        return expected_saves(self.plan, self.spec.forecast, self.total_steps(state))

    def saves_states(self, state: AttemptState, seen: Sequence[Checkpoint]) -> bool:
        """Are states saved with checkpoints during training?"""
        return states_are_saved(self.plan, self.expected_saves(state), seen)

    @property
    def output_dir(self) -> str | None:
        """Where this attempt writes."""
        return self.plan.output_dir or self.spec.output_dir

    @property
    def event_folder(self) -> Path | None:
        chosen = self.plan.logging_dir or self.spec.logging_dir
        return self.resolve(chosen) if chosen else None

    def resolve(self, path: str) -> Path:
        """A path printed by the trainer, relative to its working folder."""
        return Path(self.plan.cwd) / path

    def keeper(self) -> KeeperRecord | None:
        found = readable(self.run.keeper, KeeperRecord)
        return found if found is not None and found.attempt == self.attempt else None

    def exit(self) -> ExitRecord | None:
        found = readable(self.run.exit, ExitRecord)
        return found if found is not None and found.attempt == self.attempt else None


def read_context(run: RunDir, before: Status | None) -> AttemptContext:
    """From spec.json and the newest plan. Never raises for their content: a training may be running."""
    problems: list[str] = []
    attempt = max(_attempt(run), before.attempt if before is not None else 1)
    spec = _read(run.spec, RunSpec, problems)
    plan = _read(run.attempt(attempt), AttemptPlan, problems)
    known = plan or spec
    command, cwd, env = (known.command, known.cwd, known.env) if known else ((), "/", {})
    folder, name = (known.output_dir, known.output_name) if known else (None, None)
    if plan is None:
        logs = spec.logging_dir if spec is not None else None
        plan = AttemptPlan(attempt, command, env, cwd, folder, name, logging_dir=logs)
    if spec is None:
        made_at, host = _made_at(run, before), socket.gethostname()
        spec = RunSpec(run.id, name or run.id, command, cwd, env, made_at, host, folder, name)
    return AttemptContext(run, spec, attempt, plan, before, tuple(problems))


def _read(path: Path, kind: type[T], problems: list[str]) -> T | None:
    try:
        return read_json(path, kind)
    except Unreadable as error:
        problems.append(str(error))
        return None


def _attempt(run: RunDir) -> int:
    """By every file that names it: any may have been deleted."""
    record = readable(run.keeper, KeeperRecord)
    recorded = record.attempt if record is not None else 1
    try:
        return max(newest_attempt(run), recorded)
    except Unreadable:
        return recorded


def _made_at(run: RunDir, before: Status | None) -> float:
    if before is not None and before.started_at:
        return before.started_at
    try:
        return run.path.stat().st_mtime
    except OSError:
        return time.time()
