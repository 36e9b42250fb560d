"""Runs as jobs of a private Slurm: waiting, running, cancelled, lost, and a controller that is down."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runner.control import orders
from runner.control.launch import start_attempt, start_run
from runner.control.orders import Refused
from runner.control.resume import plan_resume
from runner.control.start_refusals import StartRefused
from runner.control.submit import refuse_open_job, submit_many
from runner.engines.slurm import client, watch
from runner.model import Engine, JobPhase, Outcome, RunSnapshot, RunState
from runner.preflight.existing_files import Consent
from runner.store.jobs import job_of
from runner.store.rundir import RunDir, runs_root
from tests.process.helpers import events, look, processes_of, spec_for, supervisors_of, wait_for
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import await_run, ended, seen

pytestmark = pytest.mark.slow
AGREED = Consent(everything=True, reason="a test")
ONE_GPU = Engine("slurm", gres="gpu:1", time="10")
LONG = ("--steps", "3000", "--delay", "0.1", "--epoch_steps", "3000", "--save_state")


def submitted(
    output: Path, *flags: str, engine: Engine = ONE_GPU, name: str = "fake", submit: bool = True
) -> RunDir:
    spec, plan = spec_for(output, *flags, name=name)
    return start_run(replace(spec, engine=engine), plan, consent=AGREED, submit=submit)


def is_running(snapshot: RunSnapshot) -> bool:
    return snapshot.state is RunState.RUNNING and bool(snapshot.status and snapshot.status.step)


def job_id(run: RunDir) -> str:
    job = job_of(run)
    assert job is not None and job.id
    return job.id


def test_a_run_is_queued_until_slurm_starts_it_and_ends_like_any_other(output: Path) -> None:
    run = submitted(output, "--steps", "20")
    queued = look(run)
    assert queued.state is RunState.QUEUED
    assert queued.status is not None and queued.status.waiting is not None
    assert "Slurm job" in queued.status.waiting.reason
    done = ended(run)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.job is not None and done.job.node == "localhost"
    assert events(run)[0].kind == "started"


def test_the_trainer_gets_the_gpu_and_the_environment_of_the_starter(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_TEST_WORD", 'it\'s "quoted" $HOME')
    run = submitted(output, *LONG)
    await_run(run, is_running, "the start")
    (trainer,) = processes_of(output)
    environment = trainer.environ()
    assert environment["PLASMA_TEST_WORD"] == 'it\'s "quoted" $HOME'
    assert environment["CUDA_VISIBLE_DEVICES"] in ("0", "1")
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED


def test_two_run_at_a_time_and_the_third_waits_with_its_reason(output: Path) -> None:
    runs = [submitted(output, *LONG, name=f"fake{n}") for n in range(3)]
    for run in runs[:2]:
        await_run(run, is_running, "the start")
    third = await_run(
        runs[2], lambda s: s.job is not None and s.job.reason == "Resources", "the reason"
    )
    assert third.state is RunState.QUEUED
    assert third.status is not None and third.status.waiting is not None
    assert "all suitable GPUs and nodes are busy (Resources)" in third.status.waiting.reason
    for run in runs:
        orders.stop(run.path, "now")
    assert [ended(run).outcome for run in runs] == [Outcome.STOPPED] * 3
    assert not runs[2].console.exists()


def test_a_job_cancelled_while_it_waits_gets_a_verdict_and_never_starts(
    cluster: Cluster, output: Path
) -> None:
    held = replace(ONE_GPU, extra=("#SBATCH --hold",))
    run = submitted(output, engine=held)
    await_run(run, lambda s: s.job is not None and s.job.reason == "JobHeldUser", "the hold")
    cluster.ask("scancel", job_id(run))
    done = ended(run)
    assert (done.outcome, done.status and done.status.cause and done.status.cause.key) == (
        Outcome.FAILED, "not_started",
    )  # fmt: skip
    assert "cancelled" in str(done.status and done.status.reasons)
    assert not output.exists()


def test_scancel_of_a_running_job_ends_the_run_with_its_cause(
    cluster: Cluster, output: Path
) -> None:
    run = submitted(output, *LONG)
    await_run(run, is_running, "the start")
    cluster.ask("scancel", job_id(run))
    done = ended(run)
    assert done.status is not None and done.status.cause is not None
    assert (done.outcome, done.status.cause.key) == (Outcome.KILLED, "slurm_cancelled")
    wait_for(lambda: not processes_of(output))
    # the supervisor in the job wrote it, within the time that Slurm leaves
    assert any(event.kind == "job_ended" for event in events(run))


def test_a_supervisor_killed_in_its_job_is_replaced_there(output: Path) -> None:
    run = submitted(output, *LONG)
    await_run(run, is_running, "the start")
    (first,) = supervisors_of(run.path)
    (trainer,) = processes_of(output)
    os.kill(first, signal.SIGKILL)
    await_run(run, lambda s: s.supervisor_alive, "another supervisor")
    (second,) = supervisors_of(run.path)
    assert second != first
    assert psutil.Process(second).parent() is not None
    assert "slurm_script" in " ".join(psutil.Process(second).parent().cmdline())  # type: ignore[union-attr]
    assert [one.pid for one in processes_of(output)] == [trainer.pid]
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED


def test_a_job_that_ends_without_a_word_gets_its_verdict_from_who_asks_next(
    cluster: Cluster, output: Path
) -> None:
    run = submitted(output, *LONG)
    await_run(run, is_running, "the start")
    (supervisor,) = supervisors_of(run.path)
    # as when a node dies: everything at once, and Slurm finds out
    script = psutil.Process(supervisor).parent()
    assert script is not None
    for process in (script, psutil.Process(supervisor), *processes_of(output)):
        process.kill()
    for keeper in psutil.process_iter(["cmdline"]):
        words = keeper.info["cmdline"] or []
        if str(run.path) in words and any(word.endswith("keeper.py") for word in words):
            keeper.kill()
    done = ended(run)
    assert done.status is not None and done.status.cause is not None
    assert (done.outcome, done.status.cause.key) == (Outcome.KILLED, "slurm_job_failed")


def test_a_node_that_fails_is_the_cause(cluster: Cluster, output: Path) -> None:
    run = submitted(output, *LONG)
    await_run(run, is_running, "the start")
    try:
        cluster.ask("scontrol", "update", "nodename=localhost", "state=down", "reason=a test")
        done = ended(run)
    finally:
        cluster.ask("scontrol", "update", "nodename=localhost", "state=resume", check=False)
        cluster.await_node("idle")
    assert done.status is not None and done.status.cause is not None
    assert (done.outcome, done.status.cause.key) == (Outcome.KILLED, "slurm_node_failed")


def test_a_controller_that_is_down_costs_only_news(cluster: Cluster, output: Path) -> None:
    running = submitted(output, *LONG, name="a")
    await_run(running, is_running, "the start")
    held = replace(ONE_GPU, extra=("#SBATCH --hold",))
    waiting = submitted(output, engine=held, name="b")
    await_run(waiting, lambda s: s.job is not None and s.job.reason == "JobHeldUser", "the hold")
    cluster.stop_controller()
    try:
        began = time.monotonic()
        snapshot = seen(waiting)
        assert time.monotonic() - began < 15
        assert snapshot.state is RunState.QUEUED
        assert snapshot.status is not None and snapshot.status.waiting is not None
        reason = snapshot.status.waiting.reason
        assert reason.startswith("Slurm does not respond") and "held by you" in reason
        assert look(running).state is RunState.RUNNING
        before = look(running).status
        await_run(
            running,
            lambda s: s.status and before and s.status.step > before.step + 5,
            "further steps",
        )
        with pytest.raises(Refused, match="Slurm does not respond"):
            orders.stop(waiting.path)
    finally:
        cluster.start_controller()
        cluster.await_node("mix")
    await_run(waiting, lambda s: s.job is not None and not s.job.problem, "an answer")
    for run in (running, waiting):
        orders.stop(run.path, "now")
        assert ended(run).outcome is Outcome.STOPPED


def test_what_slurm_refuses_leaves_nothing(output: Path) -> None:
    for engine, said in (
        (replace(ONE_GPU, gres="gpu:9"), "not available"),
        (replace(ONE_GPU, partition="nope"), "[Ii]nvalid partition"),
    ):
        with pytest.raises(Refused, match=said):
            submitted(output, engine=engine)
    assert not list(runs_root().iterdir())
    assert not watch.open_runs()


def test_an_answer_of_sbatch_that_was_lost_is_found_by_the_token(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = client.submit

    def without_answer(*args: object) -> client.Submitted:
        submit(*args)  # type: ignore[arg-type]
        raise client.SlurmError("Slurm does not respond: a test", silent=True)

    monkeypatch.setattr(client, "submit", without_answer)
    run = submitted(output, "--steps", "20", "--delay", "0.2")
    job = job_of(run)
    assert job is not None and (job.id, job.phase) == ("", JobPhase.PREPARED)
    with pytest.raises((Refused, StartRefused)):
        start_attempt(run, look(run).plan or spec_for(output)[1])
    found = await_run(run, lambda s: s.job is not None and s.job.id, "its job")
    assert found.job is not None
    assert ended(run).outcome is Outcome.SUCCEEDED


def test_a_stopped_run_is_resumed_as_another_job(output: Path) -> None:
    run = submitted(output, *LONG)
    await_run(run, lambda s: s.status is not None and s.status.safe_step >= 10, "a save")
    orders.stop(run.path)
    stopped = ended(run)
    first = job_id(run)
    start_attempt(run, plan_resume(stopped).plan)
    assert look(run).state is RunState.QUEUED
    again = await_run(
        run, lambda s: is_running(s) and s.status is not None and s.status.attempt == 2, "attempt 2"
    )
    assert again.job is not None and again.job.id != first
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED


def test_equal_requests_are_one_array(cluster: Cluster, output: Path) -> None:
    runs = [submitted(output, "--steps", "20", name=f"s{n}", submit=False) for n in range(3)]
    other = submitted(
        output, "--steps", "20", name="other", submit=False, engine=replace(ONE_GPU, time="20")
    )
    done = submit_many([*runs, other])
    assert [one.problem for one in done] == [""] * 4
    array = done[0].job.partition("_")[0]
    assert [one.job for one in done[:3]] == [f"{array}_{n}" for n in range(3)]
    assert "_" not in done[3].job
    for run in (*runs, other):
        assert ended(run).outcome is Outcome.SUCCEEDED


def test_a_run_that_was_never_submitted_ends_by_itself(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submitted(output, submit=False)
    assert seen(run).state is RunState.QUEUED
    monkeypatch.setattr(watch, "SUBMITTED_S", 0.0)
    done = ended(run)
    assert done.outcome is Outcome.FAILED
    assert "never submitted" in str(done.status and done.status.reasons)
    assert submit_many([run])[0].problem


def test_an_attempt_has_one_job(output: Path) -> None:
    held = replace(ONE_GPU, extra=("#SBATCH --hold",))
    run = submitted(output, engine=held)
    with pytest.raises(Refused, match="already has Slurm job"):
        refuse_open_job(run, 1)
    orders.stop(run.path)
    assert ended(run).outcome is Outcome.STOPPED


def test_a_preempted_training_continues_in_another_job(cluster: Cluster, output: Path) -> None:
    run = submitted(output, *LONG, engine=replace(ONE_GPU, requeue=True))
    await_run(run, lambda s: s.status is not None and s.status.safe_step >= 10, "a save")
    urgent = ("--gres=gpu:2", "--partition=urgent", "--time=5", "--output=/dev/null")
    other = cluster.ask("sbatch", "--parsable", *urgent, "--wrap", "sleep 600").strip()
    waiting = await_run(
        run, lambda s: s.job is not None and s.job.attempt == 2 and s.job.id, "the next job"
    )
    assert waiting.state in (RunState.QUEUED, RunState.STARTING)
    first = next(one for one in events(run) if one.kind == "job_ended")
    assert "preempted" in str(first.data)
    cluster.ask("scancel", other)
    again = await_run(
        run,
        lambda s: s.status and s.status.attempt == 2 and s.status.attempts[1].first_step,
        "steps of attempt 2",
    )
    assert again.status is not None
    assert (again.status.attempts[1].first_step or 0) > 10
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED


def test_a_job_killed_before_it_asked_for_the_next_is_continued_with_the_first_environment(
    cluster: Cluster, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_TEST_WORD", "of the start")
    run = submitted(output, *LONG, engine=replace(ONE_GPU, requeue=True))
    await_run(run, lambda s: s.status is not None and s.status.safe_step >= 10, "a save")
    monkeypatch.setenv("PLASMA_TEST_WORD", "of another shell")
    assert run.job_env.stat().st_mode & 0o777 == 0o600
    try:
        cluster.ask("scontrol", "update", "nodename=localhost", "state=down", "reason=a test")
        await_run(run, lambda s: s.job is not None and s.job.attempt == 2, "the next job")
    finally:
        cluster.ask("scontrol", "update", "nodename=localhost", "state=resume", check=False)
    again = await_run(
        run,
        lambda s: s.status and s.status.attempt == 2 and s.status.attempts[1].first_step,
        "steps of attempt 2",
    )
    assert again.status is not None
    environment = psutil.Process(again.status.trainer_pid).environ()
    assert environment["PLASMA_TEST_WORD"] == "of the start"
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED
    wait_for(lambda: not run.job_env.exists())


def test_a_job_put_back_into_the_queue_continues_as_another_and_starts_nothing_again(
    cluster: Cluster, output: Path
) -> None:
    run = submitted(output, *LONG, engine=replace(ONE_GPU, requeue=True))
    await_run(run, lambda s: s.status is not None and s.status.safe_step >= 10, "a save")
    first = job_id(run)
    cluster.ask("scontrol", "update", f"jobid={first}", "requeue=1")
    cluster.ask("scontrol", "requeue", first)
    again = await_run(
        run, lambda s: is_running(s) and s.status is not None and s.status.attempt == 2, "attempt 2"
    )
    assert again.job is not None and again.job.id != first
    (end,) = (one for one in events(run) if one.kind == "job_ended")
    assert end.data["state"] == "REQUEUED"
    cluster.ask("scancel", first)
    orders.stop(run.path, "now")
    assert ended(run).outcome is Outcome.STOPPED
