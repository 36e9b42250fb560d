"""Every step of a run with its loss, out of steps.jsonl itself. Nothing is folded into buckets here.

A later row of the same step and attempt adds to it; a row of a later attempt with a lower step means that
from there on the older attempt was trained again: its rows go, and are counted as replayed.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.journal import LineTail, Row, number, step_rows
from runner.series import SMOOTHING

UNKNOWN, AVERAGE, EXACT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Replayed:
    """Steps of `attempt` that the next one trained again. `seconds`: what they had taken, None: not known."""

    attempt: int
    first_step: int
    last_step: int
    steps: int
    seconds: float | None


class StepTable:
    """The rows that count, ordered by true step. Columns are arrays: 200,000 steps take about 6 MB."""

    def __init__(self) -> None:
        self.steps = array("q")
        self.values = array("d")
        self.kinds = bytearray()
        #: seconds since the run's `created_at`, NaN: not recorded
        self.seconds = array("d")
        self.attempts = array("q")
        self.replayed: list[Replayed] = []
        self.unreadable_lines = 0
        #: (step, seconds) of the first row of each attempt, and how many rows it has written
        self.begun: dict[int, tuple[int, float | None]] = {}
        self.trained: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, row: Row) -> None:
        """One line of the journal, in file order."""
        step, seconds, loss, average, _, attempt = row
        if self.steps and step <= self.steps[-1]:
            if attempt > self.attempts[-1]:
                self._rewind(step)
            else:
                self._patch(row)
                return
        kind = EXACT if loss is not None else AVERAGE if average is not None else UNKNOWN
        value = number(loss if loss is not None else average)
        self.steps.append(step)
        self.values.append(math.nan if value is None else value)
        self.kinds.append(kind)
        self.seconds.append(math.nan if seconds is None else seconds)
        self.attempts.append(attempt)
        self.begun.setdefault(attempt, (step, seconds))
        self.trained[attempt] += 1

    def _rewind(self, step: int) -> None:
        at = bisect_left(self.steps, step)
        for first, last in self._runs_of_attempts(at):
            self.replayed.append(
                Replayed(
                    self.attempts[first],
                    self.steps[first],
                    self.steps[last],
                    last - first + 1,
                    self.time_of(first, last),
                )
            )
        for column in (self.steps, self.values, self.seconds, self.attempts):
            del column[at:]
        del self.kinds[at:]

    def _runs_of_attempts(self, at: int) -> Iterator[tuple[int, int]]:
        """(first, last) index of neighbours of one attempt, from index `at` to the end."""
        first = at
        for index in range(at, len(self.steps)):
            end = index + 1 == len(self.steps)
            if end or self.attempts[index + 1] != self.attempts[first]:
                yield first, index
                first = index + 1

    def _patch(self, row: Row) -> None:
        step, seconds, loss, average, _, attempt = row
        at = bisect_left(self.steps, step)
        if at == len(self.steps) or self.steps[at] != step or self.attempts[at] != attempt:
            return  # a step nobody saw pass: its place in time is not known
        if loss is not None or (average is not None and self.kinds[at] != EXACT):
            value = number(loss if loss is not None else average)
            self.values[at] = math.nan if value is None else value
            self.kinds[at] = EXACT if loss is not None else AVERAGE
        if seconds is not None and math.isnan(self.seconds[at]):
            self.seconds[at] = seconds

    def time_of(self, first: int, last: int) -> float | None:
        """Seconds from the row before `first` to the row `last` (indices), breaks between attempts left out;
        None: no two neighbours have times."""
        total, known = 0.0, False
        for at in range(max(1, first), last + 1):
            if self.attempts[at] != self.attempts[at - 1]:
                continue
            passed = self.seconds[at] - self.seconds[at - 1]
            if not math.isnan(passed):
                total, known = total + max(0.0, passed), True
        return total if known else None

    def smoothed(self) -> array[float]:
        """The bias-corrected exponential average of the finite losses at each row; NaN before the first."""
        found, average, weight = array("d"), 0.0, 0.0
        for value in self.values:
            if math.isfinite(value):
                average = SMOOTHING * average + (1 - SMOOTHING) * value
                weight = SMOOTHING * weight + (1 - SMOOTHING)
            found.append(average / weight if weight else math.nan)
        return found


def read_steps(path: Path) -> StepTable:
    """All of a steps.jsonl; a missing file is an empty table."""
    table, tail = StepTable(), LineTail(path)
    for block in tail.read(math.inf):
        rows, bad = step_rows(block)
        table.unreadable_lines += bad
        for row in rows:
            table.add(row)
    return table


@dataclass(frozen=True, slots=True)
class LossFacts:
    """The losses of all steps that count. `finite`, `nonfinite`, `unknown`: numbers of rows; `exact`: of them
    exact losses, the others are the trainer's running average. `last_step`, `last`: the last row and its loss
    (may be NaN; None: not recorded), `smooth`: at the end, of the finite ones."""

    rows: int = 0
    finite: int = 0
    nonfinite: int = 0
    unknown: int = 0
    exact: int = 0
    first_step: int | None = None
    last_step: int | None = None
    last: float | None = None
    last_exact: bool = False
    smooth: float | None = None
    lowest_smooth: float | None = None
    lowest_smooth_step: int | None = None
    first_nonfinite_step: int | None = None
    missing_steps: int = 0


#: the smoothed loss of the first steps says nothing yet
SETTLED_STEPS = 30


def loss_facts(table: StepTable, smooth: array[float]) -> LossFacts:
    if not len(table):
        return LossFacts()
    finite = nonfinite = 0
    first_bad: int | None = None
    for step, value, kind in zip(table.steps, table.values, table.kinds, strict=True):
        if math.isfinite(value):
            finite += 1
        elif kind != UNKNOWN:
            nonfinite += 1
            first_bad = step if first_bad is None else first_bad
    lowest = _lowest(table, smooth)
    first, last = table.steps[0], table.steps[-1]
    return LossFacts(
        rows=len(table),
        finite=finite,
        nonfinite=nonfinite,
        unknown=len(table) - finite - nonfinite,
        exact=table.kinds.count(EXACT),
        first_step=first,
        last_step=last,
        last=table.values[-1] if table.kinds[-1] != UNKNOWN else None,
        last_exact=table.kinds[-1] == EXACT,
        smooth=_or_none(smooth[-1]),
        lowest_smooth=lowest[1] if lowest else None,
        lowest_smooth_step=lowest[0] if lowest else None,
        first_nonfinite_step=first_bad,
        missing_steps=last - first + 1 - len(table),
    )


def _lowest(table: StepTable, smooth: array[float]) -> tuple[int, float] | None:
    pairs = zip(table.steps[SETTLED_STEPS:], smooth[SETTLED_STEPS:], strict=True)
    known = [(step, value) for step, value in pairs if not math.isnan(value)]
    return min(known, key=lambda pair: pair[1]) if known else None


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
