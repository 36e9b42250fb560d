"""The verdict where a cluster ended the job."""

from __future__ import annotations

import pytest

from runner.analysis.facts import JobEnd, RunFacts
from runner.analysis.outcome import judge
from runner.model import Outcome
from runner.state.evidence import Evidence

LIMIT = JobEnd("slurm_time_limit", "Slurm job 7: reached its time limit")
#: of a training in its middle
MIDDLE = RunFacts(job=LIMIT, last_step=5, total_steps=20)


@pytest.mark.parametrize(
    "end",
    [
        {},  # nothing was recorded: the node is gone
        {"signal": 15},
        {"signal": 9},
        {"signal": 15, "stop_ordered": True, "job_reason": "Slurm ends the job"},
    ],
)
def test_what_ended_with_its_job_has_the_cause_of_the_job(end: dict[str, object]) -> None:
    found = judge(RunFacts(job=LIMIT, last_step=5, total_steps=20, **end))  # type: ignore[arg-type]
    assert found.outcome is Outcome.KILLED
    assert found.cause is not None and found.cause.key == "slurm_time_limit"
    assert found.reasons[0] == LIMIT.text


def test_what_a_person_stopped_before_was_stopped() -> None:
    found = judge(RunFacts(job=LIMIT, signal=2, stop_ordered=True, last_step=5))
    assert (found.outcome, found.cause) == (Outcome.STOPPED, None)


def test_what_failed_before_has_its_own_cause() -> None:
    failed = JobEnd("slurm_job_failed", "Slurm job 7: ended with an error")
    found = judge(RunFacts(job=failed, exit_code=1, last_step=5, direct=True))
    assert found.outcome is Outcome.FAILED
    assert found.cause is not None and not found.cause.key.startswith("slurm_")


def test_what_was_finished_before_succeeded() -> None:
    done = Evidence(model_saved=True)
    found = judge(RunFacts(job=LIMIT, exit_code=0, evidence=done, last_step=20, total_steps=20))
    assert found.outcome is Outcome.SUCCEEDED


def test_a_stop_in_time_says_why() -> None:
    found = judge(
        RunFacts(signal=2, stop_ordered=True, job_reason="the job's time ends in 2 min", last_step=5)
    )  # fmt: skip
    assert found.outcome is Outcome.STOPPED
    assert found.reasons[0] == "stopped for Slurm: the job's time ends in 2 min"


@pytest.mark.parametrize(
    ("ordered", "outcome", "text"),
    [
        (True, "stopped", "removed from Slurm's queue before its start"),
        (False, "failed", "Slurm job 7: cancelled by mia; the training never started"),
    ],
)
def test_a_job_that_ended_before_the_start_trained_nothing(
    ordered: bool, outcome: str, text: str
) -> None:
    job = JobEnd("slurm_cancelled", "Slurm job 7: cancelled by mia")
    found = judge(RunFacts(job=job, not_started=True, stop_ordered=ordered))
    assert found.outcome == outcome
    assert found.cause is not None and found.cause.key == "not_started"
    assert found.reasons[0] == text
