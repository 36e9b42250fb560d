"""Creates a run: its folder, its first attempt, its detached supervisor.

Everything that decides whether two starts collide happens under one lock, so of two simultaneous starts the
second sees the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from runner.config.channels import Channels, write_channels
from runner.config.hiding import hidden_spec
from runner.control.orders import Refused, refuse_foreign, start_supervisor
from runner.control.queueing import QueueRequest, enqueue
from runner.control.start_refusals import (
    StartRefused,
    agreed_overwrite,
    refuse_control_characters,
    refuse_taken_folder,
    refuse_two_queues,
    refusing,
)
from runner.control.submit import prepare as prepare_job
from runner.control.submit import refuse_open_job
from runner.control.submit import submit as submit_job
from runner.engines.slurm.watch import forget
from runner.files.private import FOLDER_MODE, open_lock, own_copy, private_folder
from runner.model import SCHEMA, AttemptPlan, CheckResult, Engine, RunSpec, Status
from runner.preflight.existing_files import NO_CONSENT, Consent
from runner.process.spawn import detachment
from runner.store.attempt import attempts_of
from runner.store.journal import read_json, readable, write_json
from runner.store.liveness import lock_held, take_lock
from runner.store.registry import claim_of, same_target
from runner.store.rundir import RunDir, home, runs_root
from runner.store.unrecorded import still_runs

#: a supervisor without a sign of life after this has failed to start
START_PATIENCE_S = 30.0
REPLACED_AT_MOST = 3


@contextlib.contextmanager
def starts_lock() -> Iterator[None]:
    """While held, no run of this home is started or removed."""
    private_folder(home())
    fd = open_lock(home() / "starts.lock")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def start_run(
    spec: RunSpec,
    plan: AttemptPlan,
    checks: tuple[CheckResult, ...] = (),
    *,
    channels: Channels | None = None,
    consent: Consent = NO_CONSENT,
    wait_s: float = START_PATIENCE_S,
    submit: bool = True,
    queue: QueueRequest | None = None,
) -> RunDir:
    """Create the run folder and start its supervisor; returns once it is alive.

    `consent`: which files of an earlier training may be overwritten. `queue`: it waits for a slot first. Raises
    StartRefused: another live run writes the same files, or the supervisor did not start; WouldOverwrite. With
    Slurm its job is submitted instead; not without `submit`: see `submit.submit_many`.
    """
    refuse_control_characters(spec)
    refuse_two_queues(spec, queue)
    run = RunDir(runs_root() / spec.id)
    words = detachment()[0] if spec.engine.is_local else spec.engine.kind
    with refusing(f"cannot create the run folder {run.path}"), starts_lock():
        other = same_target(spec.output_dir, spec.output_name)
        if other is not None:
            raise StartRefused(
                f"run {other.id} {claim_of(other)} {spec.output_name!r} into {spec.output_dir}: "
                f"stop it (`plasma-tui stop {other.id}`) or choose another output_name"
            )
        spec = replace(spec, overwrite=agreed_overwrite(spec, consent), detached_by=words)
        private_folder(run.path.parent)
        run.path.mkdir(FOLDER_MODE)
        with _discarded_on_refusal(run):
            for folder in (run.inbox, run.inbox_done):
                folder.mkdir(FOLDER_MODE)
            write_json(run.preflight, _preflight(checks), durable=True)
            if channels is not None and channels.names:
                write_channels(run, channels)
            lock = _lock_run(run, 1)
            try:
                write_json(run.spec, hidden_spec(spec), durable=True)
                _hand_over(run, plan, spec.engine, lock, queue, consent)
            finally:
                os.close(lock)
    if spec.engine.is_local:
        _await_supervisor(run, wait_s)
    elif submit:
        with _discarded_on_refusal(run):
            submit_job(run)
    return run


def discard(run: RunDir) -> None:
    """Of a new run of which nothing was started, and no job submitted: it never existed."""
    forget(run)
    shutil.rmtree(run.path, ignore_errors=True)


@contextlib.contextmanager
def _discarded_on_refusal(run: RunDir) -> Iterator[None]:
    try:
        yield
    except (OSError, Refused):
        discard(run)
        raise


def _hand_over(
    run: RunDir,
    plan: AttemptPlan,
    engine: Engine,
    lock: int,
    queue: QueueRequest | None,
    consent: Consent = NO_CONSENT,
) -> None:
    """Write the plan, then what starts it: the record of a job to be submitted, or its supervisor, which
    inherits the lock. Raises OSError: then nothing is started, and nothing of it is left."""
    path = run.attempt(plan.attempt)
    try:
        run.queued.unlink(missing_ok=True)  # of an attempt that was started
        write_json(path, plan, durable=True)
        if not engine.is_local:
            prepare_job(run, plan.attempt, requeue=engine.requeue)
            return
        if queue is not None:
            enqueue(run, plan, queue, consent)
        start_supervisor(run, detachment()[1], lock)
    except OSError:
        run.queued.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def start_attempt(
    run: RunDir,
    plan: AttemptPlan,
    *,
    wait_s: float = START_PATIENCE_S,
    queue: QueueRequest | None = None,
) -> None:
    """Start a further attempt of an ended run; `queue`: it waits for a slot first. Raises StartRefused: the
    run is locked, or another attempt was started since `plan` was made.

    The run's lock is held until the supervisor, which inherits it, has ended. So of two simultaneous resumes
    only one writes its plan, and a caller killed at any line leaves the lock to its supervisor or frees it.
    """
    refuse_foreign(run)
    spec = read_json(run.spec, RunSpec)
    kept = run.job_env.exists()  # for the jobs that follow an earlier one
    refuse_two_queues(spec, queue)
    with refusing(f"run {run.id} cannot be resumed"), starts_lock():
        lock = _lock_run(run, plan.attempt)
        try:
            # a plan that no keeper has started may be replaced: while we hold the lock nothing can start it
            if any(run.started(n).exists() for n in attempts_of(run) if n >= plan.attempt):
                raise StartRefused(
                    f"run {run.id} has been resumed since this was planned (attempt "
                    f"{plan.attempt} has run): see `plasma-tui show {run.id}`, then resume again"
                )
            if still_runs(run):
                raise StartRefused(
                    f"processes of run {run.id} are still alive: stop it first (`plasma-tui stop {run.id}`)"
                )
            other = same_target(spec.output_dir, spec.output_name)
            if other is not None and other.id != run.id:
                raise StartRefused(f"run {other.id} {claim_of(other)} the same files")
            refuse_taken_folder(plan)
            if not spec.engine.is_local:
                refuse_open_job(run, plan.attempt)
            _own_log(run)
            _keep_status(run, plan)
            _hand_over(run, plan, spec.engine, lock, queue)
        finally:
            os.close(lock)
    if not spec.engine.is_local:
        try:
            submit_job(run)
        except Refused:
            if not kept:
                run.job_env.unlink(missing_ok=True)
            raise
        return
    _await_supervisor(run, wait_s, attempt=plan.attempt)
    if readable(run.attempt(plan.attempt), AttemptPlan) != plan:
        # the supervisor was killed before it started, and another resume took its place
        raise StartRefused(
            f"another resume of run {run.id} ran instead of this one: see `plasma-tui show {run.id}`"
        )


def _own_log(run: RunDir) -> None:
    """The trainer's output is appended to a file of this run folder alone. Raises StartRefused."""
    try:
        own_copy(run.console)
    except OSError as error:
        raise StartRefused(f"{run.console} cannot be continued: {error.strerror}") from None


def _keep_status(run: RunDir, plan: AttemptPlan) -> None:
    """Only status.json lists the files of earlier attempts, and it will be replaced. Raises OSError."""
    if (status := readable(run.status, Status)) is not None:
        write_json(run.status_before(plan.attempt), status, durable=True)


def _lock_run(run: RunDir, attempt: int, wait_s: float = 3.0) -> int:
    """The descriptor of the run's lock. A supervisor that just wrote its verdict needs a moment to exit.
    Raises StartRefused."""
    deadline = time.monotonic() + wait_s
    while (lock := take_lock(run.lock)) is None:
        if run.attempt(attempt).exists():
            raise StartRefused(
                f"run {run.id} was resumed a moment ago (attempt {attempt}), so this resume did "
                f"nothing: see `plasma-tui show {run.id}`"
            )
        if time.monotonic() > deadline:
            raise StartRefused(f"run {run.id} still has a supervisor: try again when it has ended")
    return lock


def _preflight(checks: tuple[CheckResult, ...]) -> dict[str, object]:
    passed = all(check.status != "fail" for check in checks)
    return {"schema": SCHEMA, "passed": passed, "checks": checks}


def _await_supervisor(run: RunDir, wait_s: float, attempt: int = 1) -> None:
    """Until its first status. One killed earlier is replaced: no later one may start the trainer, which must
    inherit this process's environment."""
    deadline, replaced = time.monotonic() + wait_s, 0
    while time.monotonic() < deadline:
        lock = None if lock_held(run.lock) else take_lock(run.lock)
        try:
            status = readable(run.status, Status)
            if status is not None and status.attempt >= attempt:
                return
            if lock is not None:
                if replaced == REPLACED_AT_MOST:
                    break
                start_supervisor(run, detachment()[1], lock)
                replaced += 1
        finally:
            if lock is not None:
                os.close(lock)
        time.sleep(0.02)
    raise StartRefused(
        f"the supervisor of {run.id} did not start: {_last_line(run.log)} (see {run.log})"
    )


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "no output"
