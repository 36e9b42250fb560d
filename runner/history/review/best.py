"""Which checkpoint may be the best, with reasons. Advice from numbers: the images decide. Pure.

By validation loss if there is one, else by smoothed training loss. Values within the noise are tied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from runner.history.review.cautions import cautions_of, first_untrusted_step, norm_words
from runner.history.review.noise import (
    CERTAIN,
    rounding,
    scatter_of,
    smoothed_scatter,
    step_scatter,
)
from runner.model import AttemptStatus, Checkpoint, LossSeries
from runner.model.units import count, finite, loss
from runner.state.lineage import superseded

VALIDATION, TRAINING = "validation loss", "smoothed training loss"
#: added once, to the first candidate
ONLY_TRAINING = "ranked by training loss, which says little about image quality: compare samples"
#: a validation counts for a checkpoint nearer than this share of the checkpoint interval
NEAR = 0.25


@dataclass(frozen=True, slots=True)
class Candidate:
    """`place` counts from 1; candidates within the noise are tied. `by`: the ranking value, VALIDATION,
    TRAINING or "" if unknown. `sample_path`: an image of its step. `score`: for a ranking with those of other
    runs."""

    checkpoint: Checkpoint
    place: int
    reasons: tuple[str, ...]
    cautions: tuple[str, ...] = ()
    sample_path: str | None = None
    by: str = ""
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """`value`: what it is ranked by; `scatter`: its standard deviation, None: unknown; `least`: smaller
    differences are never significant; `weight`: number of serious cautions; `trained`: of a validation, the
    score by training loss."""

    one: Checkpoint
    by: str
    value: float = math.inf
    scatter: float | None = None
    least: float = 0.0
    at_step: int | None = None
    cautions: tuple[str, ...] = ()
    weight: int = 0
    exact: bool = True
    trained: Score | None = None

    @property
    def step(self) -> int:
        return self.one.step or 0

    def words(self) -> str:
        """The value, and its step if different."""
        told = f"{self.by} {loss(self.value)}"
        if not self.exact:
            return f"{told}, rounded, last shown on the console"
        apart = self.at_step - self.step if self.at_step is not None else 0
        if not apart:
            return told
        side = "after" if apart > 0 else "before"
        return f"{told} at step {self.at_step}, {count(abs(apart), 'step')} {side} it"


def rank(
    checkpoints: Sequence[Checkpoint],
    *,
    validation: Mapping[int, float] | None = None,
    samples: Mapping[int, str] | None = None,
    series: LossSeries | None = None,
    attempts: Sequence[AttemptStatus] = (),
) -> tuple[Candidate, ...]:
    """Best first: existing, complete, finite files from trusted steps.

    `validation`: exact validation losses by true step; `samples`: an image's path by true step; `series`: the
    run's losses, for their scatter and the first bad step; `attempts`: to find steps trained again.
    """
    usable, exact = usable_checkpoints(checkpoints, series), validation or {}
    cautions = cautions_of(usable, checkpoints, series, attempts)
    single = step_scatter(series) if series is not None else None
    rounded = series is not None and not series.exact
    scored = []
    for one in usable:
        near = validation_near(one, usable, exact) if not superseded(one, attempts) else None
        score = _score(one, near, exact, single, rounded)
        words, weight = cautions[one.path]
        scored.append(replace(score, cautions=words, weight=weight))
    found: list[Candidate] = []
    for by in (VALIDATION, TRAINING, ""):
        group = sorted((s for s in scored if s.by == by), key=lambda s: (s.value, -s.step))
        found += _ranked(group, len(found), len(usable), samples or {})
    if found and found[0].by == TRAINING:
        found[0] = replace(found[0], cautions=(*found[0].cautions, ONLY_TRAINING))
    return tuple(found)


def rank_runs(
    leaders: Sequence[Candidate | None], *, same_validation: bool = True
) -> tuple[tuple[int, Candidate], ...]:
    """The best checkpoints of several runs, one each, ranked the same way: (index, candidate with its place and
    reasons among these), best first. None: that run has no usable one. `same_validation`: on the same
    images."""
    scores = {at: one.score for at, one in enumerate(leaders) if one is not None and one.score}
    scores, said = _comparable(scores, same_validation)
    index = {id(score): at for at, score in scores.items()}
    found: list[tuple[int, Candidate]] = []
    for by in (VALIDATION, TRAINING, ""):
        group = sorted((s for s in scores.values() if s.by == by), key=lambda s: (s.value, -s.step))
        before = len(found)
        for place, leader, score in _places(group, before):
            reasons = _reasons(score, group[0], leader, before, len(scores))
            if len(scores) == 1:  # its run may have more files
                reasons = reasons[1:]
            one = Candidate(score.one, place, reasons, score.cautions, by=by, score=score)
            found.append((index[id(score)], one))
    if found:
        at, one = found[0]
        more = (*said, *((ONLY_TRAINING,) if one.by == TRAINING else ()))
        found[0] = at, replace(one, cautions=(*one.cautions, *more))
    return tuple(found)


def _comparable(
    scores: Mapping[int, Score], same_validation: bool
) -> tuple[dict[int, Score], tuple[str, ...]]:
    """Scores of one kind: having a validation is no merit. Those without one are left out if they are the
    minority, else all count by training loss. With a caution that says so."""
    validated = {at: score for at, score in scores.items() if score.by == VALIDATION}
    others = len(scores) - len(validated)
    if not validated or (not others and same_validation):
        return dict(scores), ()
    if len(validated) > others and same_validation:
        has = "has" if others == 1 else "have"
        return validated, (f"{count(others, 'run')} without a validation loss {has} no place",)
    has = "has" if len(validated) == 1 else "have"
    why = f"only {len(validated)} of {len(scores)} runs {has} a validation loss"
    why = why if others else "the runs validate on different images"
    return {
        at: replace(score.trained, cautions=score.cautions, weight=score.weight)
        if score.trained
        else score
        for at, score in scores.items()
    }, (f"{why}, so all are ranked by training loss",)


def usable_checkpoints(
    checkpoints: Sequence[Checkpoint], series: LossSeries | None = None
) -> list[Checkpoint]:
    """Complete, finite, not reported missing, and before the first untrusted step; a final file replaces the
    step's own file with the same weights."""
    limit = first_untrusted_step(series)
    good = [
        c for c in checkpoints
        if c.was_good and not (c.removed or c.missing)
        and (limit is None or (c.step is not None and c.step < limit))
    ]  # fmt: skip
    final = {(c.step, c.attempt) for c in good if c.final}
    kept = [c for c in good if c.final or (c.step, c.attempt) not in final]
    return list({c.path: c for c in kept}.values())


def _score(
    one: Checkpoint,
    near: int | None,
    validation: Mapping[int, float],
    single: float | None,
    rounded: bool,
) -> Score:
    """`near`: the step of its validation; `single`: the scatter of one step's loss;
    `rounded`: losses have the console's digits."""
    trained = _by_training(one, single, rounded)
    if near is not None:
        scatter = scatter_of(validation)
        return Score(one, VALIDATION, validation[near], scatter, at_step=near, trained=trained)
    told = finite(one.validation_loss)
    if not validation and told is not None:
        least = rounding(told)
        return Score(one, VALIDATION, told, least=least, exact=False, trained=trained)
    return trained


def _by_training(one: Checkpoint, single: float | None, rounded: bool) -> Score:
    if (value := finite(one.loss)) is None:
        return Score(one, "")
    scatter = smoothed_scatter(single, one.step or 1) if single else None
    least = rounding(value) if rounded else 0.0
    return Score(one, TRAINING, value, scatter, least)


def validation_near(
    one: Checkpoint, all_of: Sequence[Checkpoint], validation: Mapping[int, float]
) -> int | None:
    """The true step of this file's validation: the nearest one, if near enough."""
    step = one.step
    if step is None or not validation:
        return None
    steps = sorted({c.step for c in all_of if c.step is not None})
    gaps = sorted(b - a for a, b in pairwise([0, *steps]) if b > a)
    reach = int(gaps[len(gaps) // 2] * NEAR) if gaps else 0
    known = [at for at, value in validation.items() if math.isfinite(value)]
    near = min(known, key=lambda at: (abs(at - step), at), default=None)
    return near if near is not None and abs(near - step) <= reach else None


# --------------------------------------------------------------------------- places


def _ranked(
    ordered: list[Score], before: int, number: int, samples: Mapping[int, str]
) -> list[Candidate]:
    """`ordered`: by value; `before`: how many are ranked before this group; `number`: of all usable files."""
    return [
        Candidate(
            score.one,
            place,
            _reasons(score, ordered[0], leader, before, number),
            (*score.cautions, *_about_validation(score, ordered, before)),
            samples.get(score.step) or score.one.sample_path,
            score.by,
            score,
        )
        for place, leader, score in _places(ordered, before)
    ]


def _places(ordered: Sequence[Score], before: int) -> list[tuple[int, Score, Score]]:
    """(place, the first of that place, score), best first."""
    places: list[tuple[int, Score, Score]] = []
    for at, score in enumerate(ordered):
        place, leader = places[-1][:2] if places else (0, score)
        if not places or (score.by and not _equal(score, leader)):
            place, leader = before + at + 1, score
        places.append((place, leader, score))
    return sorted(places, key=lambda p: (p[0], p[2].weight, p[2].value, -p[2].step))


def _equal(one: Score, lower: Score) -> bool:
    # a last digit is not exact in binary
    return one.value - lower.value <= _noise(one, lower) * (1 + 1e-9)


def _noise(one: Score, other: Score) -> float:
    """The smallest significant difference of two values."""
    least = max(one.least, other.least)
    if one.scatter is None or other.scatter is None:
        return least
    return max(CERTAIN * math.hypot(one.scatter, other.scatter), least)


def _reasons(
    score: Score, lowest: Score, leader: Score, before: int, number: int
) -> tuple[str, ...]:
    told = ["the only complete, finite checkpoint"] if number == 1 else []
    if not score.by:
        told.append("no loss known at its step")
    elif score is lowest:
        told.append(f"lowest {score.words()}" if number > 1 and not before else score.words())
    elif leader is lowest:
        noise = _noise(score, lowest)
        apart = f", within the noise ({loss(noise)}) of" if noise else ", as"
        told.append(f"{score.words()}{apart} the lowest, {loss(lowest.value)}")
    else:
        told.append(f"{score.words()}, {loss(score.value - lowest.value)} above the lowest")
    if score.by == VALIDATION and score.one.loss is not None:
        told.append(f"{TRAINING} {loss(score.one.loss)}")
    return (*told, *norm_words(score.one))


def _about_validation(score: Score, ordered: Sequence[Score], before: int) -> tuple[str, ...]:
    """What the trend of validation losses says about this one."""
    if score.by != VALIDATION:
        return ("no validation near its step: not compared with those above",) if before else ()
    lowest, others = ordered[0], ordered[1:]
    if not others or score.one.step is None or lowest.one.step is None:
        return ()
    if score.step > lowest.step and not _equal(score, lowest):
        return (f"the validation loss has risen since step {lowest.step}: it may be overfitting",)
    previous = max(others, key=lambda s: s.step)
    if (
        score is lowest
        and len(others) > 1
        and score.step >= previous.step
        and not _equal(previous, lowest)
    ):
        return ("the validation loss was still falling: more steps may be better",)
    return ()
