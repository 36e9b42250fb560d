"""The line about a run's Slurm job."""

from __future__ import annotations

from runner.model import JobPhase, JobRecord
from tui.words.job import job_words


def test_a_job_that_slurm_was_never_asked_about_has_no_age() -> None:
    job = JobRecord(1, "t", 90.0, JobPhase.PREPARED, problem="Slurm does not respond: x")
    assert job_words(job, 100.0) == "Slurm job: not submitted yet; Slurm does not respond: x"


def test_an_old_answer_has_its_age() -> None:
    job = JobRecord(
        1, "t", 0.0, JobPhase.WAITING, id="7", text="held by you", asked_at=40.0, problem="Slurm is away"
    )  # fmt: skip
    assert job_words(job, 100.0) == "Slurm job 7: held by you (as of 1 min ago); Slurm is away"
