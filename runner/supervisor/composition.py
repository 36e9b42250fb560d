"""Status.json out of what the supervisor knows: this attempt's progress and the attempts before it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.model import Alarm, AttemptStatus, Checkpoint, Status
from runner.state.lineage import resumable, safe_step

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

ALARMS_OF_BEFORE = 10


def compose(s: Supervisor, now: float) -> Status:
    """The run as it stands at `now` (seconds since the epoch)."""
    progress, keeper = s.progress, s.keeper
    earlier = _earlier_attempts(s)
    started = keeper.started_at if keeper is not None else now
    total = s.files.total_steps(progress.total_steps)
    checkpoints = all_checkpoints(s)
    epoch, epochs = _epochs(s, total)
    return Status(
        state=s.state,
        attempt=s.attempt,
        heartbeat_at=now,
        phase=progress.phase,
        phase_detail=progress.phase_detail,
        phase_since=progress.phase_since,
        step=progress.step,
        total_steps=total,
        epoch=epoch,
        epochs=epochs,
        batches_per_epoch=progress.banner.get("batches_per_epoch"),
        device=progress.device,
        loss=progress.loss,
        average=progress.average,
        first_nonfinite_step=_first_nonfinite_step(s),
        seconds_per_step=progress.pace.seconds_per_step,
        eta_s=progress.pace.eta_s(progress.step, total, now),
        started_at=earlier[0].started_at if earlier else started,
        trained_s=max(0.0, (trainer_ended_at(s) or now) - started)
        + sum(_lasted_s(one) for one in earlier),
        saving_since=progress.saving_since,
        stop_after_save=s.desk.after_save and not s.desk.stopping,
        safe_step=safe_step(resumable_checkpoints(s), untrusted_step(s)),
        offset=s.intake.offset,
        supervisor_pid=os.getpid(),
        keeper_pid=keeper.keeper_pid if keeper is not None else None,
        trainer_pid=keeper.pid if keeper is not None else None,
        trainer_created_at=s.trainer_created_at,
        pgid=keeper.pgid if keeper is not None else None,
        attempts=(*earlier, replace(progress.attempt_status(started), exit=s.exit)),
        checkpoints=checkpoints,
        warnings=progress.warning_count,
        last_warning=progress.warnings[-1] if progress.warnings else None,
        unknown_lines=s.intake.parser.unknown_lines,
        hardware=s.hardware_desk.use,
        gpu_users=s.hardware_desk.users,
        sample=s.hardware_desk.sample,
        awake=s.hardware_desk.awake,
        alarms=_alarms(s),
        evaluating=s.evaluating,
        stop_by=s.desk.order.by if s.desk.order is not None else None,
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


def _epochs(s: Supervisor, total: int | None) -> tuple[int | None, int | None]:
    """As the trainer says; of the whole run where it began to count in the middle of it."""
    progress, per_epoch = s.progress, s.progress.ledger.steps_per_epoch
    if not s.plan.origin_step or per_epoch is None or total is None:
        return progress.epoch, progress.epochs or progress.banner.get("epochs")
    return max(0, progress.step - 1) // per_epoch + 1, -(-total // per_epoch)


def untrusted_step(s: Supervisor) -> int | None:
    """The first true step of this attempt whose loss was not finite, unless exact losses show that the training
    came through it: what was saved from there on is nothing to keep."""
    return None if s.guard.guard.losses.recovered else s.progress.first_nonfinite_step


def attempts_so_far(s: Supervisor) -> tuple[AttemptStatus, ...]:
    """The earlier ones, and this one without its end."""
    started = s.keeper.started_at if s.keeper is not None else 0.0
    return (*_earlier_attempts(s), s.progress.attempt_status(started))


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
    return (*kept[-ALARMS_OF_BEFORE:], *s.guard.guard.alarms)


def _earlier_attempts(s: Supervisor) -> tuple[AttemptStatus, ...]:
    before = s.before.attempts if s.before is not None else ()
    return tuple(a for a in before if a.attempt < s.attempt)


def _lasted_s(attempt: AttemptStatus) -> float:
    """Of an attempt whose end nobody saw, nothing is counted."""
    return max(0.0, attempt.exit.at - attempt.started_at) if attempt.exit is not None else 0.0


def _first_nonfinite_step(s: Supervisor) -> int | None:
    """Of what counts: steps that a resume trained again are forgotten."""
    before = s.before.first_nonfinite_step if s.before is not None else None
    if before is not None and before <= s.plan.base_step:
        return before
    return s.progress.first_nonfinite_step


def all_checkpoints(s: Supervisor) -> tuple[Checkpoint, ...]:
    """Of all attempts; a file that was written again counts once."""
    mine = s.progress.book.own
    paths = {c.path for c in mine}
    return (*(c for c in s.progress.book.earlier if c.path not in paths), *mine)
