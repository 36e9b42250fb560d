"""How long a run has trained: until its trainer ended, not until its files were verified."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.model import (
    AttemptPlan,
    AttemptStatus,
    ExitRecord,
    KeeperRecord,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from runner.supervisor.main import Supervisor

BEGAN = time.time() - 22


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """Of a training that began 22 s ago."""
    return supervised(RunDir(tmp_path), 1)


def supervised(run: RunDir, attempt: int) -> Supervisor:
    folder = str(run.path)
    write_json(run.spec, RunSpec("r", "r", (), folder, {}, BEGAN - 8, "host"))
    write_json(run.attempt(attempt), AttemptPlan(attempt, (), {}, folder, folder, "r"))
    made = Supervisor(run)
    made.trainer.keeper = KeeperRecord(attempt, 1, 2, 2, BEGAN)
    return made


def test_trained_time_ends_with_the_trainer_and_not_with_the_evaluation(
    supervisor: Supervisor,
) -> None:
    assert supervisor.status.now().trained_s == pytest.approx(time.time() - BEGAN, abs=1.0)
    supervisor.trainer.exit = ExitRecord(1, 0, None, BEGAN + 7.0)
    assert supervisor.status.now().trained_s == pytest.approx(7.0)


def test_of_a_trainer_whose_end_nobody_saw_the_time_until_it_was_last_alive_counts(
    supervisor: Supervisor,
) -> None:
    supervisor.trainer.exit_unseen, supervisor.trainer.alive_at = True, BEGAN + 9.0
    assert supervisor.status.now().trained_s == pytest.approx(9.0)


def test_after_a_launcher_that_left_its_trainer_behind_the_trainers_time_counts(
    supervisor: Supervisor,
) -> None:
    supervisor.trainer.alive_at = BEGAN + 15.0
    supervisor.trainer.exit = ExitRecord(1, None, 9, BEGAN + 3.0, orphans=((5, 0),))
    assert supervisor.status.now().trained_s == pytest.approx(15.0)


def test_earlier_attempts_are_added(tmp_path: Path) -> None:
    first = AttemptStatus(1, BEGAN - 100, 1, 50, ExitRecord(1, 0, None, BEGAN - 60))
    run = RunDir(tmp_path)
    write_json(run.status, Status(RunState.ENDED, 1, BEGAN - 50, attempts=(first,)))
    supervisor = supervised(run, 2)
    supervisor.trainer.exit = ExitRecord(2, 0, None, BEGAN + 7.0)
    assert supervisor.status.now().trained_s == pytest.approx(47.0)
