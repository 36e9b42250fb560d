"""`stop` and `approve`: orders to a run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from runner.analysis.smoke import smoke_verdict
from runner.control import gate
from runner.control import orders as control
from runner.model import JournalEvent, Outcome, RunSnapshot, RunState
from runner.store.reader import RunReader
from tui.cli.common import check_line, find_run, find_runs, say, snapshots, wait_for_end
from tui.cli.exits import NO, OK, Fail

#: INT 15 s, TERM 5 s, KILL, the last check of the files
STOP_PATIENCE_S = 180.0
NO_ANSWER = "stop requested; the supervisor hasn't responded yet"


def stop(options: argparse.Namespace) -> int:
    """Request a stop and wait until every process of the training has ended."""
    paths, group = find_runs(options.run)
    if group:
        from tui.cli.groups import stop_group

        return stop_group(paths, group, options)
    (path,) = paths
    sent = order_stop(path, options)
    answer = answer_to(path, sent)
    say(f"run {path.name}: {answer or NO_ANSWER}")
    if options.cancel:
        return OK if answer else NO
    if waits(options):
        say(stopped(path, sent.attempt, options, say))
    return OK


def order_stop(path: Path, options: argparse.Namespace) -> control.Sent:
    """Raises Refused."""
    mode = "now" if options.now else "after_save" if options.after_save else "default"
    return control.cancel_stop(path) if options.cancel else control.stop(path, mode)


def answer_to(path: Path, sent: control.Sent) -> str:
    """The supervisor's answer, "" for none yet. Raises Fail."""
    answer = control.await_answer(path, sent)
    if answer is not None and not answer.accepted:
        raise Fail(f"run {path.name}: {answer.text}")
    return answer.text if answer is not None else ""


def waits(options: argparse.Namespace) -> bool:
    """A save may be hours away."""
    return not (options.cancel or options.no_wait or (options.after_save and not options.wait))


def stopped(
    path: Path, attempt: int | None, options: argparse.Namespace, tell: Callable[[str], None]
) -> str:
    """Wait until no process is left, then for the verdict: how it ended. Raises Fail."""
    if options.after_save:  # Ctrl+C leaves the request in place
        wait_for_end(path)
    gone: JournalEvent | None = None
    deadline = time.monotonic() + STOP_PATIENCE_S
    for snapshot in snapshots(path):
        number = attempt or (snapshot.status.attempt if snapshot.status is not None else 1)
        found = [event for event in snapshot.events if event.attempt == number]
        left = [event for event in found if event.kind == "survivors"]
        if gone is None:
            gone = next((event for event in found if event.kind == "all_gone"), None)
            if gone is not None:
                tell(f"no process of the training is left ({gone.data.get('seen')} ended)")
                deadline = time.monotonic() + STOP_PATIENCE_S
        resumed = snapshot.status is not None and snapshot.status.attempt > number
        if resumed or (snapshot.state is RunState.ENDED and snapshot.outcome is not None):
            break
        if snapshot.state is RunState.UNKNOWN:
            return f"no process of run {path.name} is left; it was {snapshot.newer}"
        if snapshot.state is RunState.LOST:
            raise Fail(f"run {path.name} is lost: no process of this run is alive on this machine")
        if time.monotonic() > deadline:
            if gone is None:
                raise Fail(
                    f"run {path.name} has not stopped yet{_survivors(left)}: "
                    f"see `plasma-tui show {path.name}`"
                )
            return f"files are still being verified: see `plasma-tui show {path.name}`"
    if left:
        raise Fail(
            f"run {path.name} has stopped, but some processes are still alive{_survivors(left)}"
        )
    return _ending(snapshot) if not resumed else f"attempt {number} has ended"


def _survivors(events: list[JournalEvent]) -> str:
    return f" ({events[-1].data.get('processes')})" if events else ""


def _ending(snapshot: RunSnapshot) -> str:
    step = snapshot.status.step if snapshot.status else "?"
    if snapshot.outcome is not None and snapshot.outcome is not Outcome.STOPPED:
        return (
            f"ended at step {step}: {str(snapshot.outcome).replace('_', ' ')}; no process is left"
        )
    return f"stopped at step {step}; no process is left"


def approve(options: argparse.Namespace) -> int:
    """Print the results of the smoke test, then approve it."""
    path = find_run(options.run)
    for line in smoke_verdict(RunReader(path, console=False).read_all()):
        say(check_line(line))
    try:
        given = gate.approve(path, options.note)
    except OSError as error:
        raise Fail(str(error)) from None
    say(f"approved by {given.by}: you can start the long run with these settings")
    return OK
