"""What a front end can request from a run. Every function returns at once; the outcome is an event."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from runner.files.private import writable_by_others
from runner.model import OVER, RunSnapshot, RunSpec, RunState, Status
from runner.model.refusal import Refusal
from runner.process.spawn import detachment
from runner.store import inbox
from runner.store.attempt import has_verdict
from runner.store.disk_clock import disk_now
from runner.store.jobs import HEARTBEAT_LIMIT_S, decided_by_cluster
from runner.store.journal import readable
from runner.store.liveness import lock_held
from runner.store.queue import queued_mark, this_host
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root
from runner.store.schema import newer, refuse_newer
from runner.store.starting import start_supervisor as start_supervisor
from runner.store.unrecorded import still_runs

#: how long a run on another machine is watched for a heartbeat
ELSEWHERE_S = 5.0


class Refused(Refusal):
    """An order that is not possible now; one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An order in the inbox; `attempt`: of which attempt."""

    order_id: str
    kind: str
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an order, as text. `accepted`: it is, or already was, being carried out."""

    text: str
    accepted: bool


def refuse_made(spec: RunSpec) -> None:
    """Raises Refused for an imported run."""
    if spec.origin:
        what = "a console log" if spec.origin == "inspected" else "existing files"
        raise Refused(
            f"run {spec.id} was imported from {what}: it cannot be started; "
            "set up a plasma.toml (`plasma-tui init`) and start from there"
        )


def foreign(run: RunDir) -> str | None:
    """Why nothing is started for this folder, as the end of a sentence; None: it is a run of this user.

    The files of a run folder name commands (the trainer's, those of `[notify]`), so whoever can write them
    would have them run as this user. Any folder can be read."""
    if os.path.realpath(run.path.parent) != os.path.realpath(runs_root()):
        return f"is not in {runs_root()}: set PLASMA_HOME to the folder above its `runs`"
    try:
        who = writable_by_others(run.path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return who and f"{who}, so nothing is started from it"


def refuse_foreign(run: RunDir) -> None:
    """Raises Refused."""
    if (why := foreign(run)) is not None:
        raise Refused(f"{run.path} {why}")


def refuse_live(snapshot: RunSnapshot) -> None:
    """Raises Refused for a run that has not ended."""
    if snapshot.state is RunState.STARTING:
        raise Refused(f"run {snapshot.id} is starting: a start or resume was accepted a moment ago")
    if snapshot.state is RunState.QUEUED:
        raise Refused(f"run {snapshot.id} is queued: it starts on its own, or stop it first")
    if snapshot.state not in OVER:
        raise Refused(f"run {snapshot.id} is still {snapshot.state}: stop it first")
    if snapshot.spec is not None and _lives_elsewhere(snapshot):
        raise Refused(
            f"run {snapshot.id} is still running on {snapshot.spec.host}, whose clock differs from this "
            "machine's: stop it first"
        )


def is_heard_elsewhere(run: RunDir, heartbeat_at: float) -> bool:
    """Did a process on another machine write its heartbeat lately? Its clock may differ from ours: then the
    disk's clock decides."""
    if abs(time.time() - heartbeat_at) < HEARTBEAT_LIMIT_S:
        return True
    try:
        written_at = run.status.lstat().st_mtime
    except OSError:
        return False
    # beside the run folder, which a question must not change
    return abs(disk_now(runs_root()) - written_at) < HEARTBEAT_LIMIT_S


def _lives_elsewhere(snapshot: RunSnapshot) -> bool:
    """Is a run that seems lost, by the clock here, alive on another machine? A supervisor writes its status
    every second; a run folder that was only copied lately stays as it is."""
    spec, status, run = snapshot.spec, snapshot.status, RunDir(Path(snapshot.path))
    if snapshot.state is not RunState.LOST or spec is None or status is None:
        return False
    if spec.host == socket.gethostname() or not is_heard_elsewhere(run, status.heartbeat_at):
        return False
    deadline = time.monotonic() + ELSEWHERE_S
    while time.monotonic() < deadline:
        found = readable(run.status, Status)
        if found is not None and found.heartbeat_at != status.heartbeat_at:
            return True
        time.sleep(0.1)
    return False


def stop(path: Path, mode: str = "default") -> Sent:
    """Ask a run to stop: `default` (lets a save in progress finish), `now` (KILL at once), `after_save`.

    A run whose supervisor was killed gets a new one first. An order to a newer version's live supervisor is
    sent: a person must be able to stop a training, and an order is a file that any version understands or
    sets aside. Raises Refused.
    """
    return _send(path, "stop", {"mode": mode})


def cancel_stop(path: Path) -> Sent:
    """Cancel a stop that has not begun. Raises Refused."""
    return _send(path, "cancel_stop", {})


def _send(path: Path, kind: str, data: dict[str, str]) -> Sent:
    snapshot = RunReader(path, console=False).read_small()
    if not snapshot.supervisor_alive:
        refuse_newer(RunDir(path))
    if snapshot.state is RunState.ENDED:
        if not still_runs(RunDir(path)):
            raise Refused(f"run {snapshot.id} has already ended")
        refuse_foreign(RunDir(path))
        start_supervisor(RunDir(path))  # the earlier verdict was wrong
    if snapshot.state is RunState.QUEUED and snapshot.job is not None:
        return _cancel_job(path, kind, data)
    if snapshot.state is RunState.LOST and not _lives_elsewhere(snapshot):
        raise Refused(f"run {snapshot.id} is lost: no process of it is alive on this machine")
    _refuse_silent_queue(snapshot)
    adopt(path)
    try:
        order = inbox.send(RunDir(path), kind, data)
    except OSError as error:
        raise Refused(f"cannot write the order for run {snapshot.id}: {error.strerror}") from None
    return Sent(order.id, order.kind, order.attempt)


def _cancel_job(path: Path, kind: str, data: dict[str, str]) -> Sent:
    """A stop of a run whose job waits in Slurm: no supervisor takes orders yet. Raises Refused."""
    from runner.control.submit import cancel

    run = RunDir(path)
    if kind != "stop":
        raise Refused(f"run {run.id} waits in Slurm: no stop is pending")
    text = cancel(run)
    try:
        order = inbox.send(run, kind, data)
        inbox.settle(run, order, text)
    except OSError as error:
        raise Refused(f"{text}, but that cannot be recorded: {error.strerror}") from None
    adopt(path)
    return Sent(order.id, order.kind, order.attempt)


def _refuse_silent_queue(snapshot: RunSnapshot) -> None:
    """Raises Refused for a run in the queue of another host that no longer responds."""
    mark = queued_mark(RunDir(Path(snapshot.path))) if snapshot.state is RunState.QUEUED else None
    if mark is None or snapshot.supervisor_alive or mark.host == this_host():
        return
    beat = snapshot.status.heartbeat_at if snapshot.status is not None else mark.queued_at
    if not is_heard_elsewhere(RunDir(Path(snapshot.path)), beat):
        raise Refused(
            f"run {snapshot.id} waits in the queue of {mark.host}, which does not respond: "
            f"`plasma-tui queue {snapshot.id} --release` moves it to this machine"
        )


def await_answer(path: Path, sent: Sent, wait_s: float = 10.0) -> Answer | None:
    """The supervisor's answer; None if there was none within `wait_s`. An order that arrived after the
    supervisor exited is withdrawn, so that it is always answered and no later attempt finds it.
    """
    run = RunDir(path)
    deadline = time.monotonic() + wait_s
    while True:
        found = inbox.answer_of(run, sent.order_id)
        if found is not None:
            return Answer(found.answer or "taken", not found.refused)
        if time.monotonic() > deadline:
            return None
        if not lock_held(run.lock):
            with contextlib.suppress(OSError):
                if _is_over(run, sent):
                    inbox.withdraw(run, sent.order_id, "not done: the run has ended")
                else:
                    adopt(path)
        time.sleep(0.05)


def _is_over(run: RunDir, sent: Sent) -> bool:
    """Does the order's attempt have its verdict, and no live process?"""
    status = readable(run.status, Status)
    if status is None:
        return False
    if status.attempt > (sent.attempt or status.attempt):
        return True
    return status.state is RunState.ENDED and not still_runs(run)


def needs_adoption(path: Path) -> bool:
    """True if a run has no supervisor, and its newest started attempt has no verdict, or a further one is
    queued on this host."""
    run = RunDir(path)
    # spec.json is written when a new run is locked; if it was deleted later, the rest is still a run
    is_run = run.spec.exists() or run.started(1).exists() or run.console.exists()
    if lock_held(run.lock) or not is_run or foreign(run) or newer(run):
        return False
    if (mark := queued_mark(run)) is not None:
        return mark.host == this_host()
    return not _belongs_elsewhere(run) and not has_verdict(run)


def _belongs_elsewhere(run: RunDir) -> bool:
    """Started on another machine that shares this folder, and no process of it is here: whether it is alive
    there is unknown. (A machine may also have been renamed.)"""
    spec = readable(run.spec, RunSpec)
    if spec is not None and not spec.engine.is_local:
        return decided_by_cluster(run, spec)
    return spec is not None and spec.host != socket.gethostname() and not still_runs(run)


def adopt(path: Path, wait_s: float = 3.0) -> bool:
    """Restart a dead supervisor. Harmless if one is alive. True if one is alive now."""
    run = RunDir(path)
    if run.job.exists():
        from runner.control.jobs import look

        look()
    if not needs_adoption(path):
        if lock_held(run.lock):
            return True
        if newer(run):
            return False
        from runner.notify.box import anything_waiting, send_waiting

        if anything_waiting(run) and not foreign(run):  # an end notification with a killed sender
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                send_waiting(run)
        return lock_held(run.lock)
    # a queued run's training will live in what its supervisor is started in
    start_supervisor(run, detachment()[1] if run.queued.exists() else ())
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if lock_held(run.lock) or not needs_adoption(path):
            return True
        time.sleep(0.05)
    return False
