"""The status of a run, from its newest attempt's state: while it runs, and at any moment of a replay.
Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import (
    Alarm,
    AttemptPlan,
    AttemptStatus,
    Checkpoint,
    RunState,
    Status,
)
from runner.state.attempt_state import AttemptState
from runner.state.lineage import resumable, safe_step
from runner.state.pace import Pace


def build_status(
    now: float,
    state: AttemptState,
    plan: AttemptPlan | None,
    *,
    run_state: RunState,
    attempts: Sequence[AttemptStatus],
    checkpoints: Sequence[Checkpoint],
    alarms: Sequence[Alarm],
    pace: Pace,
    total_steps: int | None,
    began_at: float,
    ended_at: float | None = None,
    first_nonfinite_step: int | None = None,
    untrusted_step: int | None = None,
) -> Status:
    """The run at `now` (Unix seconds). `attempts`: up to this one, `state`'s, which is the last.
    `checkpoints`, `alarms`: of all of them. `began_at`: used if no attempt is known. `ended_at`: of this
    attempt's trainer. `first_nonfinite_step`: among valid steps (`nonfinite_step`); `untrusted_step`: no
    checkpoint from there on is safe."""
    over = run_state is RunState.ENDED
    epoch, epochs = _epochs(state, total_steps)
    source = plan.state_path if plan is not None else None
    return Status(
        state=run_state,
        attempt=state.attempt,
        heartbeat_at=now,
        phase=state.phase,
        phase_detail=state.phase_detail,
        phase_since=state.phase_since,
        step=state.step,
        total_steps=total_steps,
        epoch=epoch,
        epochs=epochs,
        batches_per_epoch=state.banner.get("batches_per_epoch"),
        device=state.device,
        loss=state.loss,
        average=state.average,
        first_nonfinite_step=first_nonfinite_step,
        seconds_per_step=pace.seconds_per_step,
        eta_s=None if over else pace.eta_s(state.step, total_steps, now),
        started_at=attempts[0].started_at if attempts else began_at,
        trained_s=_trained_s(attempts, ended_at or now),
        saving_since=None if over else state.saving_since,
        stop_after_save=state.stop_after_save,
        safe_step=safe_step(resumable(checkpoints, attempts, source), untrusted_step),
        attempts=tuple(attempts),
        checkpoints=tuple(checkpoints),
        warnings=state.warnings,
        last_warning=state.last_warning,
        alarms=tuple(alarms),
        stop_by=state.stop_by,
    )


def nonfinite_step(before: int | None, base_step: int, own: int | None) -> int | None:
    """The first valid true step with a non-finite loss: `before` is that of earlier attempts, and an attempt
    that starts at or before it trains it again."""
    return before if before is not None and before <= base_step else own


def _epochs(state: AttemptState, total: int | None) -> tuple[int | None, int | None]:
    """As reported by the trainer; for the full run if it started counting in the middle."""
    per_epoch = state.mapper.steps_per_epoch
    if not state.mapper.origin_step or per_epoch is None or total is None:
        return state.epoch, state.epochs or state.banner.get("epochs")
    return max(0, state.step - 1) // per_epoch + 1, -(-total // per_epoch)


def _trained_s(attempts: Sequence[AttemptStatus], until: float) -> float:
    """An earlier attempt without an observed end does not count."""
    if not attempts:
        return 0.0
    earlier = (one.exit.at - one.started_at for one in attempts[:-1] if one.exit is not None)
    return max(0.0, until - attempts[-1].started_at) + sum(max(0.0, lasted) for lasted in earlier)
