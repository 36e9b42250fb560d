"""Whole runs with real processes: started detached, ended in every way, each part killed for real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.checkpoints.verify import verify
from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.control.retry import carry_out, plan_retry
from runner.control.start_refusals import StartRefused
from runner.history.comparing import Comparing
from runner.history.report import show_json
from runner.history.review.chosen import choose
from runner.history.review.gather import review_of
from runner.model import (
    ExpectedCheckpoint,
    Forecast,
    KeeperRecord,
    Outcome,
    RunSnapshot,
    RunState,
)
from runner.store import inbox
from runner.store.journal import read_json, step_rows
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
    spec_for,
    start,
    wait_end,
    wait_for,
    wait_step,
)
from tui.cli.show_text import checkpoint_cells


class Stage:
    """One output folder and the runs that a test starts into it."""

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


def keeper(run: RunDir) -> KeeperRecord:
    return wait_for(lambda: read_json(run.keeper, KeeperRecord) if run.keeper.exists() else None)


def steps(run: RunDir) -> list[int]:
    """True steps in the order they were written, without the later words on the same step."""
    seen: list[int] = []
    for row in step_rows(run.steps.read_bytes())[0]:
        if row[0] not in seen:
            seen.append(row[0])
    return seen


def no_orphan(output: Path) -> None:
    wait_for(lambda: not processes_of(output), 10, "the end of all processes")


# --------------------------------------------------------------------------- ends


def test_a_run_to_its_end_is_a_success_with_every_step_and_file(stage: Stage) -> None:
    forecast = Forecast(
        steps=40,
        checkpoints=tuple(
            ExpectedCheckpoint(name, step)
            for name, step in (
                ("fake-step00000010.safetensors", 10), ("fake-step00000020.safetensors", 20),
                ("fake-step00000030.safetensors", 30), ("fake-step00000040.safetensors", 40),
                ("fake.safetensors", 40),
            )
        ),
        final="fake.safetensors",
    )  # fmt: skip
    run = stage.start("--save_state", forecast=forecast)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert snapshot.status is not None
    assert snapshot.status.step == 40
    assert snapshot.status.total_steps == 40
    assert snapshot.status.device == "cpu"
    assert steps(run) == list(range(1, 41))
    assert [c.step for c in snapshot.status.checkpoints] == [10, 20, 30, 40, 40]
    assert all(c.complete and c.finite and c.state_complete for c in snapshot.status.checkpoints)
    assert snapshot.status.attempts[0].exit is not None
    assert snapshot.status.attempts[0].exit.code == 0
    assert run.summary_md.exists()
    wait_for(lambda: not lock_held(run.lock), 5)
    no_orphan(stage.output)


def test_exit_0_without_data_is_not_called_good(stage: Stage) -> None:
    snapshot = wait_end(stage.start("--no_data"))
    assert snapshot.outcome is Outcome.NOTHING_TRAINED


def test_a_nan_is_divergence_although_the_trainer_ends_well(stage: Stage) -> None:
    snapshot = wait_end(stage.start("--nan_at", "15", "--steps", "30"))
    assert snapshot.outcome is Outcome.DIVERGED
    assert snapshot.status is not None
    assert snapshot.status.first_nonfinite_step == 15
    assert snapshot.loss.first_nonfinite_step == 15


def test_an_exception_is_a_failure_with_its_last_line_as_evidence(stage: Stage) -> None:
    snapshot = wait_end(stage.start("--launcher", "--fail_at", "12"))
    assert snapshot.outcome is Outcome.FAILED
    assert snapshot.status is not None
    assert snapshot.status.cause is not None
    assert "told to fail" in snapshot.status.cause.evidence


def test_a_truncated_checkpoint_forbids_success(stage: Stage) -> None:
    snapshot = wait_end(stage.start("--truncate_at", "20"))
    assert snapshot.outcome is Outcome.FAILED
    assert snapshot.status is not None
    broken = [c for c in snapshot.status.checkpoints if c.complete is False]
    assert [c.step for c in broken] == [20]
    assert any("step00000020" in reason for reason in snapshot.status.reasons)


def test_a_command_that_cannot_be_started_is_a_failure_that_says_so(stage: Stage) -> None:
    spec, plan = spec_for(stage.output)
    stage.output.parent.mkdir(exist_ok=True)
    from dataclasses import replace

    command = ("/nonexistent/python", "train_network.py")
    run = launch.start_run(replace(spec, command=command), replace(plan, command=command))
    stage.runs.append(run)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert b"cannot start /nonexistent/python" in run.console.read_bytes()


def test_ten_megabytes_without_a_newline_are_survived(stage: Stage) -> None:
    snapshot = wait_end(stage.start("--noise", "10000000", "--steps", "20"))
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert snapshot.status is not None
    assert snapshot.status.step == 20


# --------------------------------------------------------------------------- stopping


def test_a_stop_ends_everything_and_proves_it(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--worker", "--launcher")
    wait_step(run, 5)
    control.stop(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    assert kinds(run)[-1] == "ended"
    assert "all_gone" in kinds(run)
    assert next(e.data["signal"] for e in events(run) if e.kind == "signalled") == "SIGINT"
    no_orphan(stage.output)


def test_a_deaf_trainer_and_its_escaped_child_are_killed_at_the_end_of_the_ladder(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "5000", "--deaf", "--escape", grace_s=(0.6, 0.6))
    wait_step(run, 3)
    children = psutil.Process(keeper(run).pid).children(recursive=True)
    assert children
    control.stop(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    sent = [e.data["signal"] for e in events(run) if e.kind == "signalled"]
    assert sent == ["SIGINT", "SIGTERM", "SIGKILL"]
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
    no_orphan(stage.output)


def test_two_stops_are_one(stage: Stage) -> None:
    run = stage.start("--steps", "5000")
    wait_step(run, 3)
    first, second = control.stop(run.path), control.stop(run.path)
    wait_end(run)
    answers = [inbox.answer_of(run, s.order_id) for s in (first, second)]
    assert all(a is not None and a.answer for a in answers)
    with pytest.raises(control.Refused, match="already ended"):
        control.stop(run.path)


def test_a_stop_waits_for_a_save_in_progress(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--save_s", "1.5", "--save_state")
    wait_for(lambda: "checkpoint_saving" in kinds(run))
    control.stop(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    assert snapshot.status is not None
    first = snapshot.status.checkpoints[0]
    assert first.complete
    assert first.state_complete


def test_a_stop_after_the_next_save_leaves_a_state_to_go_on_from(stage: Stage) -> None:
    run = stage.start("--save_state", "--save_every_n_steps", "5", "--delay", "1")
    wait_step(run, 1)
    control.stop(run.path, "after_save")
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.STOPPED
    assert snapshot.status is not None
    assert snapshot.status.safe_step == 5
    assert plan_resume(snapshot).from_step == 5


# --------------------------------------------------------------------------- kill -9


def test_the_supervisor_may_be_killed_and_the_next_one_loses_no_step(stage: Stage) -> None:
    run = stage.start("--steps", "120", "--save_state")
    wait_step(run, 15)
    status = look(run).status
    assert status is not None
    assert status.supervisor_pid is not None
    kill(status.supervisor_pid)
    wait_for(lambda: not lock_held(run.lock))
    assert look(run).state is RunState.RUNNING  # the training goes on
    before = run.console.stat().st_size
    wait_for(lambda: run.console.stat().st_size > before + 500)
    assert control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert steps(run) == list(range(1, 121))
    assert kinds(run).count("epoch") == 6
    assert "adopted" in kinds(run)
    assert [c.step for c in (snapshot.status.checkpoints if snapshot.status else ())] == [
        *range(10, 121, 10), 120,
    ]  # fmt: skip


def test_a_run_that_ended_while_nobody_watched_is_judged_by_the_next_supervisor(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "60")
    wait_step(run, 5)
    status = look(run).status
    assert status is not None
    kill(status.supervisor_pid or 0)
    wait_for(run.exit.exists)
    unjudged = look(run)
    assert (unjudged.state, unjudged.outcome) == (RunState.ENDED, None)
    control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert steps(run) == list(range(1, 61))


def test_a_killed_trainer_is_a_killed_run(stage: Stage) -> None:
    run = stage.start("--steps", "5000")
    wait_step(run, 5)
    kill(keeper(run).pid)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.KILLED
    assert snapshot.status is not None
    assert snapshot.status.attempts[0].exit is not None
    assert snapshot.status.attempts[0].exit.signal == signal.SIGKILL
    no_orphan(stage.output)


def test_a_trainer_killed_behind_its_launcher_is_a_killed_or_failed_run_never_a_good_one(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "5000", "--launcher")
    wait_step(run, 5)
    (child,) = psutil.Process(keeper(run).pid).children()
    child.kill()
    snapshot = wait_end(run)
    assert snapshot.outcome in (Outcome.KILLED, Outcome.FAILED)
    no_orphan(stage.output)


def test_a_killed_launcher_does_not_end_the_training(stage: Stage) -> None:
    run = stage.start("--steps", "100", "--launcher")
    wait_step(run, 5)
    kill(keeper(run).pid)
    time.sleep(0.5)
    assert look(run).state is RunState.RUNNING
    snapshot = wait_end(run)
    assert steps(run) == list(range(1, 101))
    assert snapshot.outcome is Outcome.SUCCEEDED
    ended = snapshot.status.attempts[0].exit if snapshot.status else None
    assert ended is not None
    assert ended.signal == signal.SIGKILL
    assert [code for _, code in ended.orphans] == [0]
    no_orphan(stage.output)


def test_a_killed_keeper_ends_nothing_and_the_exit_is_honestly_unknown(stage: Stage) -> None:
    run = stage.start("--steps", "80")
    wait_step(run, 5)
    kill(keeper(run).keeper_pid)
    snapshot = wait_end(run)
    assert steps(run) == list(range(1, 81))
    assert snapshot.status is not None
    assert snapshot.status.attempts[0].exit is None
    # `model saved.` and whole files: everything that can be known says that it is good
    assert snapshot.outcome is Outcome.SUCCEEDED


def test_killing_everything_at_once_is_not_called_good(stage: Stage) -> None:
    run = stage.start("--steps", "5000")
    wait_step(run, 5)
    found, status = keeper(run), look(run).status
    assert status is not None
    for pid in (status.supervisor_pid or 0, found.keeper_pid, found.pid):
        kill(pid)
    wait_for(lambda: look(run).state is RunState.LOST)
    control.adopt(run.path)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.KILLED
    no_orphan(stage.output)


def test_the_hang_up_of_a_terminal_leaves_the_training_alone(stage: Stage, tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.process.helpers import start\n"
        "print(start(Path(sys.argv[1]), '--steps', '100').path, flush=True)\n"
        "time.sleep(60)\n"
    )
    master, slave = os.openpty()
    root = str(ROOT)
    starter = subprocess.Popen(
        [sys.executable, str(script), str(stage.output)],
        stdin=slave, stdout=subprocess.PIPE, stderr=slave, start_new_session=True,
        env={**os.environ, "PYTHONPATH": root}, preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0),
    )  # fmt: skip
    os.close(slave)
    assert starter.stdout is not None
    run = RunDir(Path(starter.stdout.readline().decode().strip()))
    stage.runs.append(run)
    wait_step(run, 5)
    os.close(master)  # the terminal is gone: SIGHUP to its foreground group
    starter.wait(timeout=10)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert steps(run) == list(range(1, 101))


# --------------------------------------------------------------------------- collisions, resume


def test_a_second_start_into_the_same_files_is_refused_and_names_the_first(stage: Stage) -> None:
    run = stage.start("--steps", "5000")
    with pytest.raises(StartRefused, match=run.id):
        stage.start("--steps", "10")
    other = stage.start("--steps", "3", name="other")
    assert wait_end(other).outcome is Outcome.SUCCEEDED
    control.stop(run.path)
    wait_end(run)
    assert wait_end(stage.start("--steps", "3")).outcome is Outcome.SUCCEEDED


def test_two_supervisors_start_the_trainer_once(stage: Stage) -> None:
    run = stage.start("--steps", "60")
    for _ in range(3):
        control.start_supervisor(run)
    time.sleep(0.5)
    assert len(processes_of(stage.output)) == 1
    assert wait_end(run).outcome is Outcome.SUCCEEDED


def resume(run: RunDir) -> RunSnapshot:
    launch.start_attempt(run, plan_resume(look(run)).plan)

    def second() -> bool:
        status = look(run).status
        return status is not None and status.attempt > 1

    wait_for(second)
    return wait_end(run)


def test_a_resumed_run_counts_true_steps_and_overwrites_nothing(stage: Stage) -> None:
    run = stage.start("--steps", "72", "--save_state", "--epoch_steps", "24", "--delay", "0.15")
    wait_step(run, 31)
    control.stop(run.path)
    wait_end(run)
    before = {p.name: p.read_bytes() for p in stage.output.glob("*.safetensors")}
    stamps = {p.name: p.stat().st_mtime_ns for p in stage.output.iterdir()}
    snapshot = resume(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert sorted(set(steps(run))) == list(range(1, 73))
    assert snapshot.status is not None
    # attempt 2 begins at true step 30, in epoch 2 (24 steps each): its grid is 24 + 10, 24 + 20 ...
    assert [c.step for c in snapshot.status.checkpoints] == [10, 20, 30, 34, 44, 54, 64, 72]
    for name, data in before.items():
        assert (stage.output / name).read_bytes() == data
        assert (stage.output / name).stat().st_mtime_ns == stamps[name]
    for step in (34, 44, 54, 64):
        assert (stage.output / f"fake-step{step:08d}.safetensors").exists()
    assert (stage.output / "fake.safetensors").exists()
    assert [a.attempt for a in snapshot.status.attempts] == [1, 2]
    assert (snapshot.status.attempts[1].first_step, snapshot.status.attempts[1].last_step) == (
        31,
        72,
    )


def test_a_run_resumed_past_its_first_epoch_ends_at_the_planned_step_each_time(
    stage: Stage,
) -> None:
    # 60 steps are two and a half epochs: the trainer by itself would train to step 72
    flags = ("--max_train_steps=60", "--save_every_n_steps=10", "--save_state", "--epoch_steps=24")
    run = stage.start(*flags, "--delay", "0.15")
    for step in (31, 43):
        wait_step(run, step)
        control.stop(run.path)
        assert wait_end(run).outcome is Outcome.STOPPED
        launch.start_attempt(run, plan_resume(look(run)).plan)
        wait_for(lambda: look(run).state is RunState.RUNNING)
    wait_step(run, 50)
    status = look(run).status
    assert status is not None and status.supervisor_pid is not None
    kill(status.supervisor_pid)
    control.start_supervisor(run)
    snapshot = wait_end(run)
    status = snapshot.status
    assert status is not None
    assert (snapshot.outcome, status.step, status.total_steps) == (Outcome.SUCCEEDED, 60, 60)
    assert any("ends at step 60 as planned" in reason for reason in status.reasons)
    assert sorted(set(steps(run))) == list(range(1, 61))
    last = status.checkpoints[-1]
    assert (last.name, last.step, last.final) == ("fake.safetensors", 60, True)
    assert last.path == str(stage.output / "fake.safetensors")
    assert max(c.step or 0 for c in status.checkpoints) == 60
    assert not processes_of(stage.output)


def files_of(snapshot: RunSnapshot, output: Path) -> dict[str, bool | None]:
    """Whether each file of the output folder is finite, by name, as the run knows it; held against the disk."""
    assert snapshot.status is not None
    known = {Path(c.path).name: c for c in snapshot.status.checkpoints}
    assert sorted(known) == sorted(p.name for p in output.glob("*.safetensors"))
    for name, one in known.items():
        assert one.name == name
        found = verify(output / name)
        assert (found.complete, found.finite) == (one.complete, one.finite)
    return {name: one.finite for name, one in known.items()}


def test_after_a_nan_a_good_retry_ends_good_and_its_files_have_the_true_names(
    stage: Stage,
) -> None:
    bad = ("--nan_at=25", "--nan_weights_at=25")
    run = stage.start("--steps", "60", "--save_every_n_steps=20", *bad)
    assert wait_end(run).outcome is Outcome.DIVERGED
    changes = ("learning_rate=1e-5", "nan_at=false", "nan_weights_at=false")
    carry_out(plan_retry(look(run), changes))
    snapshot = wait_for(lambda: wait_end(run) if look(run).status.attempt > 1 else None)
    status = snapshot.status
    assert status is not None
    assert (snapshot.outcome, status.reasons, status.step) == (
        Outcome.SUCCEEDED, ("the model was saved", "4 checkpoints complete and finite"), 60,
    )  # fmt: skip
    assert status.first_nonfinite_step is None
    assert files_of(snapshot, stage.output) == {
        "fake-step00000020.safetensors": True,
        "fake-step00000040.safetensors": True,
        "fake-step00000060.safetensors": True,
        "fake.safetensors": True,
        "fake-step00000040.nan.safetensors": False,
        "fake-step00000060.nan.safetensors": False,
        "fake.nan.safetensors": False,
    }
    rows = {cells[0]: cells[-1] for cells in checkpoint_cells(snapshot)}
    assert "attempt 2 trained this step again" in rows["fake.nan.safetensors"]
    summary = run.summary_md.read_text()
    print(summary)
    assert "4 of 4 files" in summary and "not finite" not in summary.split("## ")[1]


def test_after_a_truncated_file_a_good_resume_ends_good(stage: Stage) -> None:
    run = stage.start(
        "--steps", "60", "--save_every_n_steps=20", "--save_state", "--truncate_at=60"
    )
    assert wait_end(run).outcome is Outcome.FAILED
    snapshot = resume(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert files_of(snapshot, stage.output) == {
        "fake-step00000020.safetensors": True,
        "fake-step00000040.safetensors": True,
        "fake-step00000060.safetensors": True,
        "fake.safetensors": True,
        "fake-step00000060.incomplete.safetensors": None,
        "fake.incomplete.safetensors": None,
    }


def test_a_resumed_run_has_the_same_losses_and_best_checkpoint_everywhere(stage: Stage) -> None:
    run = stage.start("--max_train_steps=72", "--save_every_n_steps=10", "--save_state",
                      "--epoch_steps=24", "--delay=0.15")  # fmt: skip
    wait_step(run, 31)
    control.stop(run.path)
    wait_end(run)
    snapshot = resume(run)
    assert snapshot.status is not None
    review = review_of(run.path, dataset=False)
    known = {c.name: c.loss for c in review.checkpoints}
    shown = show_json(review.snapshot)
    assert {c["name"]: c["loss"] for c in shown["checkpoints"]} == known
    kept = {c.name: c.loss for c in snapshot.status.checkpoints}
    summary = {
        c["name"]: c["loss"] for c in json.loads(run.summary_json.read_text())["checkpoints"]
    }
    assert kept == pytest.approx(known) and summary == pytest.approx(known)
    best = review.candidates[0].checkpoint.name
    compared = Comparing([run.path, run.path]).read_all().runs[0].results
    assert (compared.best, choose(run.path).checkpoint.name) == (best, best)
    assert compared.last_loss == pytest.approx(review.losses.smooth)


def test_without_a_state_the_weights_go_on_and_steps_are_counted_on(stage: Stage) -> None:
    run = stage.start("--steps", "40", "--epoch_steps", "40", "--delay", "0.15")
    wait_step(run, 12)
    control.stop(run.path)
    wait_end(run)
    before = {p.name: p.read_bytes() for p in stage.output.glob("*.safetensors")}
    snapshot = resume(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    assert snapshot.status is not None
    assert (snapshot.status.step, snapshot.status.total_steps) == (40, 40)
    assert snapshot.status.attempts[1].first_step == 11
    assert [c.step for c in snapshot.status.checkpoints] == [10, 20, 30, 40, 40]
    assert {
        "fake-step00000020.safetensors",
        "fake-step00000030.safetensors",
        "fake.safetensors",
    } <= {p.name for p in stage.output.iterdir()}
    for name, data in before.items():
        assert (stage.output / name).read_bytes() == data


def test_a_run_that_saved_nothing_cannot_be_resumed_and_says_what_to_do(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--delay", "0.1")
    wait_step(run, 3)
    control.stop(run.path)
    snapshot = wait_end(run)
    with pytest.raises(control.Refused, match="save_state = true"):
        plan_resume(snapshot)


def test_a_retry_with_nothing_saved_is_a_run_of_its_own(stage: Stage) -> None:
    run = stage.start("--steps", "30", "--fail_at", "5", "--save_every_n_steps", "100")
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    found = plan_retry(snapshot, ("fail_at=0",))
    again = carry_out(found)
    ended = wait_end(again)
    assert ended.outcome is Outcome.SUCCEEDED
    assert again.id != run.id and ended.spec is not None
    assert ended.spec.retry_of == run.id
    assert look(run).outcome is Outcome.FAILED


def test_nobody_stays_behind_in_a_run_folder_that_was_deleted(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--delay", "0.05")
    wait_step(run, 2)
    record = keeper(run)
    shutil.rmtree(run.path)
    os.killpg(record.pgid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(record.keeper_pid), what="the keeper's end")
    wait_for(lambda: not list(_naming(run)), what="the supervisor's end")


def _naming(run: RunDir) -> Iterator[int]:
    """Processes whose command line names the run."""
    for process in psutil.process_iter():
        try:
            if str(run.path) in process.cmdline():
                yield process.pid
        except psutil.Error:
            continue
