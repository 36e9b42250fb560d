"""`[trainer] nice`: the trainer's processes stand back on the CPU, and nobody else of ours does."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.begin import prepare
from runner.control.resume import plan_resume
from runner.model import KeeperRecord
from runner.store.journal import read_json
from runner.store.rundir import RunDir
from runner.trainers.registry import load_config
from tests.process.helpers import clean_up, spec_for, wait_end, wait_for, wait_step

OWN = os.getpriority(os.PRIO_PROCESS, 0)
WANTED = max(OWN, 10) + 3


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    output = tmp_path / "out"
    spec, plan = spec_for(output, "--steps", "5000", "--delay", "0.05", "--save_state")
    found = launch.start_run(spec, replace(plan, nice=WANTED))
    yield found
    clean_up(found, output)


def record(run: RunDir, attempt: int) -> KeeperRecord:
    def found() -> KeeperRecord | None:
        seen = read_json(run.keeper, KeeperRecord) if run.keeper.exists() else None
        return seen if seen is not None and seen.attempt == attempt else None

    return wait_for(found, what=f"attempt {attempt}")


def test_the_trainer_alone_stands_back_and_a_resume_keeps_it(run: RunDir) -> None:
    first = record(run, 1)
    assert psutil.Process(first.pid).nice() == WANTED
    assert psutil.Process(first.keeper_pid).nice() == OWN
    wait_step(run, 12)
    control.stop(run.path)
    launch.start_attempt(run, plan_resume(wait_end(run)).plan)
    assert psutil.Process(record(run, 2).pid).nice() == WANTED
    control.stop(run.path)
    wait_end(run)


def test_a_starter_that_stands_back_more_is_not_overruled(tmp_path: Path) -> None:
    """Only root may lower a niceness; for everybody else the start would fail."""
    from runner.process.keeper import stand_back

    pid = os.fork()
    if pid == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 15)
        stand_back(5)
        os._exit(os.getpriority(os.PRIO_PROCESS, 0))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 15


def test_the_setting_reaches_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "home"))
    text = '[trainer]\nsd_scripts = "embedded"\nnice = 7\n[train]\noutput_dir = "out"\n'
    (tmp_path / "plasma.toml").write_text(text, encoding="utf-8")
    assert prepare(load_config(tmp_path)).plan.nice == 7
