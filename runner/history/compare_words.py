"""The results of several runs as a table of words. Pure; texts of other people's are not cleaned here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.history.compare import ComparedRun, Comparison, SettingRow
from runner.history.compare_results import Results
from runner.model import Outcome, RunState
from runner.model.units import UNKNOWN, count, duration, loss, memory_size, pace

#: of a result: not known; of a setting: not set
NOT_KNOWN = "–"


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


Word = Callable[[ComparedRun], str]
Lead = Callable[[Results], float | None] | None


def _row(name: str, word: Word, made: Comparison, lead: Lead) -> ResultRow:
    values = tuple(_known(word(run)) for run in made.runs)
    fair = made.same_work if name == "pace" else made.same_loss
    return ResultRow(name, values, _ahead(made, lead) if lead is not None and fair else None)


def _known(text: str) -> str:
    return NOT_KNOWN if text in ("", UNKNOWN) else text


def _ahead(made: Comparison, lead: Callable[[Results], float | None]) -> int | None:
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
    ("best checkpoint", lambda r: _best(r), None),
)


def _best(run: ComparedRun) -> str:
    """Its step first: names begin alike."""
    found = run.results
    if found.best is None:
        return UNKNOWN
    return f"step {found.best_step}" if found.best_step is not None else found.best


def setting_words(row: SettingRow) -> tuple[str, ...]:
    """The values of one setting: one that is not set is told from one that is not known."""
    return tuple(
        value if value is not None else NOT_KNOWN if sure else UNKNOWN
        for value, sure in zip(row.values, row.known, strict=True)
    )


def checkpoint_words(run: ComparedRun) -> str:
    """The best checkpoint in a whole sentence; empty if there is none."""
    found = run.results
    if found.best is None:
        return ""
    why = f": {found.best_why}" if found.best_why else ""
    return f"{run.letter}: {found.best} of {count(found.checkpoints or 0, 'checkpoint')}{why}"
