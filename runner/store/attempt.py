"""The attempts of a run folder."""

from __future__ import annotations

import os
import re

import msgspec

from runner.model import JobPhase, RunState
from runner.store.journal import Unreadable, readable
from runner.store.rundir import RunDir

_NUMBER = re.compile(r"^attempt-(\d+)\.(?:json|started)$")


def attempts_of(run: RunDir) -> list[int]:
    """The N of every attempt with a plan or the mark of a start, in order."""
    return sorted({int(m[1]) for name in os.listdir(run.path) if (m := _NUMBER.match(name))})


def newest_attempt(run: RunDir) -> int:
    """The highest N of them. Raises Unreadable if there is none."""
    numbers = attempts_of(run)
    if not numbers:
        raise Unreadable("attempt-1.json is missing")
    return numbers[-1]


def newest_started(run: RunDir, status_attempt: int) -> int:
    """The newest attempt that was started. A later plan was written by a resume killed before its supervisor
    started: it never ran. Raises Unreadable."""
    newest = newest_attempt(run)
    while newest > max(1, status_attempt) and not run.started(newest).exists():
        newest -= 1
    return newest


class _Verdict(msgspec.Struct):
    """The part of status.json that shows whether a run has ended."""

    state: RunState
    attempt: int = 1
    schema: int = 1


def has_verdict(run: RunDir) -> bool:
    """Did a supervisor record the end of the newest started attempt, and is no further one submitted? An
    unreadable status proves nothing."""
    found = readable(run.status, _Verdict)
    if found is None or found.state is not RunState.ENDED:
        return False
    return not (run.started(found.attempt + 1).exists() or _has_job(run, found.attempt + 1))


class _Job(msgspec.Struct):
    """The part of job.json that shows whether a cluster will still start an attempt."""

    attempt: int = 0
    phase: JobPhase = JobPhase.OVER
    schema: int = 1


def _has_job(run: RunDir, attempt: int) -> bool:
    job = readable(run.job, _Job)
    return job is not None and job.attempt >= attempt and job.phase is not JobPhase.OVER
