"""Two people resume a run at the same moment: one of them is refused, and nobody's settings are lost."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.control.start_refusals import StartRefused
from runner.model import AttemptPlan, RunState
from runner.store.journal import read_json, write_json
from runner.store.liveness import lock_held, take_lock
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import clean_up, look, start, wait_end, wait_for, wait_step

STEPS = ("--steps", "400", "--save_state", "--delay", "0.05")


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[RunDir]:
    """A run with a state at step 10, stopped and evaluated."""
    output = tmp_path / "out"
    run = start(output, *STEPS)
    wait_step(run, 12)
    control.stop(run.path)
    wait_end(run)
    wait_for(lambda: not lock_held(run.lock))
    yield run
    clean_up(run, output)


def resumed_trainers(run: RunDir) -> list[int]:
    """Process numbers of the trainers of attempt 2."""
    command = list(read_json(run.attempt(2), AttemptPlan).command)
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == command]


def test_of_two_resume_commands_at_once_the_second_is_refused(stopped: RunDir) -> None:
    commands = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tui.cli", "resume", stopped.id, "--set",
                f"save_every_n_steps={n}",
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for n in (7, 9)
    ]  # fmt: skip
    said = [one.communicate(timeout=60) for one in commands]
    codes = [one.returncode for one in commands]
    assert sorted(codes) == [0, 1], said
    (winner,) = [n for n, code in zip((7, 9), codes, strict=True) if code == 0]
    ((_, refusal),) = [words for words, code in zip(said, codes, strict=True) if code == 1]
    assert "a moment ago" in refusal or "is still" in refusal
    assert f"save_every_n_steps={winner}" in read_json(stopped.attempt(2), AttemptPlan).changes
    wait_for(lambda: resumed_trainers(stopped))
    assert len(resumed_trainers(stopped)) == 1


def test_of_two_plans_carried_out_at_once_the_second_is_refused_and_overwrites_nothing(
    stopped: RunDir,
) -> None:
    plans = [
        plan_resume(look(stopped), changes=[f"save_every_n_steps={n}"]).plan for n in (7, 8, 9)
    ]
    barrier, refused = threading.Barrier(len(plans)), []

    def carry_out(plan: AttemptPlan) -> None:
        barrier.wait()
        try:
            launch.start_attempt(stopped, plan)
        except StartRefused as error:
            refused.append((plan.changes, str(error)))

    threads = [threading.Thread(target=carry_out, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 2
    assert all("resumed a moment ago" in text or "ran instead" in text for _, text in refused)
    kept = read_json(stopped.attempt(2), AttemptPlan).changes
    assert kept not in [changes for changes, _ in refused]


def test_the_run_is_locked_without_a_gap_from_the_plan_to_the_supervisor(stopped: RunDir) -> None:
    plan = plan_resume(look(stopped)).plan
    free: list[float] = []

    def watch() -> None:
        wait_for(stopped.attempt(2).exists, 30)
        while (status := look_small(stopped)) is None or status < 2:
            if not lock_held(stopped.lock):
                free.append(time.monotonic())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    launch.start_attempt(stopped, plan)
    watcher.join(30)
    assert not free


def look_small(run: RunDir) -> int | None:
    status = RunReader(run.path, console=False).read_small().status
    return status.attempt if status is not None else None


def test_a_run_whose_resume_has_just_been_accepted_is_starting_not_ended(stopped: RunDir) -> None:
    lock = take_lock(stopped.lock)
    assert lock is not None
    try:
        assert look(stopped).state is RunState.ENDED
        write_json(stopped.attempt(2), plan_resume(look(stopped)).plan)
        assert look(stopped).state is RunState.STARTING
        with pytest.raises(control.Refused, match="is starting"):
            plan_resume(look(stopped))
    finally:
        os.close(lock)


def test_the_plan_of_a_resume_killed_before_its_supervisor_came_up_is_replaced_and_not_inherited(
    stopped: RunDir,
) -> None:
    left = plan_resume(look(stopped), changes=["save_every_n_steps=7"]).plan
    write_json(stopped.attempt(2), left)
    again = plan_resume(look(stopped), changes=["seed=43"]).plan
    assert again.attempt == 2
    launch.start_attempt(stopped, again)
    assert read_json(stopped.attempt(2), AttemptPlan).changes == again.changes
    assert not any("save_every_n_steps" in word for word in again.changes)


def test_a_resume_whose_plan_was_replaced_by_another_does_not_report_success(
    stopped: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = plan_resume(look(stopped), changes=["save_every_n_steps=7"]).plan
    starting = launch.start_supervisor

    def killed_and_replaced(*words: object, **more: object) -> None:
        write_json(stopped.attempt(2), other)
        starting(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(launch, "start_supervisor", killed_and_replaced)
    with pytest.raises(StartRefused, match="ran instead of this one"):
        launch.start_attempt(stopped, plan_resume(look(stopped)).plan)


def test_a_plan_made_before_another_resume_ran_is_refused(stopped: RunDir) -> None:
    stale = plan_resume(look(stopped), changes=["save_every_n_steps=7"]).plan
    launch.start_attempt(stopped, plan_resume(look(stopped)).plan)
    wait_step(stopped, 14)
    control.stop(stopped.path)
    wait_end(stopped)
    wait_for(lambda: not lock_held(stopped.lock))
    kept = stopped.attempt(2).read_bytes()
    with pytest.raises(StartRefused, match="been resumed"):
        launch.start_attempt(stopped, stale)
    assert stopped.attempt(2).read_bytes() == kept
