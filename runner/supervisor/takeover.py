"""How a supervisor comes to its trainer: it starts the keeper, or finds what an earlier supervisor started.

Only the supervisor that a start or a resume has asked for starts anything: one that comes later has another
environment than the starter's shell had. It closes an attempt that nobody has started, so that no keeper can
begin it any more, and the run gets a verdict.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.files.private import FILE_MODE
from runner.model import AttemptPlan, KeeperRecord, RunSpec, Status
from runner.process.spawn import keeper_command, start_detached
from runner.store.attempt import newest_attempt
from runner.store.journal import Unreadable, read_json
from runner.store.liveness import created_at
from runner.store.rundir import RunDir
from runner.store.unrecorded import attempt_offset, keeper_pids, record_of

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

POLL_S = 0.05
#: after this, a keeper without a record is looked for among the processes
SEARCH_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `problems`: files that cannot be read, a sentence each; what they would have told is
    replaced by what the other one tells, else it is empty."""

    attempt: int
    spec: RunSpec
    plan: AttemptPlan
    problems: tuple[str, ...]


def read_asked(run: RunDir) -> Asked:
    """spec.json and the newest plan. Never raises for what they hold: a training may be running."""
    problems = []
    attempt = _attempt(run)
    spec: RunSpec | None = None
    plan: AttemptPlan | None = None
    try:
        spec = read_json(run.spec, RunSpec)
    except Unreadable as error:
        problems.append(str(error))
    try:
        plan = read_json(run.attempt(attempt), AttemptPlan)
    except Unreadable as error:
        problems.append(str(error))
    known = plan or spec
    command, cwd = (known.command, known.cwd) if known else ((), "/")
    folder, name = (known.output_dir, known.output_name) if known else (None, None)
    env = known.env if known else {}
    logging_dir = known.logging_dir if known else None
    if spec is None:
        host = socket.gethostname()
        spec = RunSpec(run.id, name or run.id, command, cwd, env, _made_at(run), host, folder, name)
    if plan is None:
        plan = AttemptPlan(attempt, command, env, cwd, folder, name, logging_dir=logging_dir)
    return Asked(attempt, spec, plan, tuple(problems))


def _attempt(run: RunDir) -> int:
    try:
        return newest_attempt(run)
    except Unreadable:
        pass
    try:
        return read_json(run.keeper, KeeperRecord).attempt
    except Unreadable:
        return 1


def _made_at(run: RunDir) -> float:
    try:
        return read_json(run.status, Status).started_at or run.path.stat().st_mtime
    except (Unreadable, OSError):
        return time.time()


async def take_over(s: Supervisor, start: bool) -> bool:
    """Start the keeper of this attempt, if `start`, else find what was started. True: it was started before.

    Afterwards the supervisor has a keeper, or an exit, or knows that it cannot have one: `exit_unseen`, and
    `not_started` if nothing was ever started.
    """
    began = s.files.started_mark.exists()
    if not began and start and not s.asked.problems:
        start_detached(keeper_command(s.run.path, s.attempt))
    elif not began and _close(s):
        _give_up(s)
        return True
    await _find(s)
    if s.keeper is not None:
        before = s.before
        same = before is not None and before.trainer_pid == s.keeper.pid
        known = before.trainer_created_at if same and before is not None else None
        s.trainer_created_at = known or created_at(s.keeper.pid)
        s.ingest.offset = s.keeper.console_offset
    return began


def _close(s: Supervisor) -> bool:
    """Make the mark that a keeper needs to be the first to make. False: one was faster, or may still be."""
    try:
        os.close(os.open(s.files.started_mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except FileExistsError:
        return False
    except OSError:  # a full disk: no keeper could make it either
        return not keeper_pids(s.run, s.attempt)
    return True


async def _find(s: Supervisor) -> None:
    """Wait for the keeper's record, or for its exit record; without either, look for the processes."""
    search_at = time.monotonic() + SEARCH_S
    while not _read_records(s):
        await asyncio.sleep(POLL_S)
        if time.monotonic() < search_at:
            continue
        search_at = time.monotonic() + SEARCH_S
        living = await asyncio.to_thread(keeper_pids, s.run, s.attempt)
        s.keeper = await asyncio.to_thread(record_of, s.run, s.attempt)
        if s.keeper is not None:
            s.tell("unrecorded", keeper_pid=s.keeper.keeper_pid, pid=s.keeper.pid)
            return
        if not living:
            if not _read_records(s):  # it may have left just now
                _give_up(s)
            return
        s.write_status()


def _read_records(s: Supervisor) -> bool:
    s.keeper, s.exit = s.files.keeper(), s.files.exit()
    return s.keeper is not None or s.exit is not None


def _give_up(s: Supervisor) -> None:
    """Nothing lives, and nobody saw an end: of what was started, or because nothing was."""
    s.exit_unseen = True
    s.not_started = attempt_offset(s.run, s.attempt) is None
