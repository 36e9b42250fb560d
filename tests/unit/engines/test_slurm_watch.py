"""How often Slurm is asked, and what is written for it."""

from __future__ import annotations

import os
import time

import pytest

from runner.engines.slurm import client, watch
from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.printed import JobFacts
from runner.model import JobPhase, JobRecord
from runner.store.jobs import job_of
from runner.store.journal import write_json
from runner.store.rundir import RunDir, home, runs_root


class Slurm:
    """Counts the questions. `facts` None: it is down."""

    def __init__(self) -> None:
        self.asked = 0
        self.facts: tuple[JobFacts, ...] | None = ()

    def jobs(self, _user: str, _cluster: str = "") -> tuple[JobFacts, ...]:
        self.asked += 1
        if self.facts is None:
            raise SlurmError("Slurm does not respond: a test", silent=True)
        return self.facts


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    made = Slurm()
    monkeypatch.setattr(client, "jobs", made.jobs)
    monkeypatch.setattr(client, "ended", lambda *_: None)
    return made


def opened(number: int) -> RunDir:
    run = RunDir(runs_root() / f"20261130-190000-a-000{number}")
    run.path.mkdir(parents=True)
    write_json(run.attempt(1), {})
    write_json(run.job, JobRecord(1, f"t{number}", time.time(), JobPhase.WAITING, id=str(number)))
    watch.remember(run)
    return run


def passes(seconds: float) -> None:
    """As if Slurm had been asked that much earlier."""
    path = home() / "jobs.asked"
    before = path.stat().st_mtime - seconds
    os.utime(path, (before, before))


def phase(run: RunDir) -> JobPhase | None:
    job = job_of(run)
    return job.phase if job is not None else None


def test_one_question_for_all_runs_and_not_again_for_a_while(slurm: Slurm) -> None:
    runs = [opened(n) for n in range(3)]
    slurm.facts = tuple(JobFacts(str(n), "RUNNING") for n in range(3))
    watch.refresh()
    watch.refresh()
    assert slurm.asked == 1
    assert [phase(run) for run in runs] == [JobPhase.RUNNING] * 3
    passes(watch.ASK_EVERY_S + 1)
    watch.refresh()
    assert slurm.asked == 2


def test_a_slurm_that_is_down_is_asked_less_often(slurm: Slurm) -> None:
    run = opened(1)
    slurm.facts = None
    watch.refresh()
    passes(watch.ASK_EVERY_S + 1)
    watch.refresh()
    assert slurm.asked == 1
    job = job_of(run)
    assert job is not None
    assert (job.phase, job.problem) == (JobPhase.WAITING, "Slurm does not respond: a test")
    passes(watch.RETRY_EVERY_S)
    slurm.facts = (JobFacts("1", "RUNNING"),)
    watch.refresh()
    assert slurm.asked == 2
    assert phase(run) is JobPhase.RUNNING


def test_nothing_is_asked_without_an_open_job(slurm: Slurm) -> None:
    watch.refresh()
    run = opened(1)
    slurm.facts = (JobFacts("1", "COMPLETED"),)
    watch.refresh()
    passes(60)
    watch.refresh()
    assert slurm.asked == 1
    assert phase(run) is JobPhase.OVER


def test_a_clock_that_was_set_back_does_not_silence_it(slurm: Slurm) -> None:
    opened(1)
    slurm.facts = (JobFacts("1", "RUNNING"),)
    watch.refresh()
    passes(-86_400)
    watch.refresh()
    assert slurm.asked == 2


def test_an_answer_without_news_is_rarely_written(slurm: Slurm) -> None:
    run = opened(1)
    slurm.facts = (JobFacts("1", "PENDING", "Priority"),)
    watch.refresh(least_age_s=0.0)
    written = run.job.stat().st_ino, run.job.stat().st_mtime_ns
    watch.refresh(least_age_s=0.0)
    assert (run.job.stat().st_ino, run.job.stat().st_mtime_ns) == written
    slurm.facts = (JobFacts("1", "PENDING", "Resources"),)
    watch.refresh(least_age_s=0.0)
    assert (run.job.stat().st_ino, run.job.stat().st_mtime_ns) != written


def test_a_job_that_slurm_forgot_is_over(slurm: Slurm) -> None:
    run = opened(1)
    watch.refresh()
    job = job_of(run)
    assert job is not None
    assert (job.phase, job.text) == (JobPhase.OVER, "no longer known to Slurm")


def test_an_entry_of_a_removed_run_goes(slurm: Slurm) -> None:
    (home() / "jobs").mkdir(parents=True)
    (home() / "jobs" / "20261130-190000-gone-0001").touch()
    assert watch.open_runs() == []
    assert not list((home() / "jobs").iterdir())
