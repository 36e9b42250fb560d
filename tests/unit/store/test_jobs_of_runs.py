"""A run whose job is a cluster's, as a reader sees it that asks no cluster."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control.orders import needs_adoption
from runner.model import (
    AttemptPlan,
    Engine,
    JobPhase,
    JobRecord,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.store.attempt import has_verdict
from runner.store.journal import write_json
from runner.store.liveness import take_lock
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root

NOW = time.time()
JOB = JobRecord(
    1, "token", NOW - 500, JobPhase.WAITING, id="7", state="PENDING", reason="Priority",
    text="jobs with a higher priority come first (Priority)", asked_at=NOW - 5,
)  # fmt: skip
ENDED = Status(RunState.ENDED, 1, NOW - 5, outcome=Outcome.STOPPED, stop_by="Slurm")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setattr(time, "time", lambda: NOW)  # other tests may have taken minutes
    made = RunDir(runs_root() / "20261130-190000-a-0001")
    made.path.mkdir(parents=True)
    spec = RunSpec(
        made.id, "a", ("python",), "/", {}, NOW - 600, "login", "/out", "a",
        engine=Engine("slurm", requeue=True),
    )  # fmt: skip
    write_json(made.spec, spec)
    write_json(made.attempt(1), AttemptPlan(1, ("python",), {}, "/", "/out", "a"))
    return made


def seen(run: RunDir, job: JobRecord | None = None, status: Status | None = None) -> RunSnapshot:
    if job is not None:
        write_json(run.job, job)
    if status is not None:
        write_json(run.status, status)
    return RunReader(run.path).read()


def test_a_waiting_job_is_a_queued_run_with_its_reason(run: RunDir) -> None:
    found = seen(run, replace(JOB, expected_start_at=NOW + 900))
    assert found.state is RunState.QUEUED
    assert found.status is not None and found.status.waiting is not None
    waiting = found.status.waiting
    assert waiting.reason == "Slurm job 7: jobs with a higher priority come first (Priority)"
    assert waiting.expected_start_at == NOW + 900
    assert not needs_adoption(run.path)


def test_an_old_answer_is_shown_with_its_age(run: RunDir) -> None:
    found = seen(run, replace(JOB, asked_at=NOW - 600, problem="Slurm does not respond: x"))
    assert found.status is not None and found.status.waiting is not None
    reason = found.status.waiting.reason
    assert reason.startswith("Slurm does not respond: x; 10 min ago: jobs with a higher priority")


@pytest.mark.parametrize(
    ("phase", "beat_s", "state"),
    [
        (JobPhase.RUNNING, 5, RunState.RUNNING),
        # a slow network disk, or a node under load
        (JobPhase.RUNNING, 600, RunState.RUNNING),
        (JobPhase.OVER, 5, RunState.RUNNING),
        (JobPhase.OVER, 600, RunState.ENDED),
    ],
)
def test_a_job_elsewhere_is_as_alive_as_its_cluster_reports(
    run: RunDir, phase: JobPhase, beat_s: float, state: RunState
) -> None:
    found = seen(run, replace(JOB, phase=phase), Status(RunState.RUNNING, 1, NOW - beat_s))
    assert found.state is state
    assert needs_adoption(run.path) is (state is RunState.ENDED)


def test_a_job_that_just_began_is_a_starting_run(run: RunDir) -> None:
    assert seen(run, replace(JOB, phase=JobPhase.RUNNING)).state is RunState.STARTING


def test_an_attempt_that_waits_outweighs_the_verdict_on_the_one_before(run: RunDir) -> None:
    found = seen(run, replace(JOB, attempt=2), ENDED)
    assert found.state is RunState.QUEUED
    assert found.outcome is None
    assert not has_verdict(run)
    cancelled = replace(JOB, attempt=2, phase=JobPhase.OVER, text="cancelled with scancel")
    found = seen(run, cancelled)
    assert (found.state, found.outcome) == (RunState.ENDED, Outcome.STOPPED)
    assert found.status is not None
    words = "attempt 2: Slurm job 7 cancelled with scancel, before the training started"
    assert words in found.status.reasons
    assert has_verdict(run)


def test_while_the_next_attempt_is_being_submitted_the_run_has_not_ended(run: RunDir) -> None:
    lock = take_lock(run.lock)
    assert lock is not None
    try:
        prepared = JobRecord(2, "another token", NOW, JobPhase.PREPARED)
        assert seen(run, prepared, ENDED).state is RunState.STARTING
    finally:
        os.close(lock)


def test_a_slot_that_ends_is_stopping_until_its_job_asked_for_the_next(run: RunDir) -> None:
    running = replace(JOB, phase=JobPhase.RUNNING)
    run.job_env.touch()
    assert seen(run, running, ENDED).state is RunState.STOPPING
    over = replace(running, phase=JobPhase.OVER)
    # its last process was killed: another one asks for the next job
    never = replace(JOB, attempt=2, phase=JobPhase.OVER, state="NOT_SUBMITTED", id="")
    assert seen(run, over).state is RunState.STOPPING
    # that a request got lost is only known after two minutes
    assert seen(run, never, replace(ENDED, heartbeat_at=NOW - 200)).state is RunState.STOPPING
    assert seen(run, never, replace(ENDED, heartbeat_at=NOW - 2000)).state is RunState.ENDED
    seen(run, over, ENDED)
    run.job_env.unlink()
    for settled in (
        running,  # its job has decided, and exits
        replace(running, phase=JobPhase.OVER),
        replace(running, note="not continued in another job: nothing was saved"),
    ):
        assert seen(run, settled).state is RunState.ENDED
    assert seen(run, running, replace(ENDED, heartbeat_at=NOW - 600)).state is RunState.ENDED
    assert seen(run, running, replace(ENDED, stop_by="someone")).state is RunState.ENDED


def test_only_an_ended_run_has_an_outcome(run: RunDir) -> None:
    """A list would show a run between two jobs as stopped."""
    running = replace(JOB, phase=JobPhase.RUNNING)
    run.job_env.touch()
    assert seen(run, running, ENDED).outcome is None
    lock = take_lock(run.lock)
    assert lock is not None
    try:
        prepared = JobRecord(2, "another token", NOW, JobPhase.PREPARED)
        assert seen(run, prepared, ENDED).outcome is None
    finally:
        os.close(lock)
    run.job_env.unlink()
    assert seen(run, replace(JOB, phase=JobPhase.OVER), ENDED).outcome is Outcome.STOPPED


def test_a_run_whose_end_is_evaluated_after_its_job_does_not_run(run: RunDir) -> None:
    lock = take_lock(run.lock)
    assert lock is not None
    try:
        over = replace(JOB, phase=JobPhase.OVER)
        assert seen(run, over).state is RunState.STOPPING
        assert seen(run, over, Status(RunState.RUNNING, 1, NOW)).state is RunState.STOPPING
    finally:
        os.close(lock)


def test_without_job_json_nothing_is_concluded_here(run: RunDir) -> None:
    assert seen(run, None, Status(RunState.RUNNING, 1, NOW - 600)).state is RunState.LOST
    assert not needs_adoption(run.path)


def test_a_torn_job_json_is_no_crash(run: RunDir) -> None:
    run.job.write_text('{"attempt": 1, "tok')
    assert seen(run).state is RunState.LOST
    Path(run.job).write_text("[]")
    assert seen(run).state is RunState.LOST
