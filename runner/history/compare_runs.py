"""A comparison as a list: a row for each run with what differs between them, the best first. Pure.

For many runs, where columns would not fit; `compare_results` has a column for each run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.control.sweep_plan import SHORT
from runner.history.compare import Comparison, setting_words
from runner.history.compare_results import NOT_KNOWN, last_loss, state_word
from runner.model import Outcome, RunState
from runner.model.units import UNKNOWN, duration, loss, some

if TYPE_CHECKING:
    from runner.history.compare import ComparedRun
    from runner.history.review.best import Candidate

#: characters that are not worth repeating in each row
LEAST_ALIKE = 6
#: more runs than this are compared as a list first
FEW = 4


@dataclass(frozen=True, slots=True)
class RunColumn:
    """`values`: of each run, in the order of the comparison. `short`: a head for narrow tables; `rank`: the
    highest is left out first, 0 never; `setting`: it is one."""

    head: str
    values: tuple[str, ...]
    right: bool = False
    rank: int = 0
    short: str = ""
    setting: bool = False


def as_list(made: Comparison) -> bool:
    """Is a row for each run better than a column?"""
    return bool(made.group) or len(made.runs) > FEW


def run_order(made: Comparison) -> tuple[int, ...]:
    """Indices: the best first, then runs without a place in their own order."""
    ranked = [at for at, _ in made.ranking]
    return (*ranked, *(at for at in range(len(made.runs)) if at not in ranked))


def run_columns(made: Comparison) -> tuple[RunColumn, ...]:
    """The place, what each run is, the settings that differ, then the results; columns without any value are
    left out."""
    places = dict(made.ranking)

    def results(word: Callable[[ComparedRun, Candidate | None], str]) -> tuple[str, ...]:
        words = [word(run, places.get(at)) for at, run in enumerate(made.runs)]
        return tuple("" if text in (UNKNOWN, "") else text for text in words)

    settings = [
        RunColumn(row.name, _apart(setting_words(row)), short=_short(row.name), setting=True)
        for row in made.differing
    ]
    found = (
        RunColumn("place", results(lambda _, best: str(best.place) if best else ""), right=True),
        RunColumn("", tuple(run.letter for run in made.runs)),
        RunColumn("state", results(lambda run, _: state_now(run))),
        *settings,
        RunColumn("loss at end", results(lambda run, _: last_loss(run.results)), True, 2, "loss"),
        RunColumn("validation", results(lambda run, _: loss(run.results.validation)), True, 1),
        RunColumn("best step", results(_best_step), True, 3, "best"),
        RunColumn("steps", results(lambda run, _: _steps(run)), True, 4),
        RunColumn("time", results(lambda run, _: duration(run.results.trained_s)), True, 5),
        RunColumn("name", tuple(run.name for run in made.runs), rank=6),
    )
    return tuple(
        one if one.head in ("place", "") else _marked(one) for one in found if any(one.values)
    )


def _apart(values: tuple[str, ...]) -> tuple[str, ...]:
    """Long paths and lists without what all begin with."""
    known = [value for value in values if value not in (NOT_KNOWN, UNKNOWN)]
    pairs = enumerate(zip(*known, strict=False))
    alike = next((at for at, each in pairs if len(set(each)) > 1), 0)
    begin = max((known[0].rfind(end, 0, alike) for end in '/", =' if known), default=-1) + 1
    if begin < LEAST_ALIKE:
        return values
    return tuple(f"…{value[begin:]}" if value in known else value for value in values)


def _short(name: str) -> str:
    """Unlike the head of a result."""
    short = SHORT.get(name, "")
    return "" if short == "steps" else short


def _marked(column: RunColumn) -> RunColumn:
    return replace(column, values=tuple(value or NOT_KNOWN for value in column.values))


def state_now(run: ComparedRun) -> str:
    """`succeeded`, `queued`, `running 45 %`."""
    word, steps = state_word(run), run.results.steps
    if run.state is not RunState.RUNNING or not steps or not run.results.total_steps:
        return word
    return f"{word} {int(100 * min(1.0, steps / run.results.total_steps))} %"


def _best_step(run: ComparedRun, best: Candidate | None) -> str:
    step = best.checkpoint.step if best is not None else run.results.best_step
    return str(step) if step is not None else ""


def _steps(run: ComparedRun) -> str:
    return str(run.results.steps) if run.results.steps else ""


def best_words(made: Comparison) -> tuple[str, ...]:
    """Which run is ahead and why, then what limits that, a sentence each; empty if none is."""
    if not made.ranking:
        return ()
    at, best = made.ranking[0]
    run, step, ranked = made.runs[at], best.checkpoint.step, len(made.ranking)
    tied = [made.runs[other].letter for other, one in made.ranking[1:] if one.place == best.place]
    so_far = " so far" if any(one.live for one in made.runs) else ""
    place = f"step {step}, " if step is not None else ""
    leader = f"{run.letter}{' at ' if place else ', '}{place}{best.reasons[0]}"
    if ranked == 1:
        first = f"Only {run.letter} is ranked{so_far}: {place}{best.reasons[0]}."
    elif made.best is None:
        every = "both" if ranked == 2 else f"all {ranked}"
        first = f"No clear best{so_far}: {every} runs are within the noise. First: {leader}."
    else:
        within = f"; {some(tied)} within the noise" if tied else ""
        first = f"Best{so_far}: {leader}{within}."
    cautions = (f"{one[:1].upper()}{one[1:]}." for one in best.cautions)
    return (first, *_ended_early(run), *cautions)


def _ended_early(run: ComparedRun) -> tuple[str, ...]:
    """`B was stopped at step 400 of 920.`"""
    word = _EARLY.get(run.outcome) if run.outcome is not None else None
    if word is None or run.results.steps is None:
        return ()
    total = run.results.total_steps
    return (f"{run.letter} {word} at step {run.results.steps}{f' of {total}' if total else ''}.",)


_EARLY = {Outcome.STOPPED: "was stopped", Outcome.FAILED: "failed", Outcome.KILLED: "was killed"}


def list_rows(columns: Sequence[RunColumn], order: Sequence[int]) -> list[list[str]]:
    return [[column.values[at] for column in columns] for at in order]
