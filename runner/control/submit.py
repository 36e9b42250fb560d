"""Hands an attempt to Slurm. It is submitted at most once, however often the process that does it is killed:
job.json with a token is written first, the job carries the token, and a job of another token starts nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.control.orders import Refused
from runner.engines.slurm import client, watch
from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.script import Task, log_pattern, options, script
from runner.engines.slurm.words import NOT_SUBMITTED
from runner.files.private import private_opener
from runner.model import Engine, JobPhase, JobRecord, RunSpec
from runner.process.spawn import module_command
from runner.store.jobs import job_of
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import RunDir

SUPERVISOR, FOLLOWING = "runner.supervisor.detach", "runner.control.following"
#: of one array
MOST_TASKS = 1000


class Unreached(Refused):
    """Slurm was not asked, so nothing was submitted; later, or from another machine, it may answer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The result for a run: `job` is the id, "" if none is known, then `problem` is the reason. `refused`:
    there is no job; else Slurm may have one. `unreached`: as Slurm was not asked."""

    run: RunDir
    job: str = ""
    problem: str = ""
    refused: bool = False
    unreached: bool = False


def refuse_open_job(run: RunDir, attempt: int) -> None:
    """Raises Refused: an earlier job of this attempt may still start it."""
    job = job_of(run)
    if job is not None and job.attempt == attempt and job.phase is not JobPhase.OVER:
        raise Refused(
            f"run {run.id} already has Slurm job {job.id or '(just submitted)'} for attempt {attempt}"
        )


def prepare(run: RunDir, attempt: int, *, requeue: bool = False) -> JobRecord:
    """Record that this attempt, whose plan is written, is Slurm's. The caller holds the run's lock. `requeue`:
    the environment of this shell is kept for the jobs that follow, whoever submits them. Raises OSError: then
    job.json, the last file, is what it was."""
    token = f"plasma-tui {run.id} {attempt} {os.urandom(4).hex()}"
    job = JobRecord(attempt, token, time.time(), JobPhase.PREPARED)
    kept_before = run.job_env.exists()
    try:
        with open(run.log, "ab", opener=private_opener):
            pass
        if requeue:
            kept = {os.fsencode(k): os.fsencode(v) for k, v in client.environment().items()}
            latin = {k.decode("latin-1"): v.decode("latin-1") for k, v in kept.items()}
            write_json(run.job_env, latin)
        watch.remember(run)
        write_json(run.job, job, durable=True)
    except OSError:
        watch.forget(run)
        if not kept_before:
            run.job_env.unlink(missing_ok=True)
        raise
    return job


def submit(run: RunDir) -> Submission:
    """Submit the prepared attempt of one run. Raises Unreached, Refused: nothing was submitted. If Slurm did
    not answer, that is the `problem`, and the next who asks finds the job."""
    done = _submit([run], read_json(run.spec, RunSpec).engine)[0]
    if done.refused:
        raise Unreached(done.problem) if done.unreached else Refused(done.problem)
    return done


def submit_many(runs: Sequence[RunDir]) -> list[Submission]:
    """Submit prepared runs: those with equal requests as one array, in the order given."""
    groups: dict[Engine, list[RunDir]] = defaultdict(list)
    failed = []
    for run in runs:
        try:
            groups[read_json(run.spec, RunSpec).engine].append(run)
        except Unreadable as error:
            failed.append(Submission(run, "", str(error), refused=True))
    done = {
        one.run: one
        for engine, group in groups.items()
        for at in range(0, len(group), MOST_TASKS)
        for one in _submit(group[at : at + MOST_TASKS], engine)
    }
    done |= {one.run: one for one in failed}
    return [done[run] for run in runs]


def _submit(runs: Sequence[RunDir], engine: Engine) -> list[Submission]:
    known = {run: job_of(run) for run in runs}
    jobs = {
        run: job
        for run, job in known.items()
        if job is not None and job.phase is JobPhase.PREPARED and not job.id
    }
    stale = [run for run in runs if run not in jobs]
    made = [
        Submission(run, "", f"run {run.id} is not waiting to be submitted", refused=True)
        for run in stale
    ]
    if not jobs:
        return made
    shared, many = next(iter(jobs.values())).token, len(jobs) > 1
    for number, (run, job) in enumerate(jobs.items()):
        token = f"{shared}#{number}" if many else shared
        jobs[run] = replace(job, token=token, submitted_at=time.time())
        with contextlib.suppress(OSError):
            write_json(run.job, jobs[run], durable=True)
    first = next(iter(jobs))
    text = script(
        engine,
        [Task(str(run.path), str(run.log), job.attempt, job.token) for run, job in jobs.items()],
        module_command(SUPERVISOR),
        module_command(FOLLOWING),
    )
    log = "/dev/null" if many else log_pattern(str(first.log))
    given = options(engine, name=first.id, token=shared, log=log, tasks=len(jobs))
    try:
        found = client.submit(given, text)
    except SlurmError as error:
        return [*made, *(_not_submitted(run, job, error) for run, job in jobs.items())]
    for number, (run, job) in enumerate(jobs.items()):
        name = f"{found.id}_{number}" if many else found.id
        record = replace(
            job, id=name, cluster=found.cluster, phase=JobPhase.WAITING, state="PENDING",
            text="submitted", asked_at=time.time(), problem="",
        )  # fmt: skip
        _record(run, record)
        made.append(Submission(run, name))
    return made


def _not_submitted(run: RunDir, job: JobRecord, error: SlurmError) -> Submission:
    # it may have been submitted: whoever asks next looks for the token
    if error.silent and not error.unreached:
        _record(run, replace(job, problem=str(error)))
        return Submission(run, "", str(error))
    record = replace(
        job, phase=JobPhase.OVER, state=NOT_SUBMITTED, text="never submitted", problem=str(error)
    )
    _record(run, record)
    watch.forget(run)
    return Submission(run, "", str(error), refused=True, unreached=error.unreached)


def _record(run: RunDir, record: JobRecord) -> None:
    """Unless the job itself, which may have begun, wrote it first."""
    newest = job_of(run)
    if newest is not None and newest.attempt == record.attempt and newest.id:
        return
    with contextlib.suppress(OSError):
        try:
            write_json(run.job, record, durable=True)
        except OSError:
            if record.phase is JobPhase.OVER:  # a full disk; else it would seem to wait
                run.job.unlink()


def cancel(run: RunDir) -> str:
    """Take a waiting run out of Slurm; what was done, one sentence. Raises Refused."""
    watch.refresh(least_age_s=0.0)
    job = job_of(run)
    if job is None or job.phase is JobPhase.OVER:
        raise Refused(f"run {run.id} has no open Slurm job")
    if not job.id:
        raise Refused(
            f"the Slurm job of run {run.id} is unknown yet ({job.problem or 'just submitted'}): try again"
        )
    try:
        client.cancel(job.id, job.cluster)
    except SlurmError as error:
        raise Refused(f"Slurm job {job.id} could not be cancelled: {error}") from None
    watch.refresh(least_age_s=0.0)
    return f"Slurm job {job.id} cancelled"
