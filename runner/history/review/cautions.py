"""Cautions about a checkpoint: its weights, its file, its past. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from runner.model import AttemptStatus, Checkpoint, LossSeries, RunSnapshot
from runner.model.units import count, finite
from runner.state.lineage import superseded

#: a network's norm grows like a root of the steps, at most linearly
#: (power 1); faster than this is an acceleration
SHARP_POWER = 1.5
#: growth below this share is not worth reporting
SHARP_LEAST = 0.10
#: less than this over at least a tenth more steps: the weights hardly changed
STILL = 0.005
#: checkpoints nearer than this are not compared
STEPS_RATIO = 1.1
#: of the largest norm of the run
HARDLY_TRAINED = 0.2
#: steps after which the smoothed loss is based on enough of them
ENOUGH_STEPS = 30


def first_untrusted_step(series: LossSeries | None) -> int | None:
    """The first NaN step, unless the training recovered; None: all steps can be trusted, by their losses."""
    if series is None or series.first_nonfinite_step is None:
        return None
    return None if came_through(series) else series.first_nonfinite_step


def came_through(series: LossSeries) -> bool:
    """Exact losses were finite again to the end. (A running average stays NaN forever.)"""
    last = series.buckets[-1] if series.buckets else None
    return series.exact and last is not None and last.mean is not None and not last.nonfinite


def untrusted_step(snapshot: RunSnapshot) -> int | None:
    """The same, by the journal and by status.json, whichever knows of an earlier step."""
    status, series = snapshot.status, snapshot.loss
    known = (series.first_nonfinite_step, status.first_nonfinite_step if status else None)
    first = min((step for step in known if step is not None), default=None)
    return None if first is None or came_through(series) else first


def cautions_of(
    usable: Sequence[Checkpoint],
    written: Sequence[Checkpoint],
    series: LossSeries | None,
    attempts: Sequence[AttemptStatus],
) -> Mapping[str, tuple[tuple[str, ...], int]]:
    """By path, and how many of them are serious. `written`: including deleted files: their norms are kept."""
    norms = [norm for c in usable if (norm := finite(c.norm)) is not None]
    good = sorted(
        (c.step, c.attempt) for c in written if c.was_good and c.norm is not None and c.step
    )
    found, largest = {}, max(norms, default=0.0)
    for one in usable:
        sharp, still = _growth(one, good)
        against = (
            one.problem,
            one.remark,
            _again(one, attempts),
            _bad_step(one, series),
            sharp if one.remark is None else None,
            _little(one, largest),
        )
        told = tuple(text for text in (*against, still, _short_average(one)) if text is not None)
        found[one.path] = told, sum(text is not None for text in against)
    return found


def norm_words(one: Checkpoint) -> tuple[str, ...]:
    """`norm 1.32, +4.1 % since the previous checkpoint`."""
    norm, change = finite(one.norm), finite(one.norm_change)
    if norm is None:
        return ()
    since = f", {change * 100:+.1f} % since the previous checkpoint" if change is not None else ""
    return (f"norm {norm:.3g}{since}",)


def _again(one: Checkpoint, attempts: Sequence[AttemptStatus]) -> str | None:
    later = superseded(one, attempts)
    if later is None:
        return None
    return f"of attempt {one.attempt}; attempt {later.attempt} trained again from step {later.first_step}"


def _bad_step(one: Checkpoint, series: LossSeries | None) -> str | None:
    bad = series.first_nonfinite_step if series is not None else None
    if bad is None or one.step is None or one.step < bad:
        return None
    return f"the loss was NaN at step {bad}, before this file, and finite afterwards"


def _growth(one: Checkpoint, good: Sequence[tuple[int, int]]) -> tuple[str | None, str | None]:
    """Norm change since the previous file: (faster than the steps explain, almost none). The latter is not a
    fault: the file is as good as the previous one. `good`: steps and attempts of the complete ones, in
    order."""
    step, change = one.step, finite(one.norm_change)
    # the reference of `norm_change`: the newest complete one of an earlier step
    earlier = (good[at] for at in range(bisect_left(good, (step or 0, -1)) - 1, -1, -1))
    before = next((at for at, attempt in earlier if attempt <= one.attempt), 0)
    if step is None or change is None or change <= -1 or not before or step < STEPS_RATIO * before:
        return None, None
    power = math.log1p(change) / math.log(step / before)
    sharp = still = None
    if change > SHARP_LEAST and power > SHARP_POWER:
        grown = f"its norm grew sharply since step {before} ({change * 100:+.0f} %)"
        sharp = f"{grown}: a sign of overtraining"
    if abs(change) < STILL:
        still = f"its norm has hardly changed since step {before}: little was learned after that"
    return sharp, still


def _little(one: Checkpoint, largest: float) -> str | None:
    norm = finite(one.norm)
    if norm is None or norm >= largest * HARDLY_TRAINED:
        return None
    return f"hardly trained yet: its norm is {norm / largest * 100:.0f} % of the largest one"


def _short_average(one: Checkpoint) -> str | None:
    if one.step is None or one.loss is None or not 0 < one.step < ENOUGH_STEPS:
        return None
    return f"its smoothed loss is based on only {count(one.step, 'step')}"
