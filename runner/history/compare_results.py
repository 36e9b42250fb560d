"""The results of one run as numbers, for a table of several. Pure; None is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.history.report import current_step
from runner.model import Checkpoint, LossBucket, RunSnapshot
from runner.model.units import finite

if TYPE_CHECKING:
    from runner.history.review.best import Candidate

#: the smoothed loss keeps 0.97 of itself a step: before so many steps it is hardly smoothed
SETTLED_AFTER_STEPS = 33


@dataclass(frozen=True, slots=True)
class Results:
    """Steps are true steps. Losses are smoothed: `first_loss` where the smoothing has settled, `last_loss` at
    the end (None where the last losses were not finite), `lowest_loss` in between, at `lowest_step`.
    `validation`: the lowest, at `validation_step`. `trained_s`: of all attempts. `checkpoints`: those that
    are there; `best`: the name of the one that `runner.history.review.best` puts first, `best_why`: why."""

    steps: int | None = None
    total_steps: int | None = None
    epochs: float | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    lowest_loss: float | None = None
    lowest_step: int | None = None
    nonfinite_step: int | None = None
    validation: float | None = None
    validation_step: int | None = None
    last_validation: float | None = None
    trained_s: float | None = None
    seconds_per_step: float | None = None
    attempts: int | None = None
    images: int | None = None
    reg_images: int | None = None
    device: str | None = None
    gpu_memory_bytes: int | None = None
    memory_bytes: int | None = None
    energy_wh: float | None = None
    checkpoints: int | None = None
    best: str | None = None
    best_step: int | None = None
    best_why: str | None = None


def results_of(snapshot: RunSnapshot, candidates: Sequence[Candidate] | None = None) -> Results:
    """`candidates`: the run's checkpoints as its review ranks them; None: ranked by the snapshot alone."""
    status, spec, series = snapshot.status, snapshot.spec, snapshot.loss
    if status is None:
        return Results(steps=series.last_step, last_loss=finite(series.smooth))
    forecast = spec.forecast if spec is not None else None
    step = current_step(snapshot)
    per_epoch = steps_per_epoch_of(snapshot)
    first, lowest = _ends(series.buckets)
    validation = _validation(snapshot)
    best = _best(snapshot, {step: value for value, step in validation}, candidates)
    use = status.hardware
    bad = status.first_nonfinite_step
    return Results(
        steps=step,
        total_steps=status.total_steps,
        epochs=step / per_epoch if per_epoch else None,
        first_loss=first,
        last_loss=None if _ends_broken(series.buckets) else finite(series.smooth),
        lowest_loss=lowest[0] if lowest else None,
        lowest_step=lowest[1] if lowest else None,
        nonfinite_step=bad if bad is not None else series.first_nonfinite_step,
        validation=min(validation)[0] if validation else None,
        validation_step=min(validation)[1] if validation else None,
        last_validation=max(validation, key=lambda one: one[1])[0] if validation else None,
        trained_s=status.trained_s or None,
        seconds_per_step=finite(status.seconds_per_step),
        attempts=len(status.attempts) or None,
        images=forecast.images if forecast is not None else None,
        reg_images=forecast.reg_images if forecast is not None else None,
        device=status.device,
        gpu_memory_bytes=use.gpu_memory_run_max_bytes or use.gpu_memory_max_bytes,
        memory_bytes=use.tree_memory_max_bytes,
        energy_wh=finite(use.energy_wh),
        checkpoints=sum(not (c.removed or c.missing) for c in status.checkpoints),
        best=best[0].name if best else None,
        best_step=best[0].step if best else None,
        best_why=best[1] if best else None,
    )


def steps_per_epoch_of(snapshot: RunSnapshot) -> float | None:
    """Optimizer steps an epoch: of the plan, else batches as the trainer counted them."""
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    total = (status.total_steps if status else None) or (forecast.steps if forecast else None)
    epochs = (status.epochs if status else None) or (forecast.epochs if forecast else None)
    batches = status.batches_per_epoch if status else None
    if total and epochs:
        return total / epochs
    return float(batches) if batches else None


def _ends(buckets: Sequence[LossBucket]) -> tuple[float | None, tuple[float, int] | None]:
    """The smoothed loss where it has settled, and the lowest one since then with its step."""
    known = [
        (bucket.smooth, bucket.last_step)
        for bucket in buckets
        if bucket.smooth is not None and math.isfinite(bucket.smooth)
    ]
    if not known:
        return None, None
    settled = buckets[0].first_step + SETTLED_AFTER_STEPS
    usable = [one for one in known if one[1] >= settled] or known
    return usable[0][0], min(usable)


def _ends_broken(buckets: Sequence[LossBucket]) -> bool:
    return bool(buckets) and buckets[-1].nonfinite >= buckets[-1].count


def _validation(snapshot: RunSnapshot) -> list[tuple[float, int]]:
    """(loss, true step) of every finite validation that is known: of the journal, and of the checkpoints, as
    only the newest events are read of a long one."""
    found: dict[int, float] = {}
    for checkpoint in snapshot.status.checkpoints if snapshot.status else ():
        if checkpoint.step is not None and checkpoint.validation_loss is not None:
            found[checkpoint.step] = checkpoint.validation_loss
    for event in snapshot.events:
        step, loss = event.data.get("step"), event.data.get("loss")
        if event.kind == "validated" and isinstance(step, int) and isinstance(loss, int | float):
            found[step] = float(loss)
    return [(loss, step) for step, loss in found.items() if math.isfinite(loss)]


def _best(
    snapshot: RunSnapshot,
    validation: dict[int, float],
    candidates: Sequence[Candidate] | None,
) -> tuple[Checkpoint, str] | None:
    from runner.history.review.best import rank

    status = snapshot.status
    if status is None:
        return None
    if candidates is None:
        candidates = rank(
            status.checkpoints,
            validation=validation,
            series=snapshot.loss,
            attempts=status.attempts,
        )
    if not candidates:
        return None
    first = candidates[0]
    return first.checkpoint, first.reasons[0] if first.reasons else ""
