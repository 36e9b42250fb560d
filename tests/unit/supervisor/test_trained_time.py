"""How long a run has trained: until its trainer ended, not until its files were verified."""

from __future__ import annotations

import time
from dataclasses import replace
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


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """Of a training that began 22 s ago."""
    run = RunDir(tmp_path)
    now = time.time()
    write_json(run.spec, RunSpec("r", "r", (), str(tmp_path), {}, now - 30, "host"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, str(tmp_path), str(tmp_path), "r"))
    made = Supervisor(run)
    made.keeper = KeeperRecord(1, 1, 2, 2, now - 22)
    return made


def test_trained_time_ends_with_the_trainer_and_not_with_the_evaluation(
    supervisor: Supervisor,
) -> None:
    assert supervisor.status().trained_s == pytest.approx(22.0, abs=1.0)
    assert supervisor.keeper is not None
    supervisor.exit = ExitRecord(1, 0, None, supervisor.keeper.started_at + 7.0)
    assert supervisor.status().trained_s == pytest.approx(7.0)


def test_of_a_trainer_whose_end_nobody_saw_the_time_until_it_was_last_alive_counts(
    supervisor: Supervisor,
) -> None:
    assert supervisor.keeper is not None
    supervisor.exit_unseen, supervisor.alive_at = True, supervisor.keeper.started_at + 9.0
    assert supervisor.status().trained_s == pytest.approx(9.0)


def test_after_a_launcher_that_left_its_trainer_behind_the_trainers_time_counts(
    supervisor: Supervisor,
) -> None:
    assert supervisor.keeper is not None
    began = supervisor.keeper.started_at
    supervisor.alive_at = began + 15.0
    supervisor.exit = ExitRecord(1, None, 9, began + 3.0, orphans=((5, 0),))
    assert supervisor.status().trained_s == pytest.approx(15.0)


def test_earlier_attempts_are_added(supervisor: Supervisor) -> None:
    assert supervisor.keeper is not None
    began = supervisor.keeper.started_at
    first = AttemptStatus(1, began - 100, 1, 50, ExitRecord(1, 0, None, began - 60))
    supervisor.before = Status(RunState.ENDED, 1, began - 50, attempts=(first,))
    supervisor.attempt, supervisor.exit = 2, ExitRecord(2, 0, None, began + 7.0)
    supervisor.plan = replace(supervisor.plan, attempt=2)
    assert supervisor.status().trained_s == pytest.approx(47.0)
