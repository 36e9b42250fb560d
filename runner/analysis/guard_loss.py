"""What the losses of a running training show: non-finite, far above before, or frozen. Pure.

Losses of diffusion trainings are wild: one step draws one noise level, and levels differ by a factor of ten
and more. So single finite losses are ignored: levels are medians of many steps. Bounded memory.

Facts (sd-scripts.md §6): the bar's `avr_loss` is a mean over one epoch with three digits, and one NaN makes
it NaN for the rest of the run; `loss/current` of the event file is the loss of each step as float32.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from runner.state.flat_loss import FlatLoss

#: this many NaN losses in a row, or in total, are no accident
ROW_OF_BAD = 3
FEW_BAD = 5
#: after this many finite losses in a row, even many bad ones count as over
GOOD_AGAIN = 20
#: Equal float32 losses in a row. Two happen once in millions of steps; a trainer that computes its loss in
#: bf16 (8 bits) gives two in a hundred, and ten never (1e-18).
SAME_LOSSES = 10
#: a level is the median of this many steps; a longer level covers three such blocks
BLOCK_STEPS = 50
WHILE_BLOCKS = 3
#: this many blocks in a row must be too high
HIGH_BLOCKS = 2
#: how far above its lowest level a loss has diverged; less if it is also worse than at its start
FAR = 3.0
FAR_AND_ABOVE_START = 2.0
ABOVE_START = 1.5
#: it must also exceed the usual jump between two blocks this many times (both as logarithms)
SPREADS = 6.0
#: an explosion needs no block: this many losses in a row above everything before, by this factor
BURST_STEPS = 12
BURST_OVER = 1.5
BURST_AFTER = 50
#: a diverged loss has recovered when its blocks are below this share of the limit
BACK = 0.7
_BLOCKS_KEPT = 64
_TINY = 1e-12


@dataclass(slots=True)
class BadSteps:
    """Non-finite losses by true step.

    `lasting`: they do not end, or keep coming back; from `lasting_first` on."""

    first: int | None = None
    last: int | None = None
    count: int = 0
    good_after: int = 0
    lasting: bool = False
    lasting_first: int | None = None
    #: of the current streak, and since the last long recovery
    row: int = 0
    recent: int = 0
    _row_first: int | None = None
    _recent_first: int | None = None

    def take(self, step: int, loss: float) -> None:
        """The next exact loss. Several of one step (gradient accumulation) count as one; a bad one wins."""
        if step == self.last:
            return
        if math.isfinite(loss):
            self._good()
        else:
            self._bad(step)

    def _good(self) -> None:
        self.row, self._row_first = 0, None
        self.good_after += self.count > 0
        if self.recent <= FEW_BAD:
            self.lasting = False
        if self.good_after >= GOOD_AGAIN:
            self.lasting, self.recent, self._recent_first = False, 0, None

    def _bad(self, step: int) -> None:
        self.first = step if self.first is None else min(self.first, step)
        self._row_first = step if self._row_first is None else self._row_first
        self._recent_first = step if self._recent_first is None else self._recent_first
        self.last, self.good_after = step, 0
        self.count, self.row, self.recent = self.count + 1, self.row + 1, self.recent + 1
        if not self.lasting and (self.without_end or self.recent > FEW_BAD):
            self.lasting = True
            self.lasting_first = self._row_first if self.without_end else self._recent_first

    @property
    def without_end(self) -> bool:
        """The newest losses are bad, several in a row."""
        return self.row >= ROW_OF_BAD

    @property
    def recovered(self) -> bool:
        """There were a few, and later losses are finite again."""
        return 0 < self.count <= FEW_BAD and self.good_after > 0


@dataclass(slots=True)
class Levels:
    """The level of a noisy loss over time, and whether it has diverged. `exact`: of single steps; averages
    are already smooth, and early ones carry little information."""

    exact: bool = True
    diverging: bool = False
    since: int | None = None
    low: float | None = None
    start: float | None = None
    now: float | None = None
    _block: list[float] = field(default_factory=list)
    _block_first: int | None = None
    _medians: deque[float] = field(default_factory=lambda: deque(maxlen=_BLOCKS_KEPT))
    _high: int = 0
    _high_first: int | None = None
    _burst: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=BURST_STEPS))
    _most: float | None = None
    _seen: int = 0

    def take(self, step: int, loss: float) -> None:
        """The next finite loss."""
        if not self._block:
            self._block_first = step
        self._block.append(loss)
        if len(self._block) >= BLOCK_STEPS:
            self._close()
        if self.exact:
            self._look_for_burst(step, loss)

    @property
    def limit(self) -> float | None:
        """The level above which it has diverged; None while too little is known."""
        if self.low is None or self.start is None:
            return None
        far = max(FAR, math.exp(SPREADS * self._spread()))
        if not self.exact:
            return self.low * far
        near = max(self.low * FAR_AND_ABOVE_START, self.start * ABOVE_START)
        return min(self.low * far, max(near, self.low * math.exp(SPREADS * self._spread())))

    def _spread(self) -> float:
        """The usual distance of neighbouring blocks, as a logarithm: the noise without the trend."""
        logs = [math.log(max(value, _TINY)) for value in self._medians]
        steps = [abs(b - a) for a, b in pairwise(logs)]
        return 1.4826 * median(steps) / math.sqrt(2) if steps else 0.0

    def _close(self) -> None:
        """A block is full: compare its median with the previous level, then count it."""
        level, first = median(self._block), self._block_first
        self._block = []
        self.now = level
        limit = self.limit
        if limit is None or level <= limit * (BACK if self.diverging else 1.0):
            self._high, self._high_first = 0, None
            if self.diverging:
                self.diverging, self.since = False, None
        else:
            self._high += 1
            self._high_first = first if self._high_first is None else self._high_first
            if self._high >= HIGH_BLOCKS and not self.diverging:
                self.diverging, self.since = True, self._high_first
        if self._high or self.diverging:
            return
        self._medians.append(level)
        if len(self._medians) >= WHILE_BLOCKS:
            recent = median(list(self._medians)[-WHILE_BLOCKS:])
            self.start = recent if self.start is None else self.start
            self.low = recent if self.low is None else min(self.low, recent)

    def _look_for_burst(self, step: int, loss: float) -> None:
        """An explosion within a few steps, too large for noise."""
        if len(self._burst) == BURST_STEPS:
            leaving = self._burst[0][1]
            self._most = leaving if self._most is None else max(self._most, leaving)
        self._burst.append((step, loss))
        self._seen += 1
        if self._most is None or self._seen < BURST_AFTER + BURST_STEPS or self.diverging:
            return
        if min(value for _, value in self._burst) > self._most * BURST_OVER:
            self.diverging, self.since = True, self._burst[0][0]
            self.now = median(value for _, value in self._burst)
            # the level before it is the one to recover to
            if self.low is None:
                self.low = self.start = self._most
            self._block, self._high = [], HIGH_BLOCKS


@dataclass(slots=True)
class Same:
    """The same exact loss repeated."""

    value: float | None = None
    count: int = 0
    since: int | None = None

    def take(self, step: int, loss: float) -> None:
        if loss == self.value:
            self.count += 1
        else:
            self.value, self.count, self.since = loss, 1, step

    @property
    def frozen(self) -> bool:
        return self.count >= SAME_LOSSES and self.value is not None and math.isfinite(self.value)


class LossWatch:
    """Everything the losses show. Exact ones decide; averages only while there are no exact ones."""

    def __init__(self) -> None:
        self.exact = False
        self.exact_step = 0
        self.bad = BadSteps()
        self.same = Same()
        self.levels = Levels()
        self.average_levels = Levels(exact=False)
        self.average: float | None = None
        self.average_step = 0
        self.average_bad_first: int | None = None
        self.average_bad_steps = 0
        self.flat = FlatLoss()

    def on_exact(self, step: int, loss: float) -> None:
        """The exact loss of a true step; may be NaN or infinite."""
        self.exact, self.exact_step = True, max(step, self.exact_step)
        self.bad.take(step, loss)
        self.flat.on_exact(step, loss)
        self.same.take(step, loss)
        if math.isfinite(loss):
            self.levels.take(step, loss)

    def on_average(self, step: int, average: float) -> None:
        """The bar's running average at a true step; the newest counts."""
        self.flat.on_average(step, average)
        new_step = step > self.average_step
        self.average, self.average_step = average, max(step, self.average_step)
        if not math.isfinite(average):
            if self.average_bad_first is None:
                self.average_bad_first = step
            self.average_bad_steps += new_step
            return
        self.average_bad_first, self.average_bad_steps = None, 0
        if new_step and not self.exact:
            self.average_levels.take(step, average)

    @property
    def poisoned(self) -> bool:
        """Does the bar show a NaN average?"""
        return self.average is not None and not math.isfinite(self.average)

    @property
    def recovered(self) -> bool:
        """A few exact losses were non-finite; the rest, up to the newest known step, are finite."""
        return self.exact and self.bad.recovered and not self.bad.lasting

    @property
    def diverged(self) -> Levels | None:
        """The level that has diverged, if one has."""
        levels = self.levels if self.exact else self.average_levels
        return levels if levels.diverging else None
