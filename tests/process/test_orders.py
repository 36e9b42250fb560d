"""Orders to a living run: answered at any time, also while one is carried out, and never by a later attempt."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.model import KeeperRecord, Outcome, RunState
from runner.store import inbox
from runner.store.journal import read_json, write_json
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import (
    clean_up,
    events,
    kill,
    kinds,
    look,
    processes_of,
    start,
    wait_end,
    wait_for,
    wait_step,
)

#: INT and TERM are ignored for so long that only KILL can end it within a test
PATIENT = (60.0, 60.0)
DEAF = ("--steps", "100000", "--save_every_n_steps", "0", "--deaf", "--delay", "0.02")
NOW_S = 1.0


class Stage:
    def __init__(self, output: Path) -> None:
        self.output = output
        self.runs: list[RunDir] = []

    def start(self, *flags: str, **more: object) -> RunDir:
        run = start(self.output, *flags, **more)  # type: ignore[arg-type]
        self.runs.append(run)
        return run


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "out")
    yield found
    for run in found.runs:
        clean_up(run, found.output)


def answer(run: RunDir, sent: control.Sent) -> control.Answer:
    found = control.await_answer(run.path, sent, 20.0)
    assert found is not None
    return found


def signals(run: RunDir) -> list[str]:
    return [event.data["signal"] for event in events(run) if event.kind == "signalled"]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *words],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=ROOT,
    )


def stopping(run: RunDir) -> None:
    """A gentle stop is under way, and nobody leaves for it."""
    assert answer(run, control.stop(run.path)) == control.Answer("stopping", True)
    wait_for(lambda: "SIGINT" in signals(run))


def idle_inbox(run: RunDir) -> list[str]:
    return [name for name in os.listdir(run.inbox) if name.endswith(".json")]


# --------------------------------------------------------------------------- now


def test_stop_now_kills_everything_within_a_second_and_proves_it(stage: Stage) -> None:
    run = stage.start(*DEAF, "--escape", "--worker", "--launcher", grace_s=PATIENT)
    wait_step(run, 3)
    wait_for(lambda: len(family_of(run)) >= 3)
    members = family_of(run)
    sent = control.stop(run.path, "now")
    began_s = time.monotonic()
    while any(map(alive, members)):
        assert time.monotonic() - began_s < NOW_S + 0.5, "processes are left"
        time.sleep(0.01)
    assert time.monotonic() - began_s < NOW_S
    assert answer(run, sent).accepted
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    assert signals(run) == ["SIGKILL"]
    (proof,) = [event for event in events(run) if event.kind == "all_gone"]
    assert proof.data["processes"] == [] and proof.data["seen"] >= 4
    assert not processes_of(stage.output)


def family_of(run: RunDir) -> list[psutil.Process]:
    trainer = psutil.Process(read_json(run.keeper, KeeperRecord).pid)
    return [trainer, *trainer.children(recursive=True)]


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_kill_now_works_at_once_while_a_gentle_stop_waits(stage: Stage) -> None:
    run = stage.start(*DEAF, grace_s=PATIENT)
    wait_step(run, 3)
    stopping(run)
    began_s = time.monotonic()
    assert answer(run, control.stop(run.path, "now")).accepted
    wait_for(lambda: not processes_of(stage.output), 10)
    assert time.monotonic() - began_s < 3.0
    assert wait_end(run).outcome is Outcome.STOPPED
    assert signals(run) == ["SIGINT", "SIGKILL"]


def test_stop_now_is_not_kept_waiting_by_a_save(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--save_s", "60", grace_s=PATIENT)
    wait_for(lambda: "checkpoint_saving" in kinds(run))
    assert answer(run, control.stop(run.path)).accepted
    again = answer(run, control.stop(run.path, "after_save"))
    assert not again.accepted and "already pending" in again.text
    assert answer(run, control.stop(run.path, "now")).accepted
    wait_for(lambda: not processes_of(stage.output), 10)
    assert wait_end(run).outcome is Outcome.STOPPED


def test_stop_now_does_not_wait_until_a_new_supervisor_has_read_the_console(stage: Stage) -> None:
    run = stage.start(*DEAF, grace_s=PATIENT)
    wait_step(run, 3)
    status = look(run).status
    assert status is not None and status.supervisor_pid is not None
    kill(status.supervisor_pid)
    with run.console.open("ab") as console:
        for number in range(400_000):
            console.write(b"2026-01-01 00:00:00 INFO     line %d of very many\n" % number)
    sent = control.stop(run.path, "now")
    wait_for(lambda: not processes_of(stage.output), 8.0)
    assert answer(run, sent).accepted
    assert wait_end(run, 120).outcome is Outcome.STOPPED


# --------------------------------------------------------------------------- while stopping


def test_every_order_given_while_stopping_is_answered_at_once(stage: Stage) -> None:
    run = stage.start(*DEAF, grace_s=PATIENT)
    wait_step(run, 3)
    stopping(run)
    began_s = time.monotonic()
    assert answer(run, control.stop(run.path)) == control.Answer("already stopping", True)
    late = answer(run, control.cancel_stop(run.path))
    assert not late.accepted and "too late" in late.text
    waiting = answer(run, control.stop(run.path, "after_save"))
    assert not waiting.accepted and "already being stopped" in waiting.text
    assert time.monotonic() - began_s < 5.0
    assert not idle_inbox(run)


def test_a_supervisor_killed_while_it_stops_a_run_is_followed_by_one_that_kills_if_told_so(
    stage: Stage,
) -> None:
    run = stage.start(*DEAF, grace_s=PATIENT)
    wait_step(run, 3)
    stopping(run)
    status = look(run).status
    assert status is not None and status.supervisor_pid is not None
    kill(status.supervisor_pid)
    wait_for(lambda: not lock_held(run.lock))
    assert answer(run, control.stop(run.path, "now")).accepted
    wait_for(lambda: not processes_of(stage.output), 10)
    assert wait_end(run).outcome is Outcome.STOPPED


def test_a_stop_that_waits_for_a_save_in_progress_can_be_taken_back(stage: Stage) -> None:
    run = stage.start("--steps", "12", "--save_s", "2", "--delay", "0.05")
    wait_for(lambda: "checkpoint_saving" in kinds(run))
    assert answer(run, control.stop(run.path)).accepted
    assert answer(run, control.cancel_stop(run.path)) == control.Answer("cancelled", True)
    assert wait_end(run).outcome is Outcome.SUCCEEDED


# --------------------------------------------------------------------------- the end, and after it


def test_an_order_left_when_the_run_ends_is_answered_and_stops_no_later_attempt(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "60", "--save_state", "--delay", "0.1")
    wait_step(run, 12)
    sent = [control.stop(run.path), control.stop(run.path), control.stop(run.path, "after_save")]
    sent += [control.cancel_stop(run.path), control.stop(run.path, "now")]
    wait_end(run)
    for one in sent:
        assert answer(run, one).text
    assert not idle_inbox(run)
    launch.start_attempt(run, plan_resume(look(run)).plan)
    assert wait_end(run).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("earlier_version", [False, True])
def test_an_order_that_reaches_the_inbox_of_an_ended_attempt_does_nothing_to_the_next(
    stage: Stage, earlier_version: bool
) -> None:
    run = stage.start("--steps", "60", "--save_state", "--delay", "0.05")
    wait_step(run, 12)
    control.stop(run.path)
    wait_end(run)
    wait_for(lambda: not lock_held(run.lock))
    orders = [inbox.send(run, "stop", {"mode": "now"}), inbox.send(run, "stop")]
    for name, order in inbox.pending(run):
        if earlier_version:
            write_json(run.inbox / name, replace(order, attempt=None))
    time.sleep(0.05)  # times of files are as coarse as a tick
    launch.start_attempt(run, plan_resume(look(run)).plan)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert snapshot.status is not None and snapshot.status.attempt == 2
    for order in orders:
        found = inbox.answer_of(run, order.id)
        assert found is not None and found.refused
        assert found.answer is not None and "older than attempt 2" in found.answer


def test_an_order_that_nobody_is_left_to_take_is_withdrawn_by_its_sender(stage: Stage) -> None:
    run = stage.start("--steps", "3")
    wait_end(run)
    wait_for(lambda: not lock_held(run.lock))
    order = inbox.send(run, "stop")
    found = answer(run, control.Sent(order.id, "stop", order.attempt))
    assert not found.accepted and "the run has ended" in found.text
    assert not idle_inbox(run)


def test_orders_are_answered_while_the_files_of_an_ended_training_are_verified(
    stage: Stage,
) -> None:
    # a process that outlives the trainer is watched for 15 s before the verdict
    run = stage.start("--steps", "12", "--escape")
    wait_for(run.exit.exists)
    assert look(run).state is not RunState.ENDED
    found = answer(run, control.stop(run.path))
    assert not found.accepted and "has ended" in found.text
    assert wait_end(run).outcome is Outcome.SUCCEEDED


# --------------------------------------------------------------------------- the command


def test_cancel_on_an_ended_run_says_so_at_once_and_leaves_no_order(stage: Stage) -> None:
    run = stage.start("--steps", "3")
    wait_end(run)
    began_s = time.monotonic()
    found = command("stop", run.id, "--cancel")
    assert found.returncode == 1
    assert "has already ended" in found.stderr
    assert time.monotonic() - began_s < 8.0
    assert not idle_inbox(run)


def test_cancel_with_nothing_to_cancel_exits_1(stage: Stage) -> None:
    run = stage.start("--steps", "100000", "--save_every_n_steps", "0")
    wait_step(run, 3)
    found = command("stop", run.id, "--cancel")
    assert found.returncode == 1
    assert "no stop is pending" in found.stderr


def test_the_command_stop_now_says_that_no_process_is_left(stage: Stage) -> None:
    run = stage.start(*DEAF, "--worker", grace_s=PATIENT)
    wait_step(run, 3)
    found = command("stop", run.id, "--now")
    assert found.returncode == 0, found.stderr
    assert "no process of the training is left" in found.stderr
    assert not processes_of(stage.output)


# --------------------------------------------------------------------------- hostile


def test_a_fifo_in_the_inbox_does_not_keep_a_stop_from_being_carried_out(stage: Stage) -> None:
    run = stage.start("--steps", "100000", "--save_every_n_steps", "0")
    wait_step(run, 3)
    os.mkfifo(run.inbox / "1-fifo.json")
    (run.inbox / "2-zero.json").symlink_to("/dev/zero")
    hostile = {"by": "x", "kind": "y", "mode": "default", "after_save_index": "z", "refused": 1}
    write_json(
        run.inbox / "0-odd.json", inbox.Order("odd", "cancel_stop", time.time(), data=hostile)
    )
    control.stop(run.path)
    assert wait_end(run).outcome is Outcome.STOPPED
    assert not idle_inbox(run)


def test_a_full_disk_keeps_no_training_from_being_stopped(stage: Stage) -> None:
    run = stage.start("--steps", "100000", "--save_every_n_steps", "0", "--delay", "0.05")
    wait_step(run, 3)
    run.inbox_done.rmdir()
    run.inbox_done.write_text("answers cannot be written here")
    control.stop(run.path)
    assert wait_end(run).outcome is Outcome.STOPPED
    assert kinds(run).count("ordered") == 1
