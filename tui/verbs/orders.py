"""`stop` and `resume`: orders to a run."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from runner import control, gate, inbox
from runner.model import Outcome, RunSnapshot, RunState
from runner.reader import RunReader
from runner.rundir import RunDir
from runner.smoke import smoke_verdict
from tui.exits import OK, Fail
from tui.verbs.common import MARKS, find_run, say, wait_for_end

#: INT 15 s, TERM 5 s, KILL, the last look at the files
STOP_PATIENCE_S = 180.0


def stop(options: argparse.Namespace) -> int:
    """Order a stop and wait until nothing of the training is left."""
    path = find_run(options.run)
    if options.cancel:
        say(f"run {path.name}: {_answer(path, control.cancel_stop(path).order_id)}")
        return OK
    mode = "now" if options.now else "after_save" if options.after_save else "default"
    try:
        sent = control.stop(path, mode)
    except control.Refused as error:
        raise Fail(str(error)) from None
    answer = _answer(path, sent.order_id)
    say(f"run {path.name}: {answer}")
    if options.no_wait or (options.after_save and not options.wait):
        return OK
    # a save may be hours away: Ctrl+C leaves the order where it is
    snapshot = wait_for_end(path) if options.after_save else _wait_for_stop(path)
    if snapshot.state is not RunState.ENDED:
        raise Fail(f"run {path.name} has not stopped yet: see `plasma-tui show {path.name}`")
    left = [event for event in snapshot.events if event.kind == "survivors"]
    if left:
        raise Fail(f"run {path.name} has stopped, but processes are left: {left[-1].data}")
    say(_ending(snapshot))
    return OK


def _ending(snapshot: RunSnapshot) -> str:
    step = snapshot.status.step if snapshot.status else "?"
    if snapshot.outcome is not None and snapshot.outcome is not Outcome.STOPPED:
        return (
            f"ended at step {step}: {str(snapshot.outcome).replace('_', ' ')}; no process is left"
        )
    return f"stopped at step {step}; no process is left"


def _answer(path: Path, order_id: str) -> str:
    order = inbox.Order(order_id, "stop", 0.0)
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        found = inbox.answer_of(RunDir(path), order)
        if found is not None:
            return found.answer or "taken"
        time.sleep(0.05)
    return "the order lies in the inbox, nobody has taken it yet"


def _wait_for_stop(path: Path) -> RunSnapshot:
    reader = RunReader(path, console=False)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while True:
        snapshot = reader.read(0.1)
        judged = snapshot.state is RunState.ENDED and snapshot.outcome is not None
        if judged or time.monotonic() > deadline:
            return snapshot
        time.sleep(0.1)


def approve(options: argparse.Namespace) -> int:
    """Say yes to what a smoke test showed, after showing it."""
    path = find_run(options.run)
    for line in smoke_verdict(RunReader(path, console=False).read_all()):
        say(f"{MARKS[line.status]} {line.title}: {line.detail}")
    try:
        given = gate.approve(path, options.note)
    except (control.Refused, OSError) as error:
        raise Fail(str(error)) from None
    say(f"approved by {given.by}: the long run with these settings may start")
    return OK
