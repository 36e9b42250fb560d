"""`stop` and `resume` of a group: one sentence for each run, exit 0 only if it worked for all."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.analysis.outcome import NOT_STARTED
from runner.control import launch
from runner.control import orders as control
from runner.control.queueing import QueueRequest
from runner.control.resume import plan_resume
from runner.control.resume_attempt import ResumePlan
from runner.control.retry import carry_out, plan_retry
from runner.model import Outcome, RunSnapshot, RunState
from runner.model.refusal import Refusal
from runner.store.reader import RunReader
from runner.store.registry import LIVE
from runner.store.rundir import RunDir
from tui.cli.again import resume_object
from tui.cli.common import exit_code, print_json, say, wait_for_end, write
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.cli.orders import NO_ANSWER, answer_to, order_stop, stopped, waits


def stop_group(paths: Sequence[Path], group: str, options: argparse.Namespace) -> int:
    """Those that still wait leave the queue first, the last one first: none of them starts because another run
    has stopped."""
    states = {path: RunReader(path, console=False).read_small().state for path in paths}
    queued = [path for path in reversed(paths) if states[path] is RunState.QUEUED]
    live = [path for path in paths if states[path] in LIVE and path not in queued]
    if not queued and not live:
        raise Fail(f"no run of {group} is live")
    done = [_stop(some, options) for some in (queued, live)]
    return OK if all(done) else NO


def _stop(paths: Sequence[Path], options: argparse.Namespace) -> bool:
    """All are ordered before the first answer is awaited. False: not all have stopped."""
    good, sent = True, list[tuple[Path, control.Sent]]()
    for path in paths:
        try:
            sent.append((path, order_stop(path, options)))
        except Refusal as error:
            good = _over(path, error) and good
    for path, order in sent:
        try:
            text = answer_to(path, order)
            if waits(options):
                text = stopped(path, order.attempt, options, lambda _: None)
        except Fail as error:
            good = _over(path, error) and good
            continue
        good = good and bool(text or not options.cancel)
        say(f"{path.name}: {text or NO_ANSWER}")
    return good


def resume_group(paths: Sequence[Path], group: str, options: argparse.Namespace) -> int:
    """Every run that has ended without success; one that never started, or saved nothing, begins as a new run
    of the group. As in a sweep they wait for a slot (with Slurm, that is the queue)."""
    if options.source is not None:
        raise Fail("--from names a checkpoint of one run: resume that run alone", WRONG_USE)
    good, begun, planned = True, list[Path](), list[dict[str, object]]()
    snapshots = [RunReader(path, console=False).read_all() for path in paths]
    again = {one.spec.retry_of: one.id for one in snapshots if one.spec is not None}
    for path, snapshot in zip(paths, snapshots, strict=True):
        why = _no_resume(snapshot, again)
        if why:
            say(f"{path.name}: {why}")
            continue
        try:
            if never_started(snapshot) or _saved_nothing(snapshot, options):
                new = _from_the_beginning(snapshot, options)
            else:
                found = plan_resume(snapshot, changes=options.set)
                planned.append(resume_object(path, found))
                new = _next_attempt(path, snapshot, found, options)
        except Refusal as error:
            good = _problem(path, error)
            continue
        begun.append(new)
    if options.json:
        print_json({"schema": 1, "group": group, "runs": planned})
    if options.dry_run:
        return OK if good else NO
    if not options.json:
        write(*(path.name for path in begun))
    ends = [exit_code(wait_for_end(path)) for path in begun] if options.wait else []
    return OK if good and NO not in ends else NO


def never_started(snapshot: RunSnapshot) -> bool:
    cause = snapshot.status.cause if snapshot.status is not None else None
    return cause is not None and cause.key == NOT_STARTED


def _saved_nothing(snapshot: RunSnapshot, options: argparse.Namespace) -> bool:
    """Then only step 0 is left to begin from. What diverged would diverge again with the same settings."""
    status = snapshot.status
    again = snapshot.outcome is not Outcome.DIVERGED or bool(options.set)
    return snapshot.spec is not None and status is not None and not status.checkpoints and again


def _no_resume(snapshot: RunSnapshot, again: Mapping[str | None, str]) -> str:
    """Why a run needs none; "" if it does. `again`: the retry of a run, by its id."""
    if snapshot.state in LIVE or snapshot.outcome is Outcome.SUCCEEDED:
        return f"{snapshot.outcome or snapshot.state}, nothing to resume"
    return f"retried as {again[snapshot.id]}" if snapshot.id in again else ""


def _from_the_beginning(snapshot: RunSnapshot, options: argparse.Namespace) -> Path:
    """Raises Refused."""
    found = plan_retry(snapshot, options.set, unchanged=True)
    if options.dry_run:
        say(f"{snapshot.id}: starts from step 0 as a new run")
        return Path(snapshot.path)
    made = carry_out(found, force=options.force, queue=_waits_here(snapshot))
    say(f"{snapshot.id}: starts from step 0 as {made.id}")
    return made.path


def _next_attempt(
    path: Path, snapshot: RunSnapshot, found: ResumePlan, options: argparse.Namespace
) -> Path:
    """Raises Refused."""
    if not options.dry_run:
        request = QueueRequest() if _waits_here(snapshot) else None
        launch.start_attempt(RunDir(path), found.approved(options.force), queue=request)
    say(f"{path.name}: resumes from step {found.from_step} to {found.to_step}")
    return path


def _waits_here(snapshot: RunSnapshot) -> bool:
    return snapshot.spec is None or snapshot.spec.engine.is_local


def _over(path: Path, error: Exception) -> bool:
    """A run that has ended meanwhile is no problem of a stop."""
    _problem(path, error)
    return RunReader(path, console=False).read_small().state is RunState.ENDED


def _problem(path: Path, error: Exception) -> bool:
    """False, after its sentence."""
    text = str(error).removeprefix(f"run {path.name}").lstrip(": ")
    say(f"{path.name}: {text}")
    return False
