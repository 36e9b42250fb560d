"""Processes and files that fail between a start and the first status: nothing that lives is judged dead, no
trainer is started twice, and every run gets a verdict."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.control.retry import carry_out, plan_retry
from runner.control.start_refusals import StartRefused
from runner.model import Outcome, RunSnapshot, RunState
from runner.store.journal import read_json, write_json
from runner.store.liveness import lock_held
from runner.store.reader import RunReader
from runner.store.registry import same_target
from runner.store.rundir import RunDir, runs_root
from runner.store.unrecorded import keeper_pids, still_runs, writing_pids
from tests import ROOT
from tests.process.helpers import (
    kill,
    kill_supervisor,
    kinds,
    look,
    processes_of,
    spec_for,
    start,
    supervisors_of,
    wait_end,
    wait_for,
    wait_step,
)


def unrecordable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nothing can be renamed to this file of a new run, as if no inode were free: a folder has its name."""
    original = launch.write_json

    def write(path: Path, *rest: object, **more: object) -> None:
        (path.parent / name).mkdir(exist_ok=True)
        original(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(launch, "write_json", write)


# --------------------------------------------------------------------------- a record that cannot be written


def test_a_trainer_without_a_record_is_watched_stopped_and_collides(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrecordable(monkeypatch, "keeper.json")
    run = start(output, "--steps", "5000")
    wait_step(run, 5)
    assert "unrecorded" in kinds(run)
    assert look(run).state is RunState.RUNNING
    with pytest.raises(StartRefused, match=run.id):
        start(output, "--steps", "10")
    control.stop(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    wait_for(lambda: not processes_of(output), 10, "the end of all processes")


def test_a_trainer_without_a_record_outlives_its_supervisor_and_its_keeper(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrecordable(monkeypatch, "keeper.json")
    run = start(output, "--steps", "150", "--delay", "0.05")
    wait_step(run, 5)
    kill_supervisor(run)
    (keeper,) = keeper_pids(run)
    kill(keeper)
    wait_for(lambda: not keeper_pids(run))
    assert look(run).state is RunState.RUNNING
    found = same_target(str(output), "fake")
    assert found is not None and found.id == run.id
    assert control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED  # model saved, every file complete
    assert snapshot.loss.last_step == 150


def test_the_exit_of_a_trainer_without_a_record_is_known(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrecordable(monkeypatch, "keeper.json")
    run = start(output, "--steps", "20", "--exit_code", "7")
    snapshot = wait_end(run)
    assert snapshot.status is not None
    ended = snapshot.status.attempts[0].exit
    assert ended is not None and ended.code == 7


def test_a_wrong_verdict_on_a_living_trainer_frees_neither_its_folder_nor_its_run(
    output: Path,
) -> None:
    run = start(output, "--steps", "5000")
    wait_step(run, 5)
    kill_supervisor(run)
    status = look(run).status
    assert status is not None
    from dataclasses import replace

    write_json(run.status, replace(status, state=RunState.ENDED, outcome=Outcome.KILLED))
    with pytest.raises(StartRefused, match=run.id):
        start(output, "--steps", "10")
    with pytest.raises(StartRefused, match="still alive"):
        launch.start_attempt(run, replace(read_plan(run), attempt=2))
    control.stop(run.path)
    wait_for(lambda: not processes_of(output), 20, "the end of all processes")
    assert wait_end(run).outcome is Outcome.STOPPED


def read_plan(run: RunDir):  # type: ignore[no-untyped-def]
    from runner.model import AttemptPlan

    return read_json(run.attempt(1), AttemptPlan)


def test_a_keeper_is_known_by_its_folder_however_that_is_spelled(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(output, "--steps", "5000")
    wait_step(run, 5)
    link = tmp_path / "link"
    link.symlink_to(runs_root())
    kill_supervisor(run)
    assert RunReader(link / run.id).read_all().state is RunState.RUNNING
    assert control.adopt(link / run.id)
    wait_for(lambda: kinds(run).count("adopted") == 1)
    control.stop(run.path)
    assert wait_end(run).outcome is Outcome.STOPPED


# --------------------------------------------------------------------------- never started


def made(output: Path, *flags: str) -> RunDir:
    """A run folder as its starter left it just before the supervisor was started."""
    spec, plan = spec_for(output, *flags)
    run = RunDir(runs_root() / spec.id)
    run.inbox_done.mkdir(parents=True)
    write_json(run.attempt(1), plan)
    write_json(run.spec, spec)
    return run


def test_a_run_whose_supervisor_died_before_its_keeper_gets_a_verdict_and_is_retried(
    output: Path,
) -> None:
    run = made(output, "--steps", "3")
    assert control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert snapshot.status is not None and snapshot.status.cause is not None
    assert snapshot.status.cause.key == "not_started"
    assert processes_of(output) == []
    with pytest.raises(control.Refused, match=f"never started.*retry {run.id}"):
        plan_resume(snapshot)
    again = carry_out(plan_retry(snapshot))
    assert wait_end(again).outcome is Outcome.SUCCEEDED


def test_a_late_supervisor_starts_nothing_once_the_run_has_its_verdict(output: Path) -> None:
    run = made(output, "--steps", "3")
    control.adopt(run.path)
    wait_end(run)
    wait_for(lambda: not lock_held(run.lock))
    control.start_supervisor(run, lock=launch.take_lock(run.lock))
    wait_for(lambda: not supervisors_of(run.path))
    assert look(run).outcome is Outcome.FAILED
    assert not run.console.exists()


def test_a_keeper_killed_before_it_started_the_trainer_is_no_lost_run(output: Path) -> None:
    run = made(output, "--steps", "3")
    (run.path / "attempt-1.started").touch()
    control.adopt(run.path)
    snapshot = wait_end(run, 10)
    assert snapshot.status is not None and snapshot.status.cause is not None
    assert snapshot.status.cause.key == "not_started"


def test_a_second_attempt_that_lost_its_supervisor_is_adopted_over_the_first_verdict(
    output: Path,
) -> None:
    run = start(output, "--steps", "5000", "--save_state")
    wait_step(run, 12)
    control.stop(run.path)
    plan = plan_resume(wait_end(run)).plan
    ended = run.status.read_bytes()
    launch.start_attempt(run, plan)
    wait_for(lambda: writing_pids(run))
    kill_supervisor(run)
    run.status.write_bytes(ended)  # as if it had been killed before its first status
    assert look(run).state is RunState.RUNNING
    assert still_runs(run)
    assert control.adopt(run.path)
    control.stop(run.path)
    snapshot = wait_end(run)
    assert snapshot.status is not None and snapshot.status.attempt == 2
    wait_for(lambda: not processes_of(output), 10, "the end of all processes")


@pytest.mark.parametrize("seed", range(4))
def test_a_supervisor_killed_within_the_first_second_costs_no_run(
    output: Path, tmp_path: Path, seed: int
) -> None:
    """The starter is another process, as always: it replaces the supervisor, or a later one judges the run."""
    chance = random.Random(seed)
    code = (
        "import sys; from pathlib import Path; from tests.process.helpers import start\n"
        "start(Path(sys.argv[1]), '--steps', '60')"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(output)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    path = wait_for(lambda: next((p.parent for p in runs_root().glob("2*/spec.json")), None))
    run = RunDir(path)
    wait_for(lambda: supervisors_of(path))
    time.sleep(chance.uniform(0.0, 0.6))
    for pid in supervisors_of(path):
        kill(pid)
    if seed % 2:
        kill(starter.pid)
    starter.wait()

    def judged() -> RunSnapshot | None:  # a killed supervisor may hold its lock for a moment
        control.adopt(path)
        snapshot = look(run)
        return snapshot if snapshot.outcome is not None else None

    snapshot = wait_for(judged, 60)
    assert snapshot.status is not None
    trained = snapshot.outcome is Outcome.SUCCEEDED
    assert trained or (snapshot.status.cause and snapshot.status.cause.key == "not_started")
    assert trained == bool(run.console.exists() and b"model saved" in run.console.read_bytes())
    if not seed % 2:
        assert trained


# --------------------------------------------------------------------------- files that cannot be read


def torn(path: Path) -> None:
    path.write_text('{"id": "torn')


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["spec.json", "attempt-1.json"])
@pytest.mark.parametrize("harm", [torn, gone])
def test_a_training_whose_plan_became_unreadable_is_watched_and_judged_with_that_said(
    output: Path, name: str, harm: Callable[[Path], None]
) -> None:
    run = start(output, "--steps", "100", "--delay", "0.05")
    wait_step(run, 5)
    kill_supervisor(run)
    harm(run.path / name)
    control.start_supervisor(run)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    reasons = " ".join(snapshot.status.reasons if snapshot.status else ())
    assert name in reasons and "unknown" in reasons and "the model was saved" in reasons
    assert snapshot.loss.last_step == 100


@pytest.mark.parametrize("name", ["spec.json", "attempt-1.json"])
def test_a_run_whose_plan_is_unreadable_before_it_was_started_is_judged(
    output: Path, name: str
) -> None:
    run = made(output, "--steps", "3")
    torn(run.path / name)
    assert control.adopt(run.path)
    snapshot: RunSnapshot = wait_end(run, 10)
    assert snapshot.outcome is Outcome.FAILED
    assert name in " ".join(snapshot.status.reasons if snapshot.status else ())
    assert processes_of(output) == []


def test_a_keeper_that_cannot_read_its_plan_says_so(output: Path) -> None:
    run = made(output, "--steps", "3")
    torn(run.attempt(1))
    from runner.process.spawn import keeper_command

    subprocess.run(keeper_command(run.path, 1), check=True)
    assert b"attempt-1.json is unreadable" in run.console.read_bytes()
    assert run.exit.exists()
