"""How a job of Slurm ended, as the verdict and the jobs that follow need it."""

from __future__ import annotations

import asyncio
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from runner.engines.slurm import client
from runner.engines.slurm.printed import JobFacts
from runner.model import Engine, JobPhase, JobRecord
from runner.store.journal import write_json
from runner.store.rundir import RunDir, runs_root
from runner.supervisor import job as job_part
from runner.supervisor.job import JobWatch


@pytest.fixture
def run() -> RunDir:
    made = RunDir(runs_root() / "20261130-190000-a-0001")
    made.path.mkdir(parents=True)
    return made


def watch_of(run: RunDir, *, not_started: bool = False) -> JobWatch:
    context: Any = SimpleNamespace(run=run, attempt=1, spec=SimpleNamespace(engine=Engine("slurm")))
    trainer: Any = SimpleNamespace(not_started=not_started, exit=None)
    journals: Any = SimpleNamespace(emit=lambda *_, **__: None)
    nothing: Any = None
    return JobWatch(context, trainer, nothing, nothing, nothing, journals)


@pytest.mark.parametrize(
    ("restarts_before", "cause"), [("", "slurm_requeued"), ("1", "slurm_cancelled")]
)
def test_a_job_put_back_into_the_queue_is_not_a_cancelled_one(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, restarts_before: str, cause: str
) -> None:
    write_json(run.job, JobRecord(1, "t", 1.0, JobPhase.RUNNING, id="7"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts_before)
    monkeypatch.setattr(job_part, "_received", {signal.SIGTERM: time.monotonic()})
    monkeypatch.setattr(client, "job", lambda *_: JobFacts("7", "COMPLETING", restarts=1))
    watch = watch_of(run)
    asyncio.run(watch.settle())
    end = watch.end()
    assert end is not None and end.cause == cause


@pytest.mark.parametrize("not_started", [True, False])
def test_a_job_that_failed_before_anything_started_asks_what_its_node_sees(
    run: RunDir, not_started: bool
) -> None:
    failed = JobRecord(
        1, "t", 1.0, JobPhase.OVER, id="7", state="FAILED", text="ended with an error"
    )
    write_json(run.job, failed)
    end = watch_of(run, not_started=not_started).end()
    assert end is not None and end.text.startswith("Slurm job 7: ended with an error")
    assert (f"does the node see {run.path}" in end.text) is not_started
