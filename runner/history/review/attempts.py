"""What each launch of the trainer did, and what its end has cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from runner.history.report import result
from runner.history.review.model import AttemptReview
from runner.model import AttemptPlan, AttemptStatus, ExitRecord, RunSnapshot
from runner.state.losses import StepTable


def attempts_of(
    snapshot: RunSnapshot, table: StepTable, plans: Sequence[AttemptPlan]
) -> tuple[AttemptReview, ...]:
    status, spec = snapshot.status, snapshot.spec
    if status is None:
        return ()
    created = spec.created_at if spec is not None else None
    by_number = {plan.attempt: plan for plan in plans}
    found = []
    for at, one in enumerate(status.attempts):
        after = status.attempts[at + 1] if at + 1 < len(status.attempts) else None
        ended = one.exit.at if one.exit is not None else None
        if ended is None and after is None:
            ended = status.ended_at
        found.append(_one(one, ended, after, table, by_number.get(one.attempt), created))
    return tuple(found)


def _one(
    one: AttemptStatus,
    ended_at: float | None,
    after: AttemptStatus | None,
    table: StepTable,
    plan: AttemptPlan | None,
    created_at: float | None,
) -> AttemptReview:
    replayed = [part for part in table.replayed if part.attempt == one.attempt]
    times = [part.seconds for part in replayed if part.seconds is not None]
    _, begun_s = table.begun.get(one.attempt, (0, None))
    startup = None
    if begun_s is not None and created_at is not None and not math.isnan(begun_s):
        startup = max(0.0, created_at + begun_s - one.started_at)
    idle = None
    if after is not None and ended_at is not None:
        idle = max(0.0, after.started_at - ended_at)
    return result(
        AttemptReview,
        one,
        ended_at=ended_at,
        how=exit_words(one.exit),
        trained_steps=table.trained[one.attempt],
        replayed_steps=sum(part.steps for part in replayed),
        replayed_s=sum(times) if times else None,
        startup_s=startup,
        idle_s=idle,
        source=source_words(plan),
        changes=plan.changes if plan is not None else (),
    )


def exit_words(ended: ExitRecord | None) -> str:
    if ended is None:
        return "its end was not seen"
    if ended.signal is not None:
        return f"signal {ended.signal}"
    return f"exit code {ended.code}" if ended.code is not None else "its end was not seen"


def source_words(plan: AttemptPlan | None) -> str:
    if plan is None:
        return ""
    if plan.state_path:
        return f"{PurePath(plan.state_path).name} (step {plan.base_step})"
    if plan.weights_path:
        return f"weights of {PurePath(plan.weights_path).name} (step {plan.base_step})"
    return "the beginning" if not plan.base_step else f"step {plan.base_step}"
