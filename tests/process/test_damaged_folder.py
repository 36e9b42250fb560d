"""Files of a run folder that are deleted or damaged while its training runs: the training is watched by one
supervisor, judged by what is still known, and never judged while it lives."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.model import Outcome, RunSnapshot
from runner.store.liveness import lock_held
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.store.unrecorded import keeper_pids, still_runs
from tests.process.helpers import (
    hurry,
    kill_supervisor,
    kinds,
    look,
    processes_of,
    start,
    supervisors_of,
    wait_end,
    wait_for,
    wait_step,
)


def long_run(output: Path) -> RunDir:
    run = start(output, "--steps", "150", "--delay", "0.05", "--save_state")
    wait_step(run, 5)
    return run


def rows(run: RunDir) -> list[int]:
    import json

    return [json.loads(line)[0] for line in run.steps.read_bytes().splitlines()]


# --------------------------------------------------------------------------- the lock


def test_a_deleted_lock_brings_no_second_supervisor(output: Path) -> None:
    run = long_run(output)
    before = supervisors_of(run.path)
    run.lock.unlink()
    control.adopt(run.path)
    wait_for(lambda: lock_held(run.lock), 10, "the lock to be there again")
    wait_for(lambda: supervisors_of(run.path) == before, 10, "the second supervisor to leave")
    # the lock that the second one left is taken with the next heartbeat
    wait_for(lambda: not control.needs_adoption(run.path), 10, "the lock of the first one")
    hurry(output)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert "adopted" not in kinds(run)
    assert sorted(set(rows(run))) == list(range(1, 151))


# --------------------------------------------------------------------------- who runs the attempt


@pytest.mark.parametrize(
    "names", [("attempt-1.started",), ("attempt-1.started", "keeper.json"), ("keeper.json",)]
)
def test_a_training_whose_marks_are_gone_is_not_judged_while_it_lives(
    output: Path, names: tuple[str, ...]
) -> None:
    run = long_run(output)
    kill_supervisor(run)
    for name in names:
        (run.path / name).unlink()
    assert control.adopt(run.path)
    wait_for(lambda: kinds(run).count("adopted"), what="the adoption")
    assert run.started(1).exists()
    wait_step(run, (look(run).loss.last_step or 0) + 20)
    hurry(output)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert look(run).loss.last_step == 150


def test_a_run_without_its_spec_gets_its_verdict(output: Path) -> None:
    run = long_run(output)
    kill_supervisor(run)
    run.spec.unlink()
    assert control.needs_adoption(run.path)
    assert control.adopt(run.path)
    hurry(output)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert "spec.json is missing" in " ".join(snapshot.status.reasons if snapshot.status else ())


def second_attempt(output: Path) -> RunDir:
    run = start(output, "--steps", "150", "--delay", "0.05", "--save_state")
    wait_step(run, 25)
    control.stop(run.path)
    launch.start_attempt(run, plan_resume(wait_end(run)).plan)
    wait_for(lambda: look(run).status and look(run).status.attempt == 2)  # type: ignore[union-attr]
    wait_for(lambda: keeper_pids(run, 2))
    return run


@pytest.mark.parametrize("name", ["attempt-2.json", "keeper.json"])
def test_a_second_attempt_stays_the_second_whatever_file_is_gone(output: Path, name: str) -> None:
    run = second_attempt(output)
    kill_supervisor(run)
    (run.path / name).unlink(missing_ok=True)
    assert control.adopt(run.path)
    hurry(output)
    snapshot: RunSnapshot = wait_end(run)
    assert snapshot.status is not None
    assert [one.attempt for one in snapshot.status.attempts] == [1, 2]
    newest = snapshot.status.attempts[-1]
    assert newest.first_step is not None and newest.first_step > 1


def test_the_output_of_an_ended_second_attempt_is_its_own_without_a_keeper_record(
    output: Path,
) -> None:
    run = second_attempt(output)
    kill_supervisor(run)
    hurry(output)
    wait_for(lambda: run.exit.exists() and not still_runs(run))
    wait_for(lambda: b'"attempt": 2' in run.exit.read_bytes())
    run.keeper.unlink()
    assert control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.status is not None
    newest = snapshot.status.attempts[-1]
    assert newest.first_step is not None and newest.first_step > 1


@pytest.mark.parametrize("damage", [b"", bytes(3000), None], ids=["emptied", "nul", "deleted"])
def test_what_an_earlier_attempt_saved_outlives_a_damaged_status(
    output: Path, damage: bytes | None
) -> None:
    """Only status.json lists the files of earlier attempts."""
    run = second_attempt(output)
    before = [one for one in look(run).status.checkpoints if one.attempt == 1]  # type: ignore[union-attr]
    assert before
    kill_supervisor(run)
    if damage is None:
        run.status.unlink()
    else:
        run.status.write_bytes(damage)
    assert control.adopt(run.path)
    hurry(output)
    snapshot = wait_end(run)
    assert snapshot.status is not None
    assert snapshot.outcome is Outcome.SUCCEEDED, snapshot.status.reasons
    assert [one.attempt for one in snapshot.status.attempts] == [1, 2]
    assert [one for one in snapshot.status.checkpoints if one.attempt == 1] == before


def test_a_plan_that_is_gone_refuses_a_resume_in_one_sentence(output: Path) -> None:
    run = long_run(output)
    wait_step(run, 25)
    control.stop(run.path)
    snapshot = wait_end(run)
    run.attempt(1).unlink()
    with pytest.raises(control.Refused, match=r"attempt-1\.json is missing"):
        plan_resume(snapshot)


# --------------------------------------------------------------------------- the console


def test_a_console_deleted_under_its_supervisor_is_read_to_its_end(output: Path) -> None:
    run = long_run(output)
    run.console.unlink()
    hurry(output)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert sorted(set(rows(run))) == list(range(1, 151))


def test_a_console_emptied_under_its_supervisor_is_read_on(output: Path) -> None:
    run = long_run(output)
    os.truncate(run.console, 0)
    wait_step(run, 40)
    hurry(output)
    assert wait_end(run).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("damage", [lambda p: os.truncate(p, 0), Path.unlink])
def test_a_console_that_is_gone_is_no_proof_that_nothing_was_trained(
    output: Path, damage: object
) -> None:
    run = long_run(output)
    kill_supervisor(run)
    hurry(output)
    wait_for(lambda: run.exit.exists() and not still_runs(run))
    damage(run.console)  # type: ignore[operator]
    assert control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert snapshot.status is not None and snapshot.status.cause is not None
    assert "console.log" in snapshot.status.cause.evidence


def test_files_and_steps_read_before_the_console_was_damaged_stay_known(output: Path) -> None:
    """NUL bytes of the same length, as after a power cut: the banner and the first files are gone."""
    run = long_run(output)
    wait_step(run, 45)
    wait_for(lambda: kinds(run).count("checkpoint_saving") >= 4)
    kill_supervisor(run)
    size = run.console.stat().st_size
    with run.console.open("r+b") as stream:
        stream.seek(200)
        stream.write(bytes(size - 200))
    assert control.adopt(run.path)
    wait_for(lambda: kinds(run).count("adopted"), what="the adoption")
    hurry(output)
    snapshot = wait_end(run)
    assert snapshot.status is not None
    saved = [one for one in snapshot.status.checkpoints if not one.final]
    assert [one.step for one in saved] == list(range(10, 151, 10))
    assert all(one.complete and one.state_complete for one in saved)
    assert [one.step for one in snapshot.status.checkpoints if one.final] == [150]
    assert snapshot.status.step == 150


def test_a_console_deleted_between_two_supervisors_is_found_by_its_writers(output: Path) -> None:
    run = long_run(output)
    kill_supervisor(run)
    run.console.unlink()
    assert still_runs(run)
    assert control.adopt(run.path)
    wait_for(lambda: kinds(run).count("adopted"), what="the adoption")
    hurry(output)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert sorted(set(rows(run))) == list(range(1, 151))


# --------------------------------------------------------------------------- the folder


def test_a_deleted_run_folder_ends_with_its_training_and_does_not_come_back(output: Path) -> None:
    run = long_run(output)
    reader = RunReader(run.path)
    reader.read()
    shutil.rmtree(run.path)
    reader.read()
    assert processes_of(output)  # not harmed
    hurry(output)
    wait_for(lambda: not processes_of(output), 20, "the training to end by itself")
    assert (output / "fake.safetensors").exists()
    wait_for(lambda: not supervisors_of(run.path), 20, "the supervisor to leave")
    wait_for(lambda: not keeper_pids(run), 10, "the keeper to leave")
    assert not run.path.exists()


def test_nothing_is_written_into_a_folder_that_the_trainer_created_again(output: Path) -> None:
    run = long_run(output)
    aside = run.path.with_name(".aside")
    run.path.rename(aside)
    shutil.rmtree(aside)
    (run.path / "tensorboard" / "attempt-1").mkdir(parents=True)  # as its event writer does
    hurry(output)
    wait_for(lambda: not processes_of(output), 20, "the training to end by itself")
    wait_for(lambda: not supervisors_of(run.path), 20, "the supervisor to leave")
    wait_for(lambda: not keeper_pids(run), 10, "the keeper to leave")
    assert [one.name for one in run.path.iterdir()] == ["tensorboard"]


def test_a_moved_run_folder_that_comes_back_has_its_verdict_and_every_step(output: Path) -> None:
    run = long_run(output)
    away = run.path.with_name(".away")
    run.path.rename(away)
    time.sleep(1.5)  # beats that find no folder
    assert not run.path.exists()
    away.rename(run.path)
    hurry(output)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert sorted(set(rows(run))) == list(range(1, 151))


def test_checkpoints_of_an_emptied_console_are_known_from_the_status(output: Path) -> None:
    run = start(output, "--steps", "150", "--delay", "0.05", "--save_every_n_steps", "10")
    wait_for(lambda: len(status.checkpoints) > 1 if (status := look(run).status) else False)
    kill_supervisor(run)
    status = look(run).status
    assert status is not None
    known = {one.name for one in status.checkpoints}  # one that was saved since has no other record
    os.truncate(run.console, 0)
    wait_for(lambda: run.console.stat().st_size)
    assert control.adopt(run.path)
    hurry(output)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert snapshot.status is not None
    assert known <= {one.name for one in snapshot.status.checkpoints if one.complete}
    assert len(known) > 1
    # what the banner said is known from the journal: steps are counted on
    assert snapshot.loss.last_step == 150
    assert [one.step for one in snapshot.status.checkpoints if one.final] == [150]
