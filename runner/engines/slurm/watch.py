"""Keeps job.json of every open job up to date: one squeue for all runs, at most once in some seconds,
whoever asks. The open jobs are listed by an empty file each in `$PLASMA_HOME/jobs`, so that no list of
thousands of ended runs is searched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from runner.engines.slurm import client
from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.printed import JobFacts
from runner.engines.slurm.words import NOT_SUBMITTED, phase_of, words_of
from runner.files.private import open_lock, private_folder
from runner.model import JobPhase, JobRecord
from runner.store.inbox import current_user
from runner.store.jobs import job_of
from runner.store.journal import write_json
from runner.store.rundir import RunDir, home, runs_root

ASK_EVERY_S = 10.0
#: an answer without news only changes its time
WRITE_EVERY_S = 30.0
#: while Slurm does not answer
RETRY_EVERY_S = 30.0
#: Slurm keeps the record of an ended job longer than this (MinJobAge, 300 s), unless it never started
REMEMBERED_S = 200.0
#: a submission without a known id is a failed one after this: sbatch gives up before
SUBMITTED_S = 120.0


def _open_folder() -> Path:
    return home() / "jobs"


def remember(run: RunDir) -> None:
    """Before a job is submitted. Raises OSError."""
    private_folder(_open_folder())
    (_open_folder() / run.id).touch(0o600)


def forget(run: RunDir) -> None:
    with contextlib.suppress(OSError):
        (_open_folder() / run.id).unlink()


def open_runs() -> list[RunDir]:
    """Runs with a job that was not over, or had no verdict, when last asked."""
    try:
        names = sorted(os.listdir(_open_folder()))
    except OSError:
        return []
    found = [RunDir(runs_root() / name) for name in names if not name.startswith(".")]
    for run in found:
        if not run.path.is_dir():
            forget(run)
    return [run for run in found if run.path.is_dir()]


def refresh(*, least_age_s: float = ASK_EVERY_S) -> None:
    """Ask Slurm about all open jobs, unless it was asked a moment ago by any process of this home. Never
    raises: what is unknown stays as it was, with its reason."""
    with contextlib.suppress(OSError):
        if not (runs := open_runs()):
            return
        lock = open_lock(home() / "jobs.asked")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            age = time.time() - os.fstat(lock).st_mtime
            # a failure is dated into the future; a clock may have been set back by more
            if os.fstat(lock).st_size and least_age_s and -RETRY_EVERY_S <= age < least_age_s:
                return
            answered = _ask(runs)
            os.pwrite(lock, b"asked\n", 0)
            later = 0.0 if answered else RETRY_EVERY_S - ASK_EVERY_S
            os.utime(lock, (time.time(), time.time() + later))
        finally:
            os.close(lock)


def _ask(runs: Iterable[RunDir]) -> bool:
    """False: Slurm does not answer."""
    known = {run: job_of(run) for run in runs}
    records = {
        run: job for run, job in known.items() if job is not None and job.phase is not JobPhase.OVER
    }
    answered = True
    for cluster in sorted({job.cluster for job in records.values()}):
        mine = {run: job for run, job in records.items() if job.cluster == cluster}
        try:
            found = client.jobs(current_account(), cluster)
        except SlurmError as error:
            answered = False
            for run, job in mine.items():
                _keep(run, job, replace(job, problem=str(error)))
            continue
        for run, job in mine.items():
            _keep(run, job, updated(job, found, time.time()))
    return answered


def current_account() -> str:
    """The user that Slurm knows this process as."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return current_user()


def updated(job: JobRecord, found: Iterable[JobFacts], now: float) -> JobRecord:
    """The record after Slurm listed all its jobs."""
    known = {one.id: one for one in found}
    facts = _among(job, known)
    if facts is not None:
        return of_facts(job, facts, now)
    if _left_its_array(job, known, now):
        return of_facts(job, JobFacts(job.id, "CANCELLED"), now)
    if job.id:
        ended = client.ended(job.id, job.cluster)
        return of_facts(job, ended or JobFacts(job.id, "GONE"), now)
    if now - job.submitted_at > SUBMITTED_S:
        return of_facts(job, JobFacts("", NOT_SUBMITTED), now)
    return replace(job, asked_at=now, problem="")


def _among(job: JobRecord, found: Mapping[str, JobFacts]) -> JobFacts | None:
    """By its id; by what it carries if the answer of sbatch was lost. `TOKEN#3` is task 3 of an array."""
    if job.id:
        return found.get(job.id)
    token, _, task = job.token.partition("#")
    for facts in found.values():
        if facts.comment == token and (not task or facts.id.endswith(f"_{task}")):
            return facts
    return None


def _left_its_array(job: JobRecord, known: Iterable[str], now: float) -> bool:
    """Was it a waiting task of an array of which Slurm knows others? Of a cancelled one no record is kept."""
    array, _, task = job.id.partition("_")
    recent = job.phase is JobPhase.WAITING and now - job.asked_at < REMEMBERED_S
    return bool(task) and recent and any(one.startswith(f"{array}_") for one in known)


def of_facts(job: JobRecord, facts: JobFacts, now: float) -> JobRecord:
    phase = phase_of(facts.state)
    return replace(
        job,
        id=facts.id or job.id,
        phase=job.phase if phase is JobPhase.UNKNOWN else phase,
        state=facts.state,
        reason=facts.reason,
        text=words_of(facts.state, facts.reason, facts.by),
        expected_start_at=facts.starts_at if phase is JobPhase.WAITING else None,
        began_at=facts.starts_at if phase is JobPhase.RUNNING else job.began_at,
        ends_at=facts.ends_at if phase is not JobPhase.WAITING else None,
        node=facts.node,
        exit=facts.exit,
        by=facts.by,
        asked_at=now,
        problem="",
    )


def _keep(run: RunDir, before: JobRecord, job: JobRecord) -> None:
    """Unless another attempt was submitted meanwhile."""
    newest = job_of(run)
    if newest is None or newest.attempt != before.attempt or newest.id not in ("", job.id):
        return
    with contextlib.suppress(OSError):
        job = replace(job, note=newest.note)
        news = replace(job, asked_at=newest.asked_at) != newest
        if run.is_there and (news or job.asked_at - newest.asked_at > WRITE_EVERY_S):
            write_json(run.job, job)
