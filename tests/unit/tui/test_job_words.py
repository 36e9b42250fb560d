"""The line about a run's Slurm job."""

from __future__ import annotations

from dataclasses import replace

from runner.model import JobPhase, JobRecord, LossSeries, RunState
from tests.builders import snapshot
from tui.cli.common import progress_line
from tui.words.job import job_words, submitted_words


def test_a_job_that_slurm_was_never_asked_about_has_no_age() -> None:
    job = JobRecord(1, "t", 90.0, JobPhase.PREPARED, problem="Slurm does not respond: x")
    assert job_words(job, 100.0) == "Slurm job: not submitted yet; Slurm does not respond: x"


def test_an_old_answer_has_its_age() -> None:
    job = JobRecord(
        1, "t", 0.0, JobPhase.WAITING, id="7", text="held by you", asked_at=40.0, problem="Slurm is away"
    )  # fmt: skip
    assert job_words(job, 100.0) == "Slurm job 7: held by you (as of 1 min ago); Slurm is away"


def test_a_start_names_the_job_or_why_none_is_known() -> None:
    job = JobRecord(1, "t", 90.0, JobPhase.WAITING, id="7")
    assert submitted_words(job) == "submitted as Slurm job 7"
    silent = JobRecord(1, "t", 90.0, JobPhase.PREPARED, problem="Slurm does not respond: x")
    assert submitted_words(silent).startswith("Slurm does not respond: x: `plasma-tui show`")


def test_a_run_that_is_stopping_does_not_seem_to_train() -> None:
    """Between two jobs, or while its end is evaluated."""
    stopping = replace(snapshot(), state=RunState.STOPPING)
    assert progress_line(stopping).startswith("stopping  step ")
    assert " left" not in progress_line(stopping)
    assert stopping.status is not None
    status = replace(stopping.status, step=0)
    early = replace(stopping, status=status, loss=LossSeries())
    assert progress_line(early) == "stopping"
