"""What each launch of the trainer did, and what its end cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from msgspec import Struct
from msgspec.structs import replace

from runner.history.report import result
from runner.model import AttemptPlan, AttemptStatus, ExitRecord, RunSnapshot
from runner.model.units import count, duration
from runner.state.losses import StepTable


class AttemptReview(Struct, frozen=True, kw_only=True):
    """One launch of the trainer. `trained_steps`: its journaled rows; `replayed_steps`, `replayed_s`: part
    trained again by later attempts; `startup_s`: from its start to its first step; `idle_s`: from its end to
    the start of the next attempt; `source`: what it resumed from, as text; `lost`: what its end cost, a
    sentence."""

    attempt: int
    started_at: float
    first_step: int | None
    last_step: int | None
    exit: ExitRecord | None
    ended_at: float | None
    how: str
    trained_steps: int = 0
    replayed_steps: int = 0
    replayed_s: float | None = None
    startup_s: float | None = None
    idle_s: float | None = None
    source: str = ""
    changes: tuple[str, ...] = ()
    lost: str | None = None


def attempts_of(
    snapshot: RunSnapshot, table: StepTable, plans: Sequence[AttemptPlan]
) -> tuple[AttemptReview, ...]:
    status, spec = snapshot.status, snapshot.spec
    if status is None:
        return ()
    created = spec.created_at if spec is not None else None
    by_number = {plan.attempt: plan for plan in plans}
    afters = [*status.attempts[1:], None]
    found = [
        _attempt(one, after, status.ended_at, table, by_number.get(one.attempt), created)
        for one, after in zip(status.attempts, afters, strict=False)
    ]
    for at, after in enumerate(found[1:]):
        found[at] = replace(found[at], lost=_lost(found[at], after))
    return tuple(found)


def _attempt(
    one: AttemptStatus,
    after: AttemptStatus | None,
    run_ended_at: float | None,
    table: StepTable,
    plan: AttemptPlan | None,
    created_at: float | None,
) -> AttemptReview:
    ended_at = run_ended_at if after is None else None
    ended_at = one.exit.at if one.exit is not None else ended_at
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
        how=_exit_words(one.exit),
        trained_steps=table.trained[one.attempt],
        replayed_steps=sum(part.steps for part in replayed),
        replayed_s=sum(times) if times else None,
        startup_s=startup,
        idle_s=idle,
        source=_source_words(plan),
        changes=plan.changes if plan is not None else (),
    )


def _lost(one: AttemptReview, after: AttemptReview) -> str | None:
    """Steps trained again and the time they took, the break, the start-up."""
    words = []
    if one.replayed_steps:
        took = f" ({duration(one.replayed_s)} of training)" if one.replayed_s else ""
        words.append(f"{count(one.replayed_steps, 'step')} trained again{took}")
    if one.idle_s is not None:
        words.append(f"{duration(one.idle_s)} until attempt {after.attempt} was started")
    if after.startup_s is not None:
        words.append(f"{duration(after.startup_s)} until its first step")
    return f"The end of attempt {one.attempt} cost {', '.join(words)}." if words else None


def _exit_words(ended: ExitRecord | None) -> str:
    if ended is not None and ended.signal is not None:
        return f"signal {ended.signal}"
    if ended is not None and ended.code is not None:
        return f"exit code {ended.code}"
    return "its end was not observed"


def _source_words(plan: AttemptPlan | None) -> str:
    if plan is None:
        return ""
    if plan.state_path:
        return f"{PurePath(plan.state_path).name} (step {plan.base_step})"
    if plan.weights_path:
        return f"weights of {PurePath(plan.weights_path).name} (step {plan.base_step})"
    return "the beginning" if not plan.base_step else f"step {plan.base_step}"
