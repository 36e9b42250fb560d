"""A project to sweep, and runs without processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.control import begin, launch
from runner.control.sweep import SweepPlan, plan_sweep
from runner.model import RunState, Status
from runner.store.journal import write_json
from runner.store.liveness import take_lock
from runner.store.rundir import RunDir
from tests.unit.control.test_gate import PROJECT
from tests.unit.trainers.dataset.dataset_images import write_png


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "plasma.toml").write_text(PROJECT)
    (tmp_path / "dataset.toml").write_text(
        '[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = "images"\n'
    )
    write_png(tmp_path / "images" / "one.png")
    return tmp_path


def plan(project: Path, *words: str, force: str | None = "a test", **how: bool) -> SweepPlan:
    config = begin.load(project / "plasma.toml")
    words = words or ("learning_rate=1e-3,1e-4", "network_dim=4,8")
    return plan_sweep(config, words, project, force=force, **how)


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunDir]]:
    """Runs that would have got a supervisor; the test holds their locks, so they count as running."""
    started: list[RunDir] = []
    locks: list[int] = []

    def supervised(run: RunDir, _wait_s: float, **_: object) -> None:
        started.append(run)
        write_json(run.status, Status(RunState.RUNNING, 1, time.time()))
        locks.append(take_lock(run.lock) or -1)

    monkeypatch.setattr(launch, "start_supervisor", lambda *_: None)
    monkeypatch.setattr(launch, "_await_supervisor", supervised)
    yield started
    for lock in locks:
        os.close(lock)
