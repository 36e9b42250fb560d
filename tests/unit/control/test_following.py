"""Which end of a job is followed by another job."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace

import pytest

from runner.control import following, jobs
from runner.control.following import ended_by_slurm, follow, progressed, stopped_by_person
from runner.control.submit import Unreached
from runner.engines.slurm import watch
from runner.model import AttemptPlan, Cause, JobPhase, JobRecord, Outcome, RunState, Status
from runner.model.refusal import Refusal
from runner.store import inbox
from runner.store.inbox import CLUSTER, Order
from runner.store.jobs import job_of
from runner.store.journal import write_json
from runner.store.liveness import take_lock
from runner.store.rundir import RunDir, runs_root
from tests.builders import snapshot

STOPPED = Status(RunState.ENDED, 1, 1.0, outcome=Outcome.STOPPED, stop_by=CLUSTER)


@pytest.fixture
def run() -> RunDir:
    made = RunDir(runs_root() / "20261130-190000-a-0001")
    made.inbox_done.mkdir(parents=True)
    return made


@pytest.mark.parametrize(
    ("status", "followed"),
    [
        (STOPPED, True),
        (replace(STOPPED, stop_by="mia"), False),
        (replace(STOPPED, stop_by="guard"), False),
        # it finished, or its loss became NaN, while it was being stopped
        (replace(STOPPED, outcome=Outcome.SUCCEEDED), False),
        (replace(STOPPED, outcome=Outcome.DIVERGED), False),
        (replace(STOPPED, outcome=Outcome.KILLED, stop_by=None, cause=Cause("slurm_preempted", "")), True),
        (replace(STOPPED, outcome=Outcome.KILLED, stop_by=None, cause=Cause("slurm_time_limit", "")), True),
        (replace(STOPPED, outcome=Outcome.KILLED, stop_by=None, cause=Cause("slurm_requeued", "")), True),
        (replace(STOPPED, outcome=Outcome.KILLED, stop_by=CLUSTER, cause=Cause("slurm_cancelled", "")), False),
        (replace(STOPPED, outcome=Outcome.FAILED, stop_by=None, cause=Cause("no_data", "")), False),
    ],
)  # fmt: skip
def test_only_an_end_by_the_job_alone(status: Status, followed: bool) -> None:
    assert ended_by_slurm(snapshot(status=status)) is followed


def test_a_person_who_ordered_a_stop_is_heard(run: RunDir) -> None:
    def done(kind: str, by: str, attempt: int = 1) -> None:
        order = Order(f"{kind}{by}{attempt}", kind, 1.0, by, attempt=attempt)
        inbox.answer(run, f"{len(inbox.done(run)) + 1}-{order.id}.json", order, "")

    assert not stopped_by_person(run, 1)
    done("stop", CLUSTER)
    done("stop", "mia", attempt=2)
    assert not stopped_by_person(run, 1)
    done("stop", "mia")
    assert stopped_by_person(run, 1)
    done("cancel_stop", "mia")
    assert not stopped_by_person(run, 1)


@pytest.mark.parametrize(
    ("bases", "moves"),
    [([0, 20], True), ([0, 0], True), ([0, 0, 0], False), ([0, 20, 20], True), ([0, 20, 20, 20], False)],
)  # fmt: skip
def test_three_starts_from_one_step_are_no_progress(
    run: RunDir, bases: list[int], moves: bool
) -> None:
    plans = [
        AttemptPlan(n, (), {}, "/", None, None, base_step=base) for n, base in enumerate(bases, 1)
    ]
    for plan in plans[:-1]:
        write_json(run.attempt(plan.attempt), plan)
    assert progressed(run, plans[-1]) is moves


def test_why_nothing_follows_is_kept_for_readers(run: RunDir) -> None:
    write_json(run.job, JobRecord(1, "t", 1.0, JobPhase.RUNNING, id="7"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, "/", None, None))
    write_json(run.status, STOPPED)
    assert follow(run, 2).startswith("attempt 2 has no verdict")
    text = follow(run, 1)
    assert text == "not continued in another job: job.env is missing"
    job = job_of(run)
    assert job is not None and job.note == text


def test_a_next_job_that_slurm_refuses_is_noted(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(run.job, JobRecord(1, "t", 1.0, JobPhase.RUNNING, id="7"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, "/", None, None))
    write_json(run.status, STOPPED)

    def refused(*_: object) -> None:
        write_json(run.job, JobRecord(2, "u", 2.0, JobPhase.OVER, state="NOT_SUBMITTED"))
        raise Refusal("sbatch refused: not from a node")

    monkeypatch.setattr(following, "plan_resume", refused)
    monkeypatch.setattr(following, "restore_environment", lambda run: None)
    run.job_env.write_text("{}")
    follow(run, 1)
    job = job_of(run)
    assert job is not None
    assert job.note == "not continued in another job: sbatch refused: not from a node"
    assert not run.job_env.exists()
    assert follow(run, 1) == "attempt 2 has ended before it started: no further job is submitted"


def test_a_node_that_cannot_ask_slurm_leaves_it_to_the_login_node(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sbatch is installed on it, or it reaches no controller."""
    write_json(run.job, JobRecord(1, "t", 1.0, JobPhase.RUNNING, id="7"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, "/", None, None))
    write_json(run.status, replace(STOPPED, heartbeat_at=time.time()))
    write_json(run.job_env, {})

    def unreached(*_: object) -> None:
        write_json(run.job, JobRecord(2, "u", time.time(), JobPhase.OVER, state="NOT_SUBMITTED"))
        watch.forget(run)
        raise Unreached("Slurm is not installed on this machine: no sbatch")

    monkeypatch.setattr(following, "restore_environment", lambda run: None)
    monkeypatch.setattr(following, "plan_resume", unreached)
    assert "no sbatch" in follow(run, 1)
    job = job_of(run)
    assert job is not None and not job.note
    assert run.job_env.exists()
    assert watch.open_runs() == [run]
    # and that one is not asked at every look
    started: list[object] = []
    monkeypatch.setattr(jobs, "start_detached", lambda *found: started.append(found))
    monkeypatch.setattr(jobs, "foreign", lambda run: None)
    monkeypatch.setattr(jobs, "_asked", {})
    jobs.look()
    assert not started
    write_json(run.job, replace(job, submitted_at=time.time() - 100))
    jobs.look()
    assert len(started) == 1


def test_the_next_job_has_the_environment_of_the_start_alone(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.path / "job.env").write_text('{"PATH": "/bin", "WORD": "\\u00e4\\u00ff"}')
    monkeypatch.setenv("OTHER", "1")
    monkeypatch.setenv("SLURM_CONF", "/run/slurm.conf")
    before = dict(os.environb)
    try:
        following.restore_environment(run)
        assert os.environb[b"WORD"] == b"\xe4\xff"
        assert set(os.environb) == {b"PATH", b"WORD", b"SLURM_CONF"}
    finally:
        os.environb.clear()
        os.environb.update(before)


@pytest.mark.parametrize(
    ("job", "planned", "kept"),
    [
        # killed before it reached sbatch: the attempt may be submitted again
        (JobRecord(2, "u", 2.0, JobPhase.OVER, state="NOT_SUBMITTED"), True, True),
        (JobRecord(2, "u", 2.0, JobPhase.OVER, state="CANCELLED", id="8"), False, False),
        (JobRecord(2, "u", 2.0, JobPhase.WAITING, state="PENDING", id="8"), False, True),
        (JobRecord(2, "u", 2.0, JobPhase.PREPARED), False, True),
    ],
    ids=("never submitted", "cancelled", "waiting", "being submitted"),
)
def test_an_attempt_is_submitted_again_only_if_it_never_was(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, job: JobRecord, planned: bool, kept: bool
) -> None:
    asked = []

    class _Planned(Exception):
        pass

    def plan(*_: object) -> None:
        asked.append(1)
        raise _Planned

    write_json(run.job, job)
    write_json(run.attempt(1), AttemptPlan(1, (), {}, "/", None, None))
    write_json(run.status, STOPPED)
    write_json(run.job_env, {})
    monkeypatch.setattr(following, "restore_environment", lambda run: None)
    monkeypatch.setattr(following, "plan_resume", plan)
    with contextlib.suppress(_Planned):
        follow(run, 1)
    assert bool(asked) is planned
    assert run.job_env.exists() is kept


def test_only_one_process_asks_for_the_next_job(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = []
    monkeypatch.setattr(following, "follow", lambda *_: followed.append(1) or "")
    following.main(str(run.path), "1")
    assert not followed  # without an environment none follows
    write_json(run.job_env, {})
    lock = take_lock(run.job_env)
    assert lock is not None
    following.main(str(run.path), "1")
    assert not followed
    os.close(lock)
    following.main(str(run.path), "1")
    assert followed


def test_a_screen_that_looks_often_asks_once(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(jobs, "start_detached", lambda *words: started.append(words))
    monkeypatch.setattr(jobs.watch, "refresh", lambda: None)
    write_json(run.job, JobRecord(1, "t", 1.0, JobPhase.OVER, id="7"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, "/", None, None))
    write_json(run.status, STOPPED)
    write_json(run.job_env, {})
    jobs.watch.remember(run)
    for _ in range(5):
        jobs.look()
    assert len(started) == 1
