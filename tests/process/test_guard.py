"""The guard and the stop at a safe point, with trainers that are really stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import launch
from runner.control import orders as control
from runner.model import (
    AlarmKind,
    ExpectedCheckpoint,
    Forecast,
    GuardSettings,
    KeeperRecord,
    Outcome,
    RunSnapshot,
)
from runner.state.alarms import OVER, RAISED
from runner.store import inbox
from runner.store.journal import read_json
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir
from tests.process.helpers import (
    clean_up,
    events,
    hurry,
    kill,
    kinds,
    look,
    processes_of,
    spec_for,
    wait_end,
    wait_for,
    wait_step,
)

IMPATIENT = Path(__file__).parent.parent / "impatient_supervisor.py"


class Stage:
    """Runs of a fake trainer with a guard; `exact`: with an event file."""

    def __init__(self, folder: Path) -> None:
        self.output, self.logs = folder / "out", folder / "logs"
        self.runs: list[RunDir] = []
        self.children: list[subprocess.Popen[bytes]] = []

    def start(
        self, *flags: str, exact: bool = True, guard: GuardSettings | None = None, **more: object
    ) -> RunDir:
        if exact:
            flags = (*flags, "--exact", "--logging_dir", str(self.logs))
        spec, plan = spec_for(self.output, *flags, **more)  # type: ignore[arg-type]
        if exact:
            plan = replace(plan, logging_dir=str(self.logs))
        run = launch.start_run(replace(spec, guard=guard or GuardSettings()), plan)
        self.runs.append(run)
        return run

    def impatient(self, run: RunDir) -> None:
        """Put a supervisor in charge that does not wait for a minute."""
        orphan(run)
        log = run.log.open("ab")
        command = [sys.executable, str(IMPATIENT), str(run.path)]
        self.children.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait_for(lambda: lock_held(run.lock), what="the impatient supervisor")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    for run in found.runs:
        for process in processes_of(found.output):
            kill(process.pid, signal.SIGCONT)
        clean_up(run, found.output)
    for child in found.children:
        child.kill()
        child.wait()


def orphan(run: RunDir) -> None:
    """Kill the supervisor, as `kill -9` does."""
    status = wait_for(lambda: look(run).status)
    kill(status.supervisor_pid or 0)
    wait_for(lambda: not lock_held(run.lock))


def trainer(run: RunDir) -> int:
    return read_json(run.keeper, KeeperRecord).pid


def answer(run: RunDir, sent: control.Sent) -> str:
    found = wait_for(lambda: inbox.answer_of(run, sent.order_id), what="an answer")
    return found.answer or ""


def alarms(run: RunDir, kind: str = RAISED) -> list[str]:
    return [str(event.data["kind"]) for event in events(run) if event.kind == kind]


def told(run: RunDir, kind: str) -> dict[str, object]:
    return next(event.data for event in events(run) if event.kind == kind)


def guard_orders(run: RunDir) -> list[inbox.Order]:
    return [o for o in inbox.done(run) if o.by == "guard" and o.kind == "stop"]


def stopped_by_guard(snapshot: RunSnapshot) -> str:
    assert snapshot.status is not None
    assert snapshot.status.stop_by == "guard"
    return next(r for r in snapshot.status.reasons if r.startswith("stopped by the guard: "))


# --------------------------------------------------------------------------- losses


def test_the_guard_stops_a_poisoned_training_and_says_what_is_still_good(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--nan_at", "35", "--delay", "0.1"),
        guard=GuardSettings(nonfinite="stop"),
    )
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.DIVERGED
    assert "loss is NaN from step 35 on" in stopped_by_guard(snapshot)
    assert "step 30, which is good" in stopped_by_guard(snapshot)
    assert alarms(run) == [AlarmKind.NONFINITE]
    assert snapshot.status is not None
    assert [(a.kind, a.step, a.good_step) for a in snapshot.status.alarms] == [
        (AlarmKind.NONFINITE, 35, 30)
    ]
    (order,) = guard_orders(run)
    assert order.data["alarm"] == "nonfinite"
    assert not processes_of(stage.output)


def test_after_save_does_not_wait_for_a_checkpoint_that_would_be_poisoned(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--nan_at", "12", "--delay", "0.1", "--save_every_n_steps", "1000"),
        guard=GuardSettings(nonfinite="after_save"),
    )
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.DIVERGED
    assert "does not wait for one" in stopped_by_guard(snapshot)
    assert (snapshot.status.step if snapshot.status else 0) < 200


def test_one_bad_step_stops_nothing_and_is_a_remark_on_a_success(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "60", "--one_nan_at", "25", "--delay", "0.1"),
        guard=GuardSettings(nonfinite="stop"),
    )
    wait_for(lambda: alarms(run), 60, "an alarm")
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert alarms(run) == [AlarmKind.ONE_BAD_STEP]
    assert snapshot.status is not None
    assert any("the loss of step 25 was NaN" in reason for reason in snapshot.status.reasons)
    assert guard_orders(run) == []


def test_one_bad_step_whose_files_are_broken_is_divergence(stage: Stage) -> None:
    run = stage.start("--steps", "40", "--one_nan_at", "15", "--nan_weights_at", "20")
    assert wait_end(run, 60).outcome is Outcome.DIVERGED


def test_without_exact_losses_a_poisoned_average_stays_divergence(stage: Stage) -> None:
    run = stage.start("--steps", "40", "--one_nan_at", "15", exact=False)
    assert wait_end(run, 60).outcome is Outcome.DIVERGED


def test_with_averages_alone_the_next_file_is_looked_at_before_a_stop(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--one_nan_at", "5", "--delay", "0.25"),
        *("--save_every_n_steps", "50"),
        exact=False,
        guard=GuardSettings(nonfinite="after_save"),
    )
    wait_for(lambda: guard_orders(run), 60, "the guard's order")
    assert "only the average is known" in str(guard_orders(run)[0].data["reason"])
    snapshot = wait_end(run, 60)
    assert told(run, "safe_point")["step"] == 50
    assert snapshot.outcome is Outcome.DIVERGED


# --------------------------------------------------------------------------- restarts


def test_a_new_supervisor_neither_raises_an_alarm_again_nor_repeats_an_order(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--nan_at", "12", "--delay", "0.1", "--save_every_n_steps", "3000"),
        exact=False,
        guard=GuardSettings(nonfinite="after_save"),
    )
    wait_for(lambda: guard_orders(run), 60, "the guard's order")
    orphan(run)
    assert control.adopt(run.path)
    wait_for(lambda: "adopted" in kinds(run))
    step = look(run).loss.last_step or 0
    wait_step(run, step + 60, 60)
    assert alarms(run) == [AlarmKind.NONFINITE]
    assert alarms(run, OVER) == []
    assert len(guard_orders(run)) == 1
    status = look(run).status
    assert status is not None
    assert status.stop_after_save
    assert status.stop_by == "guard"
    assert [alarm.kind for alarm in status.alarms] == [AlarmKind.NONFINITE]


def test_what_went_wrong_while_nobody_watched_is_stopped_by_the_next_supervisor(
    stage: Stage,
) -> None:
    run = stage.start(
        *("--steps", "5000", "--nan_at", "40", "--delay", "0.1"),
        guard=GuardSettings(nonfinite="stop"),
    )
    wait_step(run, 10, 60)
    orphan(run)
    wait_for(lambda: b"avr_loss=nan" in run.console.read_bytes(), 60)
    assert control.adopt(run.path)
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.DIVERGED
    assert "from step 40 on" in stopped_by_guard(snapshot)


def test_an_order_taken_back_by_a_person_is_not_given_again(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--nan_at", "5", "--delay", "0.1", "--save_every_n_steps", "3000"),
        exact=False,
        guard=GuardSettings(nonfinite="after_save"),
    )
    wait_for(lambda: guard_orders(run), 60, "the guard's order")
    assert answer(run, control.cancel_stop(run.path)) == "cancelled"
    orphan(run)
    assert control.adopt(run.path)
    step = look(run).loss.last_step or 0
    wait_step(run, step + 60, 60)
    assert len(guard_orders(run)) == 1
    status = look(run).status
    assert status is not None
    assert not status.stop_after_save


# --------------------------------------------------------------------------- after the save


def test_an_armed_stop_outlives_its_supervisor(stage: Stage) -> None:
    run = stage.start(
        *("--steps", "5000", "--save_state", "--save_every_n_steps", "40", "--delay", "0.25"),
        exact=False,
    )
    wait_step(run, 3)
    sent = control.stop(run.path, "after_save")
    assert "step 40" in answer(run, sent)
    orphan(run)
    assert control.adopt(run.path)
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.STOPPED
    assert snapshot.status is not None
    assert snapshot.status.safe_step == 40
    assert told(run, "safe_point")["step"] == 40


def test_a_stop_that_was_under_way_is_finished_by_the_next_supervisor(stage: Stage) -> None:
    run = stage.start(
        "--steps", "5000", "--deaf", "--save_every_n_steps", "4000", exact=False, grace_s=(6.0, 6.0)
    )
    wait_step(run, 3)
    control.stop(run.path)
    wait_for(lambda: "signalled" in kinds(run))
    orphan(run)
    assert control.adopt(run.path)
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.STOPPED
    assert not processes_of(stage.output)


@pytest.mark.parametrize("broken", ["--truncate_at", "--cut_state_at"])
def test_a_broken_checkpoint_or_state_is_no_safe_point(stage: Stage, broken: str) -> None:
    run = stage.start(
        *("--steps", "5000", "--save_state", "--save_every_n_steps", "20", "--delay", "0.3"),
        *(broken, "20"),
        exact=False,
    )
    wait_step(run, 3)
    control.stop(run.path, "after_save")
    snapshot = wait_end(run, 60)
    assert told(run, "safe_point")["step"] == 40
    assert snapshot.status is not None
    assert snapshot.status.safe_step >= 40


def test_broken_weights_leave_nothing_to_wait_for(stage: Stage) -> None:
    run = stage.start(
        "--steps", "5000", "--save_every_n_steps", "20", "--delay", "0.3", "--nan_weights_at", "20",
        exact=False,
    )  # fmt: skip
    wait_step(run, 3)
    control.stop(run.path, "after_save")
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.STOPPED
    assert told(run, "no_safe_point")["step"] == 20
    assert "safe_point" not in kinds(run)


def test_a_state_at_the_very_end_alone_is_no_state_to_wait_for(stage: Stage) -> None:
    forecast = Forecast(
        steps=5000,
        checkpoints=(
            ExpectedCheckpoint("fake-step00000020.safetensors", 20),
            ExpectedCheckpoint("fake.safetensors", 5000, state_name="fake-state"),
        ),
    )
    run = stage.start(
        *("--steps", "5000", "--save_every_n_steps", "20", "--delay", "0.25"),
        exact=False,
        forecast=forecast,
    )
    wait_step(run, 3)
    text = answer(run, control.stop(run.path, "after_save"))
    assert "step 20" in text
    assert "no state is saved" in text
    assert "would lose" in text
    wait_end(run, 60)
    assert told(run, "safe_point")["step"] == 20


def test_when_no_save_is_to_come_that_is_said(stage: Stage) -> None:
    run = stage.start("--steps", "60", "--save_every_n_steps", "40", "--delay", "0.3", exact=False)
    wait_for(lambda: "checkpoint_verified" in kinds(run), 60)
    wait_step(run, 42)  # at step 40 itself that very save would do
    text = answer(run, control.stop(run.path, "after_save"))
    assert "no more saves before the end at step 60" in text
    hurry(stage.output)
    assert wait_end(run, 60).outcome is Outcome.SUCCEEDED


def test_a_waiting_stop_can_be_taken_back(stage: Stage) -> None:
    run = stage.start("--steps", "60", "--save_every_n_steps", "40", "--delay", "0.1", exact=False)
    wait_step(run, 3)
    control.stop(run.path, "after_save")
    assert answer(run, control.cancel_stop(run.path)) == "cancelled"
    assert answer(run, control.cancel_stop(run.path)) == "no stop is pending"
    hurry(stage.output)
    assert wait_end(run, 60).outcome is Outcome.SUCCEEDED


# --------------------------------------------------------------------------- stalls


def test_a_frozen_trainer_is_seen_and_so_is_its_end(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--delay", "0.1", exact=False)
    wait_step(run, 5)
    stage.impatient(run)
    wait_step(run, 60, 40)
    os.kill(trainer(run), signal.SIGSTOP)
    wait_for(lambda: alarms(run), 40, "the alarm")
    assert alarms(run) == [AlarmKind.STALLED]
    text = str(told(run, RAISED)["text"])
    assert text.startswith("no step for ")
    assert f"kill -CONT {trainer(run)}" in text
    os.kill(trainer(run), signal.SIGCONT)
    wait_for(lambda: alarms(run, OVER), 40, "its end")
    assert alarms(run) == [AlarmKind.STALLED]


def test_the_guard_stops_a_frozen_trainer_although_it_cannot_hear(stage: Stage) -> None:
    run = stage.start(
        "--steps", "5000", "--delay", "0.1", exact=False, guard=GuardSettings(stalled="stop")
    )
    wait_step(run, 5)
    stage.impatient(run)
    wait_step(run, 60, 40)
    os.kill(trainer(run), signal.SIGSTOP)
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.STOPPED
    assert "no step for" in stopped_by_guard(snapshot)
    assert not processes_of(stage.output)


def test_a_stalled_training_that_waits_for_its_save_is_stopped_without_one(stage: Stage) -> None:
    run = stage.start(
        "--steps", "5000", "--delay", "0.1", "--save_every_n_steps", "4000",
        exact=False, guard=GuardSettings(stalled="after_save"),
    )  # fmt: skip
    wait_step(run, 5)
    stage.impatient(run)
    wait_step(run, 60, 40)
    os.kill(trainer(run), signal.SIGSTOP)
    snapshot = wait_end(run, 60)
    assert snapshot.outcome is Outcome.STOPPED
    assert "there will be no save" in stopped_by_guard(snapshot)


def test_a_stall_that_ends_takes_the_guards_waiting_stop_back(stage: Stage) -> None:
    run = stage.start(
        "--steps", "600", "--delay", "0.1", "--save_every_n_steps", "500",
        exact=False, guard=GuardSettings(stalled="after_save"),
    )  # fmt: skip
    wait_step(run, 5)
    stage.impatient(run)
    wait_step(run, 60, 40)
    os.kill(trainer(run), signal.SIGSTOP)
    wait_for(lambda: guard_orders(run), 40, "the guard's order")
    os.kill(trainer(run), signal.SIGCONT)
    wait_for(lambda: "stop_cancelled" in kinds(run), 40, "its end")
    assert told(run, "stop_cancelled")["by"] == "guard"
    hurry(stage.output)
    assert wait_end(run, 60).outcome is Outcome.SUCCEEDED
