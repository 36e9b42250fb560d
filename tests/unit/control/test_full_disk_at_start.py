"""A start or resume that meets a full disk at any of its writes is one sentence, and leaves nothing that is
listed, or that the next one meets."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from runner.control import launch
from runner.control.launch import start_attempt, start_run
from runner.control.orders import Refused
from runner.control.queueing import QueueRequest
from runner.control.start_refusals import StartRefused
from runner.control.submit import Unreached
from runner.engines.slurm import client, watch
from runner.engines.slurm.client import SlurmError, Submitted
from runner.model import (
    AttemptPlan,
    Engine,
    JobPhase,
    JobRecord,
    Outcome,
    RunSpec,
    RunState,
    Status,
)
from runner.store.jobs import job_of
from runner.store.journal import write_json
from runner.store.queue import queued_mark
from runner.store.rundir import RunDir, new_run_id, runs_root

SLURM = Engine("slurm", gres="gpu:1", requeue=True)
#: more than any start writes
ENOUGH = 60


@dataclass(slots=True)
class Disk:
    """Counts what is created in `home`. `fails_at`: from that one on the disk is full; 0: it has room."""

    home: Path
    created: int = 0
    fails_at: int = 0
    lasting: bool = True

    def refuse(self, path: Any) -> None:
        found = Path(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else None
        if found is None or not found.is_relative_to(self.home) or os.path.lexists(found):
            return
        self.created += 1
        if self.fails_at and (
            self.created == self.fails_at or (self.lasting and self.created > self.fails_at)
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(found))

    def filled(self, at: int, *, lasting: bool) -> None:
        self.created, self.fails_at, self.lasting = 0, at, lasting

    @property
    def was_full(self) -> bool:
        return bool(self.fails_at) and self.created >= self.fails_at


@pytest.fixture
def disk(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(isolated_home)
    opened, mkdir = os.open, os.mkdir

    def open_(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            made.refuse(path)
        return opened(path, flags, *more, **named)

    def mkdir_(path: Any, *more: Any, **named: Any) -> None:
        made.refuse(path)
        mkdir(path, *more, **named)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "mkdir", mkdir_)
    yield made
    made.fails_at = 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been started, and by whom."""
    made: list[str] = []
    monkeypatch.setattr(launch, "start_supervisor", lambda run, *_: made.append(run.id))
    monkeypatch.setattr(launch, "_await_supervisor", lambda run, wait_s, attempt=1: None)

    def submit(*_: object) -> Submitted:
        made.append("sbatch")
        return Submitted(str(len(made)))

    monkeypatch.setattr(client, "submit", submit)
    return made


def spec_of(output: Path, engine: Engine) -> tuple[RunSpec, AttemptPlan]:
    spec = RunSpec(
        id=new_run_id("x"), name="x", command=("python", "x.py"), cwd="/", env={}, created_at=1.0, host="h",
        output_dir=str(output), output_name="x", engine=engine,
    )  # fmt: skip
    return spec, AttemptPlan(1, spec.command, {}, "/", spec.output_dir, spec.output_name)


def ended_run(output: Path, engine: Engine) -> tuple[RunDir, AttemptPlan]:
    """And the plan of its second attempt."""
    spec, plan = spec_of(output, engine)
    run = RunDir(runs_root() / spec.id)
    run.inbox_done.mkdir(parents=True, mode=0o700)
    write_json(run.spec, spec)
    write_json(run.attempt(1), plan)
    run.started(1).touch()
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, outcome=Outcome.STOPPED))
    if not engine.is_local:
        write_json(run.job, JobRecord(1, "first", 1.0, JobPhase.OVER, id="7", text="ended"))
    return run, replace(plan, attempt=2, output_dir=str(output / "2"))


KINDS = pytest.mark.parametrize(
    ("engine", "queue"),
    [(Engine(), None), (Engine(), QueueRequest()), (SLURM, None)],
    ids=["local", "queue", "slurm"],
)
LASTING = pytest.mark.parametrize("lasting", [True, False], ids=["full", "once"])


def each_write(
    disk: Disk, act: Callable[[], object], *, lasting: bool
) -> Iterator[Exception | None]:
    """Every write fails in turn; None: it succeeded nevertheless."""
    for at in range(1, ENOUGH):
        disk.filled(at, lasting=lasting)
        problem = None
        try:
            act()
        except Refused as error:
            problem = error
        was_full, disk.fails_at = disk.was_full, 0
        if not was_full:
            assert at > 3, "nothing was written"
            return
        yield problem
    raise AssertionError("it never ended")


@LASTING
@KINDS
def test_a_start_leaves_nothing(
    disk: Disk, started: list[str], tmp_path: Path, engine: Engine, queue: QueueRequest | None,
    lasting: bool,
) -> None:  # fmt: skip
    def act() -> None:
        spec, plan = spec_of(tmp_path / "out", engine)
        start_run(spec, plan, queue=queue)

    refused = 0
    for problem in each_write(disk, act, lasting=lasting):
        if problem is None:  # what came after the job was submitted
            assert started.pop() == "sbatch"
            for run in runs_root().iterdir():
                watch.forget(RunDir(run))
                run.rename(tmp_path / run.name)
            continue
        refused += 1
        assert "No space left" in str(problem)
        assert not runs_root().is_dir() or not list(runs_root().iterdir())
        assert not watch.open_runs()
        assert not started
    assert refused > 4
    assert len(list(runs_root().iterdir())) == len(started) == 1


@LASTING
@KINDS
def test_a_resume_changes_nothing_and_the_next_one_works(
    disk: Disk, started: list[str], tmp_path: Path, engine: Engine, queue: QueueRequest | None,
    lasting: bool,
) -> None:  # fmt: skip
    run, plan = ended_run(tmp_path / "out", engine)
    before = job_of(run)
    for problem in each_write(disk, lambda: start_attempt(run, plan, queue=queue), lasting=lasting):
        if problem is None:
            assert started.pop() == "sbatch"
            assert before is not None
            write_json(run.job, before)
            run.attempt(2).unlink()
            run.job_env.unlink()
            watch.forget(run)
            continue
        assert isinstance(problem, StartRefused)
        assert "cannot be resumed: No space left" in str(problem)
        assert job_of(run) == before
        assert not run.attempt(2).exists()
        assert not run.job_env.exists()
        assert queued_mark(run) is None
        assert not watch.open_runs()
        assert not started
    assert run.attempt(2).exists()
    job = job_of(run)
    assert len(started) == 1 and (engine.is_local or (job is not None and job.attempt == 2))


@LASTING
def test_a_request_that_slurm_refuses_on_a_full_disk_blocks_no_later_one(
    disk: Disk, started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    def refuse(*_: object) -> Submitted:
        raise SlurmError("sbatch refused: a test")

    with monkeypatch.context() as patch:
        patch.setattr(client, "submit", refuse)
        for at in range(1, ENOUGH):
            run, plan = ended_run(tmp_path / "out" / str(at), SLURM)
            disk.filled(at, lasting=lasting)
            with pytest.raises(Refused):
                start_attempt(run, plan)
            was_full, disk.fails_at = disk.was_full, 0
            with pytest.raises(Refused, match="sbatch refused"):
                start_attempt(run, plan)
            if not was_full:
                return
    raise AssertionError("it never ended")


def test_an_attempt_with_an_open_job_keeps_its_plan(started: list[str], tmp_path: Path) -> None:
    run, plan = ended_run(tmp_path / "out", SLURM)
    start_attempt(run, plan)
    written = run.attempt(2).read_bytes()
    with pytest.raises(Refused, match="already has Slurm job 1 for attempt 2"):
        start_attempt(run, replace(plan, base_step=9))
    assert run.attempt(2).read_bytes() == written


@pytest.mark.parametrize("said", ["Unable to contact slurm controller (connect failure)", ""])
def test_what_slurm_certainly_never_got_leaves_nothing(
    started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """`said` "": sbatch is not installed."""

    def refuse(*_: object) -> Submitted:
        raise SlurmError(f"Slurm does not respond: {said}", silent=bool(said), absent=not said)

    monkeypatch.setattr(client, "submit", refuse)
    spec, plan = spec_of(tmp_path / "out", SLURM)
    with pytest.raises(Unreached, match="does not respond"):
        start_run(spec, plan)
    assert not list(runs_root().iterdir())
    run, plan = ended_run(tmp_path / "other", SLURM)
    for _ in range(2):
        with pytest.raises(Unreached):
            start_attempt(run, plan)
        assert not run.job_env.exists()
        assert not watch.open_runs()


def test_what_slurm_may_have_is_not_given_up(
    started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> Submitted:
        raise SlurmError(
            "Slurm does not respond: Socket timed out on send/recv operation", silent=True
        )

    monkeypatch.setattr(client, "submit", silent)
    spec, plan = spec_of(tmp_path / "out", SLURM)
    run = start_run(spec, plan)
    assert watch.open_runs() == [run]
    job = job_of(run)
    assert job is not None and (job.phase, job.id) == (JobPhase.PREPARED, "")
