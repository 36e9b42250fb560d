"""The next job of a training in time slots: `python -m runner.control.following RUN_DIR ATTEMPT`, run by the
job's script after its supervisor; if that was killed, by whoever sees next that the job is over.

It may be killed at any line: an attempt is submitted at most once (see `submit`). The next job gets the
environment of the shell that started the run, not that of this job or of another shell.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from runner.control.launch import start_attempt
from runner.control.resume import plan_resume
from runner.control.submit import Unreached
from runner.engines.slurm import watch
from runner.engines.slurm.words import CONTINUED, NOT_SUBMITTED
from runner.model import AttemptPlan, JobPhase, Outcome, RunSnapshot, RunState
from runner.model.refusal import Refusal
from runner.store import inbox
from runner.store.attempt import attempts_of
from runner.store.inbox import CLUSTER, GUARD
from runner.store.jobs import job_of
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.liveness import take_lock
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

log = logging.getLogger("following")


def follow(run: RunDir, attempt: int) -> str:
    """Submit the attempt after this one, if the job's end alone ended it. What was done, or why nothing was;
    "": the training needs no further job."""
    job = job_of(run)
    # a reader shows it as stopping until this is done
    snapshot = RunReader(run.path, console=False).read_all()
    status = snapshot.status
    if status is None or status.state is not RunState.ENDED or status.attempt != attempt:
        return f"attempt {attempt} has no verdict of its own, so no further job is submitted"
    snapshot = replace(snapshot, state=RunState.ENDED, outcome=status.outcome)
    if job is None or (job.attempt != attempt and job.phase is not JobPhase.OVER):
        return f"attempt {attempt} already has a successor, so no further job is submitted"
    if job.attempt > attempt and (job.state != NOT_SUBMITTED or job.note):
        _settle(run)
        return f"attempt {job.attempt} has ended before it started: no further job is submitted"
    if not ended_by_slurm(snapshot) or stopped_by_person(run, attempt):
        _settle(run)
        return ""
    try:
        restore_environment(run)
        found = plan_resume(snapshot)
        if not progressed(run, found.plan):
            raise Refusal(
                "three jobs in a row started from the same step: save more often, or raise the time limit"
            )
        start_attempt(run, found.approved(None))
    except Unreached as error:  # from a node without sbatch, for example
        watch.remember(run)
        return f"the next screen or `plasma-tui runs` submits the next job: {error}"
    except (Refusal, Unreadable, OSError) as error:
        text = f"not continued in another job: {error}"
        _note(run, attempt, text)
        _settle(run)
        return text
    return f"attempt {found.plan.attempt} submitted, from step {found.from_step}"


def restore_environment(run: RunDir) -> None:
    """From now on this process has the environment of the starter's shell. Raises Unreadable."""
    kept = read_json(run.job_env, dict[str, str])
    conf = os.environ.get("SLURM_CONF")
    os.environ.clear()
    if conf is not None:  # a node may have its own
        os.environ["SLURM_CONF"] = conf
    for name, value in kept.items():
        os.environb[name.encode("latin-1")] = value.encode("latin-1")


def _settle(run: RunDir) -> None:
    """No job follows that would need the environment."""
    with contextlib.suppress(OSError):
        run.job_env.unlink()


def ended_by_slurm(snapshot: RunSnapshot) -> bool:
    """Did the end of its job end the training, and nothing else?"""
    status = snapshot.status
    if status is None:
        return False
    cause = status.cause.key if status.cause is not None else ""
    if status.outcome is Outcome.STOPPED:
        return status.stop_by == CLUSTER
    return status.outcome is Outcome.KILLED and cause in CONTINUED


def stopped_by_person(run: RunDir, attempt: int) -> bool:
    """Did a person order this attempt to stop, without taking that back?"""
    asked = False
    for order in inbox.done(run):
        if order.attempt == attempt and not order.refused and order.by not in (CLUSTER, GUARD):
            asked = order.kind == "stop"
    return asked


def progressed(run: RunDir, plan: AttemptPlan) -> bool:
    """Not if this plan and the two before it start at the same step."""
    bases = [plan.base_step]
    for number in reversed([n for n in attempts_of(run) if n < plan.attempt][-2:]):
        bases.append(read_json(run.attempt(number), AttemptPlan).base_step)
    return len(bases) < 3 or len(set(bases)) > 1


def _note(run: RunDir, attempt: int, text: str) -> None:
    """Where `show` and the screen find it."""
    job = job_of(run)
    if job is not None and job.attempt >= attempt:  # the next one may have been refused
        try:
            write_json(run.job, replace(job, note=text))
        except OSError as error:
            log.warning("job.json: %s", error)


def main(path: str, attempt: str) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    run = RunDir(Path(path))
    # one at a time: the lock goes with this process, however it ends
    lock = take_lock(run.job_env) if run.job_env.exists() else None
    if lock is None:
        log.info("no further job is asked for: none follows, or another process does it")
    elif text := follow(run, int(attempt)):
        log.info("%s", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
