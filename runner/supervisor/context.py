"""What holds for a whole attempt: the parts of the supervisor read it, nothing changes it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import AttemptPlan, RunSpec, Status
from runner.store.attempt import AttemptFiles
from runner.store.rundir import RunDir


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """`before`: the run's status as it was written before this supervision; None: there was none."""

    run: RunDir
    spec: RunSpec
    attempt: int
    plan: AttemptPlan
    files: AttemptFiles
    before: Status | None
