"""Exact validation losses by true step, from the trainer's event files. Blocking.

The console shows three digits of `val_avg_loss`, which is not what it seems: sd-scripts' LossRecorder
(library/train_util.py, v0.10) appends in the first epoch instead of replacing, so that the k-th validation of
that epoch is the mean of the first k, and every later one is still mixed with the first epoch's values. This
module recovers the single values from these means. (With one validation per epoch nothing is mixed.)

Tags by train_network.py: `loss/validation/step_average`, x = global_step, and
`loss/validation/epoch_average`, x = the epoch that has just ended, from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model import AttemptPlan, AttemptStatus, RunSpec, Status
from runner.state.journal_state import AttemptMappers
from runner.state.lineage import superseded
from runner.state.step_mapper import StepMapper
from runner.store.journal import readable
from runner.store.rundir import RunDir

if TYPE_CHECKING:
    from runner.ingest.tfevents import Scalar

STEP_TAG, EPOCH_TAG = "loss/validation/step_average", "loss/validation/epoch_average"


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation: `step` is the true step it was made at, `loss` may be NaN; `whole_epoch`: at the end of
    an epoch."""

    step: int
    loss: float
    attempt: int
    whole_epoch: bool


def exact_validations(path: Path, status: Status | None = None) -> dict[int, float]:
    """The valid finite validation losses of the run by true step: steps that a later attempt trained again
    are left out. `status`: newer than the one in the folder."""
    status = status or readable(RunDir(path).status, Status)
    return by_step(read_validations(path, status), status.attempts) if status is not None else {}


def by_step(found: Iterable[Validation], attempts: Sequence[AttemptStatus]) -> dict[int, float]:
    """As `exact_validations`. If a step has both kinds, the epoch's, which is never mixed."""
    kept = [one for one in found if math.isfinite(one.loss) and not superseded(one, attempts)]
    kept.sort(key=lambda one: (one.step, one.attempt, one.whole_epoch))
    return {one.step: one.loss for one in kept}


def read_validations(path: Path, status: Status | None = None) -> tuple[Validation, ...]:
    """Every validation of every attempt, in order."""
    run = RunDir(path)
    spec, status = readable(run.spec, RunSpec), status or readable(run.status, Status)
    if spec is None or status is None:
        return ()
    mappers = AttemptMappers(run)
    mappers.read()
    found: list[Validation] = []
    for at, one in enumerate(status.attempts):
        plan = readable(run.attempt(one.attempt), AttemptPlan)
        if plan is None:
            continue
        end_at = status.attempts[at + 1].started_at if at + 1 < len(status.attempts) else math.inf
        begin_at = one.started_at if not spec.origin else -math.inf
        scalars = _scalars(_folder(plan, spec), begin_at - 1.0, end_at - 1.0)
        total = mappers.total_steps(plan)
        found += placed(scalars, mappers.of(plan), one.attempt, one.last_step or total)
    return tuple(found)


def placed(
    scalars: Iterable[Scalar], mapper: StepMapper, attempt: int, last_step: int | None
) -> list[Validation]:
    """One attempt's validations with their true steps. `last_step`: the last epoch may end before its last
    step, and is validated there."""
    known = list(scalars)
    found = []
    for x, value in _unmixed([s for s in known if s.tag == STEP_TAG], mapper):
        step = mapper.true_from_global(x)
        if step is not None:
            found.append(Validation(step, value, attempt, whole_epoch=False))
    for scalar in (s for s in known if s.tag == EPOCH_TAG):
        step = mapper.true_from_epoch(scalar.step)
        if step is not None:
            step = min(step, last_step) if last_step is not None else step
            found.append(Validation(step, scalar.value, attempt, whole_epoch=True))
    return sorted(found, key=lambda v: v.step)


def _unmixed(scalars: Sequence[Scalar], mapper: StepMapper) -> list[tuple[int, float]]:
    """(x, loss of that validation alone). Empty if the means cannot be separated."""
    points = [(s.step, s.value) for s in scalars]
    if not mapper.begins_with_epoch_1 or len(points) < 2:
        return points
    per_epoch = mapper.steps_per_epoch
    if per_epoch is None:
        return []
    first = [(x, mean) for x, mean in points if x <= per_epoch]
    gaps = {b - a for (a, _), (b, _) in pairwise(points)}
    if len(gaps) > 1:
        return []  # one is missing: later means cannot be separated
    single: list[float] = []
    for number, (_, mean) in enumerate(first, start=1):
        single.append(number * mean - math.fsum(single))
    stale = math.fsum(single[1:])
    later = [
        (x, len(single) * mean - stale if single else mean) for x, mean in points[len(first) :]
    ]
    return [(x, value) for (x, _), value in zip(first, single, strict=True)] + later


def _folder(plan: AttemptPlan, spec: RunSpec) -> Path | None:
    chosen = plan.logging_dir or spec.logging_dir
    return Path(plan.cwd) / chosen if chosen else None


def _scalars(folder: Path | None, begin_at: float, end_at: float) -> Iterator[Scalar]:
    if folder is None or not folder.is_dir():
        return
    from runner.ingest.tfevents import ScalarTail

    tail = ScalarTail(folder, None if math.isinf(begin_at) else begin_at, only=b"loss/validation/")
    while not tail.ended:
        for scalar in tail.poll(1.0):
            if begin_at <= scalar.wall_at < end_at:
                yield scalar
