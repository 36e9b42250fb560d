"""The noise of a loss: values closer than that count as equal. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from runner.model import LossSeries
from runner.store.series import SMOOTHING

#: two values differ if they are this many standard deviations of their difference apart
CERTAIN = 2.0
#: fewer values than this give no estimate
LEAST = 5
#: significant digits of a loss on sd-scripts' console
CONSOLE_DIGITS = 3


def step_scatter(series: LossSeries) -> float | None:
    """Standard deviation of a single step's loss about its own trend, from the differences of neighbours;
    None if unknown: too few steps, or only a running average, which hides it."""
    if not series.exact:
        return None
    known = [(b.mean, b.count - b.nonfinite) for b in series.buckets if b.mean is not None]
    squares = [
        (later - mean) ** 2 / (1 / count + 1 / number)
        for (mean, count), (later, number) in itertools.pairwise(known)
        if count > 0 and number > 0
    ]
    if len(squares) < LEAST:
        return None
    return math.sqrt(sum(squares) / len(squares))


def smoothed_scatter(scatter: float, steps: int) -> float:
    """Standard deviation of the smoothed loss after so many steps, if one step's has `scatter`: the
    variance of a bias-corrected exponential average. Few steps smooth little."""
    keep, weight = SMOOTHING, 1 - SMOOTHING**steps
    if steps < 1 or weight <= 0:
        return scatter
    share = (1 - keep) ** 2 * (1 - keep ** (2 * steps)) / ((1 - keep**2) * weight**2)
    return scatter * math.sqrt(share)


def scatter_of(values: Mapping[int, float]) -> float | None:
    """Standard deviation of values by step around a smooth curve: the distance of each from the line between
    its neighbours. None: too few of them."""
    known = sorted((step, value) for step, value in values.items() if math.isfinite(value))
    if len(known) < LEAST:
        return None
    squares = []
    for (a, before), (b, value), (c, after) in zip(known, known[1:], known[2:], strict=False):
        right = (b - a) / (c - a)
        off = value - ((1 - right) * before + right * after)
        squares.append(off * off / (1 + right * right + (1 - right) ** 2))
    return math.sqrt(sum(squares) / len(squares))


def rounding(value: float, digits: int = CONSOLE_DIGITS) -> float:
    """The value of the last digit of a number with this many significant digits."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return float(10.0 ** (math.floor(math.log10(abs(value))) - digits + 1))
