"""The queue with real processes: one slot, in order, whatever is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runner.control import orders as control
from runner.control.launch import start_attempt, start_run
from runner.control.orders import Refused
from runner.control.queue import move, release
from runner.control.queueing import QueueRequest
from runner.control.resume import plan_resume
from runner.control.retry import carry_out, plan_retry
from runner.model import Outcome, RunState
from runner.store import queue
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir, home
from runner.store.unrecorded import keeper_pids
from tests.process.helpers import (
    events,
    kill,
    kinds,
    look,
    spec_for,
    start,
    supervisors_of,
    wait_end,
    wait_for,
    wait_step,
)

SHORT = ("--steps", "6", "--delay", "0.05")
MIDDLE = ("--steps", "30", "--delay", "0.1")
LONG = ("--steps", "400", "--delay", "0.1")


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_SLOTS", "1")


def queued(output: Path, *flags: str, name: str) -> RunDir:
    spec, plan = spec_for(output, *flags, name=name)
    return start_run(spec, plan, queue=QueueRequest())


def started_at(run: RunDir) -> float:
    return run.started(1).stat().st_mtime


def order() -> list[str]:
    folder = queue.queue_folder(home(), queue.this_host())
    return [entry.run_id for entry in queue.entries(folder)]


def test_three_queued_runs_train_one_after_another_in_order(output: Path) -> None:
    runs = [queued(output, *MIDDLE, name=name) for name in ("one", "two", "three")]
    assert look(runs[2]).state is RunState.QUEUED
    for run in runs:
        assert wait_end(run).outcome is Outcome.SUCCEEDED
        assert kinds(run).count("slot") == 1
        assert not run.queued.exists()
    begins = [started_at(run) for run in runs]
    ends = [look(run).status.ended_at for run in runs]  # type: ignore[union-attr]
    assert begins == sorted(begins)
    assert begins[1] >= ends[0] - 0.1 and begins[2] >= ends[1] - 0.1  # type: ignore[operator]
    assert order() == []


def test_a_killed_waiting_process_is_replaced_by_its_neighbours(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 2)
    rest = [queued(output, *SHORT, name=name) for name in ("two", "three")]
    for run in rest:
        for pid in supervisors_of(run.path):
            kill(pid)
    for run in rest:
        wait_for(lambda run=run: lock_held(run.lock), 40, f"a new process of {run.id}")  # type: ignore[misc]
        assert look(run).state is RunState.QUEUED
    control.stop(first.path)
    assert wait_end(first).outcome is Outcome.STOPPED
    for run in rest:
        assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert started_at(rest[0]) < started_at(rest[1])


def test_a_stop_takes_a_queued_run_out_and_it_can_be_retried(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    second = queued(output, *SHORT, name="two")
    sent = control.stop(second.path)
    answer = control.await_answer(second.path, sent)
    assert answer is not None and answer.accepted and "queue" in answer.text
    ended = wait_end(second)
    assert ended.outcome is Outcome.STOPPED
    assert not second.queued.exists() and second.id not in order()
    assert b"attempt" not in (second.console.read_bytes() if second.console.exists() else b"")
    with pytest.raises(control.Refused, match="never started"):
        plan_resume(ended)
    again = carry_out(plan_retry(ended), queue=True)
    assert look(again).state is RunState.QUEUED
    control.stop(first.path)
    assert wait_end(again).outcome is Outcome.SUCCEEDED


def test_a_resume_can_wait_in_the_queue(output: Path) -> None:
    first = queued(output, *LONG, "--save_state", name="one")
    wait_step(first, 12)
    second = queued(output, *LONG, name="two")
    control.stop(first.path)
    wait_end(first)
    wait_step(second, 1)
    wait_for(lambda: not lock_held(first.lock))
    start_attempt(first, plan_resume(look(first)).plan, queue=QueueRequest())
    waiting = look(first)
    assert waiting.state is RunState.QUEUED
    assert waiting.status is not None and waiting.status.checkpoints, "what it has achieved stays"
    control.stop(second.path)
    wait_for(lambda: look(first).state is RunState.RUNNING)
    control.stop(first.path)
    assert wait_end(first).status.attempt == 2  # type: ignore[union-attr]
    assert [event.attempt for event in events(first) if event.kind == "slot"] == [1, 2]


def test_a_failed_check_holds_a_run_and_the_next_one_goes(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    second, third = (queued(output, *SHORT, name=name) for name in ("two", "three"))
    taken = output / "two.safetensors"
    taken.write_bytes(b"of another training")
    control.stop(first.path)
    assert wait_end(third).outcome is Outcome.SUCCEEDED
    held = wait_for(lambda: _held(second))
    assert "would be overwritten" in held
    assert taken.read_bytes() == b"of another training"
    taken.unlink()
    release(second.path)
    assert wait_end(second).outcome is Outcome.SUCCEEDED


def _held(run: RunDir) -> str:
    status = look(run).status
    waiting = status.waiting if status is not None else None
    return waiting.reason if waiting is not None and waiting.held else ""


def test_a_changed_order_is_the_order_of_training(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    second, third, fourth = (queued(output, *SHORT, name=n) for n in ("two", "three", "four"))
    assert "number 1 of 3" in move(fourth.path, "first")
    assert "number 2 of 3" in move(third.path, "up")
    assert order() == [fourth.id, third.id, second.id]
    with pytest.raises(Refused, match="not queued"):
        move(first.path, "up")
    control.stop(first.path)
    for run in (fourth, third, second):
        wait_end(run)
    assert started_at(fourth) < started_at(third) < started_at(second)


def test_a_deleted_queue_folder_is_made_again(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    second, third = (queued(output, *SHORT, name=n) for n in ("two", "three"))
    shutil.rmtree(home() / "queue")
    wait_for(lambda: order() == [second.id, third.id])
    (home() / "queue" / queue.this_host() / "no entry").touch()
    control.stop(first.path)
    assert wait_end(third).outcome is Outcome.SUCCEEDED
    assert started_at(second) < started_at(third)


def test_two_slots_train_two_at_a_time(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_SLOTS", "2")
    first, second, third = (queued(output, *LONG, name=n) for n in ("one", "two", "three"))
    wait_step(first, 1)
    wait_step(second, 1)
    assert look(third).state is RunState.QUEUED
    control.stop(second.path)
    wait_step(third, 1)
    assert look(first).state is RunState.RUNNING
    control.stop(first.path)
    control.stop(third.path)
    wait_end(first)
    wait_end(third)


def test_the_queue_waits_for_a_plain_start(output: Path) -> None:
    plain = start(output, *LONG, name="one")
    waiting = queued(output, *SHORT, name="two")
    wait_step(plain, 20)
    assert look(waiting).state is RunState.QUEUED
    control.stop(plain.path)
    assert wait_end(waiting).outcome is Outcome.SUCCEEDED
    assert started_at(waiting) > started_at(plain)


def test_a_training_that_outlives_its_processes_keeps_its_slot(output: Path) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    second = queued(output, *SHORT, name="two")
    for pid in (*supervisors_of(first.path), *keeper_pids(first)):
        kill(pid)
    wait_for(lambda: "still used by the training" in _reason(second))
    assert control.adopt(first.path)
    control.stop(first.path)
    assert wait_end(second).outcome is Outcome.SUCCEEDED


def _reason(run: RunDir) -> str:
    status = look(run).status
    return status.waiting.reason if status is not None and status.waiting is not None else ""


def test_the_trainer_gets_the_environment_of_its_own_start_alone(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = queued(output, *LONG, name="one")
    wait_step(first, 1)
    monkeypatch.setenv("OF_THE_SECOND", "caf\udce9")  # bytes that are no UTF-8
    second = queued(output, *LONG, name="two")
    monkeypatch.delenv("OF_THE_SECOND")
    assert second.queued.stat().st_mode & 0o777 == 0o600
    third = queued(output, *SHORT, name="three")
    for pid in supervisors_of(second.path):
        kill(pid)
    wait_for(lambda: lock_held(second.lock), 40)  # by the third's process, which lacks the variable
    control.stop(first.path)
    wait_step(second, 1)
    pid = look(second).status.trainer_pid  # type: ignore[union-attr]
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"OF_THE_SECOND=caf\xe9" in environ
    assert not any(b"CUDA_VISIBLE_DEVICES" in one for one in environ)
    opened = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [one for one in opened if one.endswith((".lock", "/lock"))]
    control.stop(second.path)
    wait_end(third)


def test_a_resume_that_was_removed_from_the_queue_can_be_resumed(output: Path) -> None:
    first = queued(output, *LONG, "--save_state", name="one")
    wait_step(first, 12)
    control.stop(first.path)
    wait_end(first)
    second = queued(output, *LONG, name="two")
    wait_step(second, 1)
    wait_for(lambda: not lock_held(first.lock))
    start_attempt(first, plan_resume(look(first)).plan, queue=QueueRequest())
    control.stop(first.path)
    removed = wait_end(first)
    assert removed.outcome is Outcome.STOPPED
    assert removed.status is not None and removed.status.step >= 10, "what it has achieved stays"
    wait_for(lambda: not lock_held(first.lock))
    plan = plan_resume(look(first)).plan
    assert (plan.attempt, plan.base_step) == (3, 10)
    start_attempt(first, plan)
    wait_step(first, 14)
    control.stop(first.path)
    control.stop(second.path)
    wait_end(first)
    wait_end(second)
