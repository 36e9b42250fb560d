"""Key figures of one run, and of several as a text table. Pure; None is unknown. Untrusted texts are not
cleaned here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from runner.history.report import current_step, result, steps_per_epoch_of
from runner.model import LossBucket, Outcome, RunSnapshot, RunState, Status
from runner.model.units import UNKNOWN, count, duration, finite, loss, memory_size, pace

if TYPE_CHECKING:
    from runner.history.compare import ComparedRun, Comparison
    from runner.history.review.best import Candidate

#: the smoothed loss keeps 0.97 of itself per step: before this many steps it is hardly smoothed
SETTLED_AFTER_STEPS = 33
#: for a figure: unknown; for a setting: not set
NOT_KNOWN = "–"


class Figures(Struct, frozen=True, kw_only=True):
    """Steps are true steps. Losses are smoothed: `first_loss` once the smoothing has settled, `last_loss` at
    the end (None if the last losses were not finite), `lowest_loss` in between, at `lowest_step`.
    `validation`: the lowest, at `validation_step`. `trained_s`: of all attempts. `checkpoints`: existing
    ones; `best`: the one ranked first by `runner.history.review.best`, `best_why`: why."""

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


def figures_of(
    snapshot: RunSnapshot,
    candidates: Sequence[Candidate] | None = None,
    validations: Mapping[int, float] | None = None,
) -> Figures:
    """`candidates`: the run's checkpoints as its review ranks them; None: ranked by the snapshot alone.
    `validations`: exact ones by true step, as in its review; None: those that the snapshot knows."""
    status, spec, series = snapshot.status, snapshot.spec, snapshot.loss
    if status is None:
        return Figures(steps=series.last_step, last_loss=finite(series.smooth))
    forecast = spec.forecast if spec is not None else None
    step = current_step(snapshot)
    per_epoch = steps_per_epoch_of(snapshot)
    first, lowest = _ends(series.buckets)
    broken = bool(series.buckets) and series.buckets[-1].nonfinite >= series.buckets[-1].count
    validation = validations if validations is not None else _validation(snapshot, status)
    least = min(((value, step) for step, value in validation.items()), default=(None, None))
    if candidates is None:
        candidates = candidates_of(snapshot)
    best = next(iter(candidates), None)
    use, bad = status.hardware, status.first_nonfinite_step
    return result(
        Figures,
        *(forecast, use, status),
        steps=step,
        epochs=step / per_epoch if per_epoch else None,
        first_loss=first,
        last_loss=None if broken else finite(series.smooth),
        lowest_loss=lowest[0] if lowest else None,
        lowest_step=lowest[1] if lowest else None,
        nonfinite_step=bad if bad is not None else series.first_nonfinite_step,
        validation=least[0],
        validation_step=least[1],
        last_validation=validation[max(validation)] if validation else None,
        trained_s=status.trained_s or None,
        seconds_per_step=finite(status.seconds_per_step),
        attempts=len(status.attempts) or None,
        gpu_memory_bytes=use.gpu_memory_run_max_bytes or use.gpu_memory_max_bytes,
        memory_bytes=use.tree_memory_max_bytes,
        energy_wh=finite(use.energy_wh),
        checkpoints=sum(not (c.removed or c.missing) for c in status.checkpoints),
        best=best.checkpoint.name if best else None,
        best_step=best.checkpoint.step if best else None,
        best_why=next(iter(best.reasons), "") if best else None,
    )


def _ends(buckets: Sequence[LossBucket]) -> tuple[float | None, tuple[float, int] | None]:
    """The smoothed loss where it has settled, and the lowest one since then with its step."""
    known = [(low, b.last_step) for b in buckets if (low := finite(b.smooth)) is not None]
    if not known:
        return None, None
    settled = buckets[0].first_step + SETTLED_AFTER_STEPS
    usable = [one for one in known if one[1] >= settled] or known
    return usable[0][0], min(usable)


def _validation(snapshot: RunSnapshot, status: Status) -> dict[int, float]:
    """Every finite validation that is known, by true step: from the journal, and from checkpoints, as only
    the newest events of a long journal are read."""
    found: list[tuple[object, object]] = [(c.step, c.validation_loss) for c in status.checkpoints]
    events = (event.data for event in snapshot.events if event.kind == "validated")
    found += ((data.get("step"), data.get("loss")) for data in events)
    return {
        step: float(value)
        for step, value in found
        if isinstance(step, int) and isinstance(value, int | float) and math.isfinite(value)
    }


def candidates_of(snapshot: RunSnapshot) -> Sequence[Candidate]:
    """The run's checkpoints, best first, ranked by the snapshot alone."""
    from runner.history.review.best import rank

    status = snapshot.status
    if status is None:
        return ()
    return rank(
        status.checkpoints,
        validation=_validation(snapshot, status),
        series=snapshot.loss,
        attempts=status.attempts,
    )


# ----------------------------------------------------------------- as text


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One fact about each run, in their order. `lead`: index of the leading run, None if meaningless (other
    settings, other batches) or tied."""

    name: str
    values: tuple[str, ...]
    lead: int | None = None


def result_rows(made: Comparison) -> tuple[ResultRow, ...]:
    """Every fact that is known of at least one run."""
    rows = [_row(made, *row) for row in _ROWS]
    return tuple(row for row in rows if any(value != NOT_KNOWN for value in row.values))


def state_word(run: ComparedRun) -> str:
    """`succeeded`, `diverged`; of a run without a verdict, its state."""
    if run.outcome is Outcome.NOTHING_TRAINED:
        return "nothing trained"
    return str(run.outcome or run.state)


Word = Callable[["ComparedRun", Figures], str]
Lead = Callable[[Figures], float | None]


def _row(made: Comparison, name: str, word: Word, lead: Lead | None) -> ResultRow:
    fair = made.same_work if name == "pace" else made.same_loss
    words = (word(run, run.results) for run in made.runs)
    values = tuple(NOT_KNOWN if text in ("", UNKNOWN) else text for text in words)
    return ResultRow(name, values, _ahead(made, lead) if lead is not None and fair else None)


def _ahead(made: Comparison, lead: Lead) -> int | None:
    """The lowest of at least two; a run that diverged leads nothing."""
    known = sorted(
        (value, index)
        for index, run in enumerate(made.runs)
        if (value := lead(run.results)) is not None and run.outcome is not Outcome.DIVERGED
    )
    return known[0][1] if len(known) > 1 and known[0][0] < known[1][0] else None


def _text(value: object, form: str = "{}") -> str:
    return UNKNOWN if value is None else form.format(value)


def _at(value: float | None, step: int | None) -> str:
    text = loss(value)
    return f"{text} at {step}" if value is not None and step is not None else text


def _steps(of: Figures) -> str:
    rest = of.total_steps is not None and of.total_steps != of.steps
    return _text(of.steps, f"{{}} of {of.total_steps}" if rest else "{}")


def _images(of: Figures) -> str:
    return _text(of.images, f"{{}} + {of.reg_images} reg" if of.reg_images else "{}")


def _attempts(run: ComparedRun, of: Figures) -> str:
    return UNKNOWN if run.state is RunState.STARTING else _text(of.attempts)


def last_loss(of: Figures) -> str:
    broken = of.last_loss is None and of.nonfinite_step is not None
    return "not finite" if broken else loss(of.last_loss)


def _energy(of: Figures) -> str:
    if of.energy_wh is None or of.energy_wh < 1000:
        return _text(of.energy_wh, "{:.1f} Wh")
    return f"{of.energy_wh / 1000:.2f} kWh"


def _best_word(of: Figures) -> str:
    """Its step first: names begin alike."""
    return of.best or "" if of.best_step is None else f"step {of.best_step}"


_ROWS: tuple[tuple[str, Word, Lead | None], ...] = (
    ("outcome", lambda run, _: state_word(run), None),
    ("steps", lambda _, of: _steps(of), None),
    ("epochs", lambda _, of: _text(of.epochs or None, "{:.3g}"), None),
    ("loss at start", lambda _, of: loss(of.first_loss), None),
    ("loss at end", lambda _, of: last_loss(of), lambda of: of.last_loss),
    ("lowest loss", lambda _, of: _at(of.lowest_loss, of.lowest_step), lambda of: of.lowest_loss),
    ("loss NaN", lambda _, of: _text(of.nonfinite_step, "from step {}"), None),
    (
        "lowest validation",
        lambda _, of: _at(of.validation, of.validation_step),
        lambda of: of.validation,
    ),
    ("last validation", lambda _, of: loss(of.last_validation), lambda of: of.last_validation),
    ("time", lambda _, of: duration(of.trained_s), None),
    ("pace", lambda _, of: pace(of.seconds_per_step), lambda of: of.seconds_per_step),
    ("images per step", lambda run, _: _text(run.images_per_step), None),
    ("attempts", _attempts, None),
    ("images", lambda _, of: _images(of), None),
    ("device", lambda _, of: of.device or UNKNOWN, None),
    ("GPU memory", lambda _, of: memory_size(of.gpu_memory_bytes), None),
    ("memory", lambda _, of: memory_size(of.memory_bytes), None),
    ("energy", lambda _, of: _energy(of), None),
    ("checkpoints", lambda _, of: _text(of.checkpoints), None),
    ("best checkpoint", lambda _, of: _best_word(of), None),
)


def checkpoint_words(run: ComparedRun) -> str:
    """The best checkpoint as a sentence; empty if there is none."""
    found = run.results
    if found.best is None:
        return ""
    why = f": {found.best_why}" if found.best_why else ""
    return f"{run.letter}: {found.best} of {count(found.checkpoints or 0, 'checkpoint')}{why}"
