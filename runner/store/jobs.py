"""job.json: what a cluster last reported of a run's job. Reading it asks no cluster; see runner.engines."""

from __future__ import annotations

import time

from runner.model import JobPhase, JobRecord, Outcome, RunSpec, RunState, Status, Waiting
from runner.model.units import duration
from runner.store.attempt import newest_attempt
from runner.store.inbox import CLUSTER
from runner.store.journal import Unreadable, readable
from runner.store.rundir import RunDir

#: silence after which a run on another host, with an invisible lock, counts as lost
HEARTBEAT_LIMIT_S = 90.0
#: a run without its next job after this has ended, whatever kept it from asking
CONTINUE_LIMIT_S = 900.0
#: a network disk may show the last status of a job that long after its end
LATE_S = 15.0
#: an answer older than this is shown with its age
OLD_S = 60.0


def job_of(run: RunDir) -> JobRecord | None:
    return readable(run.job, JobRecord)


def decided_by_cluster(run: RunDir, spec: RunSpec | None) -> bool:
    """Is the newest attempt a cluster's, and maybe not over? Then no process here may conclude its end:
    it is alive elsewhere, or will be."""
    if spec is None or spec.engine.is_local:
        return False
    job = job_of(run)
    try:
        newest = newest_attempt(run)
    except (Unreadable, OSError):
        newest = 1
    if job is None or job.attempt != newest or job.phase is not JobPhase.OVER:
        return True
    status = readable(run.status, Status)
    beat = status.heartbeat_at if status is not None and status.attempt == newest else 0.0
    return abs(time.time() - beat) < LATE_S


def has_further(job: JobRecord | None, status: Status | None) -> bool:
    """Is there a job for an attempt after the one with this status?"""
    if job is None or job.phase is JobPhase.OVER:
        return False
    return status is None or job.attempt > status.attempt


def continues(
    spec: RunSpec, job: JobRecord | None, status: Status, now: float, *, kept: bool
) -> bool:
    """Does the job that ended this attempt still have to ask for the next one? `kept`: the environment of the
    next one exists; once it is known that none follows, it is gone."""
    if job is None or job.note or not kept or not spec.engine.requeue:
        return False
    cause = status.cause.key if status.cause is not None else ""
    by_job = status.stop_by == CLUSTER or cause.startswith("slurm_")
    over = status.outcome in (Outcome.STOPPED, Outcome.KILLED)
    return by_job and over and abs(now - status.heartbeat_at) < CONTINUE_LIMIT_S


def state_by_job(job: JobRecord | None, status: Status | None, now: float) -> RunState:
    """Of a run whose supervisor is not seen here. `status`: of the newest attempt, None: it has none yet."""
    over = job is not None and job.phase is JobPhase.OVER
    limit_s = LATE_S if over else HEARTBEAT_LIMIT_S
    if status is not None and abs(now - status.heartbeat_at) < limit_s:
        return status.state
    if over:
        return RunState.ENDED  # without a verdict yet
    if job is None:
        return RunState.LOST
    if job.phase is JobPhase.RUNNING:
        return status.state if status is not None else RunState.STARTING
    if status is not None:
        return RunState.LOST  # back in the queue, which we forbid: its supervisor is gone
    return RunState.QUEUED


def is_heard(job: JobRecord, status: Status | None, now: float) -> bool:
    """Does a supervisor in the job write its heartbeat, although its lock may be invisible here?"""
    if status is None or job.phase is JobPhase.OVER or job.attempt != status.attempt:
        return False
    live = status.state in (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
    return live and abs(now - status.heartbeat_at) < LATE_S


def end_words(job: JobRecord, status: Status) -> tuple[str, ...]:
    """What the verdict on an ended run cannot know: that no job continues it, and why."""
    if job.note:
        return (job.note,)
    if job.attempt > status.attempt:
        if not job.id:
            return (f"attempt {job.attempt}: its Slurm job was {job.text}",)
        return (
            f"attempt {job.attempt}: Slurm job {job.id} {job.text}, before the training started",
        )
    return ()


def waiting_of(job: JobRecord, now: float) -> Waiting:
    """What a queued run waits for."""
    name = f"Slurm job {job.id}" if job.id else "Slurm"
    words = job.text or "submitting the job"
    if job.problem:
        asked = f"; {duration(now - job.asked_at)} ago: {words}" if job.asked_at else ""
        return Waiting(f"{job.problem}{asked}", expected_start_at=job.expected_start_at)
    age = f", {duration(now - job.asked_at)} ago" if 0 < job.asked_at < now - OLD_S else ""
    return Waiting(f"{name}: {words}{age}", expected_start_at=job.expected_start_at)
