"""Whether the loss has been the same number since the first step. Pure.

A mean squared error against fresh noise is never exactly 0 and never the same twice, so such a loss means that
nothing is learned, whatever the trainer reports at the end. The bar's `avr_loss` has three significant digits
(tqdm's `set_postfix`) and settles late in a training: it only counts from the first steps on, over many states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: it must begin this early: a log that starts in the middle shows a settled average
FIRST_STEPS = 10
#: steps with a loss of 0: one alone is already impossible
ZERO_STEPS = 10
#: equal exact losses (see guard_loss.SAME_LOSSES), and equal averages over so many steps
SAME_EXACT = 10
SAME_AVERAGES, SAME_STEPS = 20, 100


@dataclass(frozen=True, slots=True)
class Flat:
    """One number from step `first` to `last`; `exact`: of each step, else the bar's average."""

    value: float
    first: int
    last: int
    exact: bool

    @property
    def words(self) -> str:
        what = "the loss" if self.exact else "the average loss"
        return f"{what} was exactly {self.value:.4g} from step {self.first} to step {self.last}"


@dataclass(slots=True)
class _Run:
    """The first value, as long as no other one was seen."""

    value: float | None = None
    first: int = 0
    last: int = 0
    seen: int = 0
    broken: bool = False

    def take(self, step: int, value: float) -> None:
        if self.broken or step <= self.last:
            return
        if self.value is None:
            self.value, self.first = value, step
            self.broken = not math.isfinite(value) or step > FIRST_STEPS
        elif value != self.value:
            self.broken = True
        self.last, self.seen = step, self.seen + 1

    def flat(self, exact: bool) -> Flat | None:
        if self.broken or self.value is None:
            return None
        steps = self.last - self.first + 1
        if self.value == 0:
            enough = steps >= ZERO_STEPS
        elif exact:
            enough = self.seen >= SAME_EXACT
        else:
            enough = self.seen >= SAME_AVERAGES and steps >= SAME_STEPS
        return Flat(self.value, self.first, self.last, exact) if enough else None


@dataclass(slots=True)
class FlatLoss:
    """Takes the losses of one attempt, by the steps that it counts itself. Exact ones decide."""

    _exact: _Run = field(default_factory=_Run)
    _average: _Run = field(default_factory=_Run)

    def on_exact(self, step: int, loss: float) -> None:
        self._exact.take(step, loss)

    def on_average(self, step: int, average: float | None) -> None:
        if average is not None:
            self._average.take(step, average)

    @property
    def found(self) -> Flat | None:
        if self._exact.seen:
            return self._exact.flat(exact=True)
        return self._average.flat(exact=False)
