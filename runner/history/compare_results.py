"""The key figures of one run, and those of several as a table of words. Pure; None is not known. Foreign texts
are not cleaned here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from runner.history.report import current_step, result, steps_per_epoch_of
from runner.model import Checkpoint, LossBucket, Outcome, RunSnapshot, RunState
from runner.model.units import UNKNOWN, count, duration, finite, loss, memory_size, pace

if TYPE_CHECKING:
    from runner.history.compare import ComparedRun, Comparison
    from runner.history.review.best import Candidate

#: the smoothed loss keeps 0.97 of itself a step: before so many steps it is hardly smoothed
SETTLED_AFTER_STEPS = 33
#: of a figure: not known; of a setting: not set
NOT_KNOWN = "–"


class Figures(Struct, frozen=True, kw_only=True):
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


def figures_of(snapshot: RunSnapshot, candidates: Sequence[Candidate] | None = None) -> Figures:
    """`candidates`: the run's checkpoints as its review ranks them; None: ranked by the snapshot alone."""
    status, spec, series = snapshot.status, snapshot.spec, snapshot.loss
    if status is None:
        return Figures(steps=series.last_step, last_loss=finite(series.smooth))
    forecast = spec.forecast if spec is not None else None
    step = current_step(snapshot)
    per_epoch = steps_per_epoch_of(snapshot)
    first, lowest = _ends(series.buckets)
    validation = _validation(snapshot)
    best = _best(snapshot, {step: value for value, step in validation}, candidates)
    use = status.hardware
    bad = status.first_nonfinite_step
    return result(
        Figures,
        *(forecast, use, status),
        steps=step,
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
        gpu_memory_bytes=use.gpu_memory_run_max_bytes or use.gpu_memory_max_bytes,
        memory_bytes=use.tree_memory_max_bytes,
        energy_wh=finite(use.energy_wh),
        checkpoints=sum(not (c.removed or c.missing) for c in status.checkpoints),
        best=best[0].name if best else None,
        best_step=best[0].step if best else None,
        best_why=best[1] if best else None,
    )


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


# ----------------------------------------------------------------- in words


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One fact about each run, in their order. `lead`: index of the run that is ahead in it, None where that
    means nothing (other settings, other batches) or where two are equal."""

    name: str
    values: tuple[str, ...]
    lead: int | None = None


def result_rows(made: Comparison) -> tuple[ResultRow, ...]:
    """Every fact that is known of at least one run."""
    rows = [_row(name, word, made, lead) for name, word, lead in _ROWS]
    return tuple(row for row in rows if any(value != NOT_KNOWN for value in row.values))


def state_word(run: ComparedRun) -> str:
    """`succeeded`, `diverged`; of a run that is not judged, its state."""
    if run.outcome is Outcome.NOTHING_TRAINED:
        return "nothing trained"
    return str(run.outcome or run.state)


Word = Callable[["ComparedRun"], str]
Lead = Callable[[Figures], float | None] | None


def _row(name: str, word: Word, made: Comparison, lead: Lead) -> ResultRow:
    values = tuple(_known(word(run)) for run in made.runs)
    fair = made.same_work if name == "pace" else made.same_loss
    return ResultRow(name, values, _ahead(made, lead) if lead is not None and fair else None)


def _known(text: str) -> str:
    return NOT_KNOWN if text in ("", UNKNOWN) else text


def _ahead(made: Comparison, lead: Callable[[Figures], float | None]) -> int | None:
    """The lowest of at least two; a run that diverged leads nothing."""
    known = sorted(
        (value, index)
        for index, run in enumerate(made.runs)
        if (value := lead(run.results)) is not None and run.outcome is not Outcome.DIVERGED
    )
    return known[0][1] if len(known) > 1 and known[0][0] < known[1][0] else None


def _steps(run: ComparedRun) -> str:
    found = run.results
    if found.steps is None:
        return UNKNOWN
    if found.total_steps is None or found.total_steps == found.steps:
        return str(found.steps)
    return f"{found.steps} of {found.total_steps}"


def _at(value: float | None, step: int | None) -> str:
    text = loss(value)
    return f"{text} at {step}" if value is not None and step is not None else text


def _last(run: ComparedRun) -> str:
    value = run.results.last_loss
    broken = value is None and run.results.nonfinite_step is not None
    return "not finite" if broken else loss(value)


def _images(run: ComparedRun) -> str:
    found = run.results
    if found.images is None:
        return UNKNOWN
    return f"{found.images} + {found.reg_images} reg" if found.reg_images else str(found.images)


def _energy(run: ComparedRun) -> str:
    value = run.results.energy_wh
    if value is None:
        return UNKNOWN
    return f"{value / 1000:.2f} kWh" if value >= 1000 else f"{value:.1f} Wh"


def _nonfinite(run: ComparedRun) -> str:
    step = run.results.nonfinite_step
    return f"from step {step}" if step is not None else UNKNOWN


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _attempts(run: ComparedRun) -> str:
    attempts = run.results.attempts
    return UNKNOWN if attempts is None or run.state is RunState.STARTING else str(attempts)


def _best_word(run: ComparedRun) -> str:
    """Its step first: names begin alike."""
    found = run.results
    if found.best is None:
        return UNKNOWN
    return f"step {found.best_step}" if found.best_step is not None else found.best


_ROWS: tuple[tuple[str, Word, Lead], ...] = (
    ("outcome", state_word, None),
    ("steps", _steps, None),
    ("epochs", lambda r: f"{r.results.epochs:.3g}" if r.results.epochs else UNKNOWN, None),
    ("loss at start", lambda r: loss(r.results.first_loss), None),
    ("loss at end", _last, lambda r: r.last_loss),
    (
        "lowest loss",
        lambda r: _at(r.results.lowest_loss, r.results.lowest_step),
        lambda r: r.lowest_loss,
    ),
    ("loss not finite", _nonfinite, None),
    (
        "lowest validation",
        lambda r: _at(r.results.validation, r.results.validation_step),
        lambda r: r.validation,
    ),
    ("last validation", lambda r: loss(r.results.last_validation), lambda r: r.last_validation),
    ("time", lambda r: duration(r.results.trained_s), None),
    ("pace", lambda r: pace(r.results.seconds_per_step), lambda r: r.seconds_per_step),
    ("images a step", lambda r: _number(r.images_per_step), None),
    ("attempts", _attempts, None),
    ("images", _images, None),
    ("device", lambda r: r.results.device or UNKNOWN, None),
    ("GPU memory", lambda r: memory_size(r.results.gpu_memory_bytes), None),
    ("memory", lambda r: memory_size(r.results.memory_bytes), None),
    ("energy", _energy, None),
    ("checkpoints", lambda r: _number(r.results.checkpoints), None),
    ("best checkpoint", _best_word, None),
)


def checkpoint_words(run: ComparedRun) -> str:
    """The best checkpoint in a whole sentence; empty if there is none."""
    found = run.results
    if found.best is None:
        return ""
    why = f": {found.best_why}" if found.best_why else ""
    return f"{run.letter}: {found.best} of {count(found.checkpoints or 0, 'checkpoint')}{why}"
