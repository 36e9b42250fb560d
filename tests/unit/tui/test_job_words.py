"""The line about a run's Slurm job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.model import JobPhase, JobRecord, LossSeries, RunState
from tests.builders import NOW, snapshot
from tui.cli.common import progress_line
from tui.kit.paint import plain
from tui.panels.verdict import verdict_of, verdict_rows
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


def verdict(shown_as: RunState, job: JobRecord, **changes: Any) -> str:
    shown = replace(
        snapshot(status_changes=changes), state=shown_as, job=job, supervisor_alive=False
    )
    rows = verdict_rows(verdict_of(shown, NOW), 400, 2)
    return "\n".join(plain(row).rstrip() for row in rows)


RUNNING = JobRecord(1, "t", NOW - 500, JobPhase.RUNNING, id="7")


def test_a_run_between_two_jobs_waits_for_no_supervisor_of_this_machine() -> None:
    text = verdict(RunState.STOPPING, RUNNING, state=RunState.ENDED)
    assert "the next job is being submitted" in text
    assert "no signal" not in text and "supervisor" not in text


def test_a_job_that_is_over_is_being_evaluated() -> None:
    over = replace(RUNNING, phase=JobPhase.OVER)
    assert "Its Slurm job has ended, its files are being checked" in verdict(
        RunState.STOPPING, over
    )


def test_the_silent_supervisor_of_a_job_is_not_restarted_here() -> None:
    text = verdict(RunState.RUNNING, RUNNING, heartbeat_at=NOW - 60)
    assert "No word from the supervisor for" in text and "restarts" not in text
