"""Status.json out of what the supervisor knows: this attempt's state and the attempts before it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.model import Alarm, AttemptStatus, Checkpoint, Status
from runner.state.lineage import resumable
from runner.state.status import build_status, nonfinite_step

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

ALARMS_OF_BEFORE = 10


def snapshot_of(s: Supervisor, now: float) -> Status:
    """The run as it stands at `now` (seconds since the epoch)."""
    keeper, state = s.keeper, s.translator.state
    started = keeper.started_at if keeper is not None else now
    before = s.before.first_nonfinite_step if s.before is not None else None
    status = build_status(
        now,
        state,
        s.plan,
        run_state=s.state,
        attempts=(
            *_earlier_attempts(s), replace(s.translator.state.status(started), exit=s.exit),
        ),
        checkpoints=all_checkpoints(s),
        alarms=_alarms(s),
        pace=s.translator.pace,
        total_steps=s.files.total_steps(state.total_steps),
        began_at=started,
        ended_at=trainer_ended_at(s),
        first_nonfinite_step=nonfinite_step(
            before, s.plan.base_step, state.first_nonfinite_step
        ),
        untrusted_step=untrusted_step(s),
    )  # fmt: skip
    return replace(
        status,
        stop_after_save=s.orders.after_save and not s.orders.stopping,
        stop_by=s.orders.order.by if s.orders.order is not None else None,
        offset=s.ingest.offset,
        supervisor_pid=os.getpid(),
        keeper_pid=keeper.keeper_pid if keeper is not None else None,
        trainer_pid=keeper.pid if keeper is not None else None,
        trainer_created_at=s.trainer_created_at,
        pgid=keeper.pgid if keeper is not None else None,
        unknown_lines=s.ingest.parser.unknown_lines,
        hardware=s.hardware_monitor.use,
        gpu_users=s.hardware_monitor.users,
        sample=s.hardware_monitor.sample,
        awake=s.hardware_monitor.awake,
        evaluating=s.evaluating,
    )


def trainer_ended_at(s: Supervisor) -> float | None:
    """When the trainer ended, None while it lives: what comes after that is evaluation, not training. The exit
    record of a launcher that died before its trainer, or none at all: when the trainer was last seen alive."""
    if s.exit is None and not s.exit_unseen:
        return None
    if s.exit is not None and not s.exit.orphans:
        return s.exit.at
    printed_at = 0.0
    with contextlib.suppress(OSError):
        printed_at = s.run.console.stat().st_mtime
    return max(s.alive_at, printed_at, s.exit.at if s.exit is not None else 0.0) or None


def untrusted_step(s: Supervisor) -> int | None:
    """The first true step of this attempt whose loss was not finite, unless exact losses show that the training
    came through it: what was saved from there on is nothing to keep."""
    return None if s.alarms.guard.losses.recovered else s.translator.state.first_nonfinite_step


def attempts_so_far(s: Supervisor) -> tuple[AttemptStatus, ...]:
    """The earlier ones, and this one without its end."""
    started = s.keeper.started_at if s.keeper is not None else 0.0
    return (*_earlier_attempts(s), s.translator.state.status(started))


def resumable_checkpoints(s: Supervisor) -> tuple[Checkpoint, ...]:
    return resumable(all_checkpoints(s), attempts_so_far(s), s.plan.state_path)


def _alarms(s: Supervisor) -> tuple[Alarm, ...]:
    """This attempt's, and of those before it the ones about steps that still count; none of them stands any
    more."""
    before = s.before.alarms if s.before is not None and s.before.attempt < s.attempt else ()
    if s.before is not None and s.before.attempt == s.attempt:
        first = s.keeper.started_at if s.keeper is not None else 0.0
        before = tuple(a for a in s.before.alarms if a.since_at < first)
    kept = [
        replace(a, over_at=a.over_at if a.over_at is not None else s.before.heartbeat_at)
        for a in before
        if s.before is not None and (a.step is None or a.step <= s.plan.base_step)
    ]
    return (*kept[-ALARMS_OF_BEFORE:], *s.alarms.guard.alarms)


def _earlier_attempts(s: Supervisor) -> tuple[AttemptStatus, ...]:
    before = s.before.attempts if s.before is not None else ()
    return tuple(a for a in before if a.attempt < s.attempt)


def all_checkpoints(s: Supervisor) -> tuple[Checkpoint, ...]:
    """Of all attempts; a file that was written again counts once."""
    mine = s.translator.book.own
    paths = {c.path for c in mine}
    return (*(c for c in s.translator.book.earlier if c.path not in paths), *mine)
