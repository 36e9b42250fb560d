"""Every step of a run with its loss, from steps.jsonl, without buckets.

A later row of the same step and attempt adds to it. Rows of earlier attempts from the first step of a later
attempt on are dropped and counted as replayed.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from runner.model import LossSeries
from runner.store.journal import LineTail, Row, number, step_rows
from runner.store.series import SMOOTHING, LossFold

UNKNOWN, AVERAGE, EXACT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Replayed:
    """Steps of `attempt` that the next one trained again. `seconds`: their duration, None: unknown."""

    attempt: int
    first_step: int
    last_step: int
    steps: int
    seconds: float | None


@dataclass(slots=True)
class Smoothing:
    """The bias-corrected exponential average of the finite losses added."""

    _average: float = 0.0
    _weight: float = 0.0
    _broken: bool = False

    def add(self, loss: float | None) -> None:
        """None: unknown."""
        if loss is None:
            return
        self._broken = not math.isfinite(loss)
        if not self._broken:
            self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
            self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)

    @property
    def now(self) -> float | None:
        """NaN if the newest known loss is not finite; None before the first."""
        if self._broken:
            return math.nan
        return self._average / self._weight if self._weight else None


class _Columns:
    """Rows ordered by true step, one array per column: 200,000 steps take about 6 MB."""

    def __init__(self) -> None:
        self.steps = array("q")
        self.values = array("d")
        self.kinds = bytearray()
        #: seconds since the run's `created_at`, NaN: not recorded
        self.seconds = array("d")
        self.attempts = array("q")
        self._all: tuple[Any, ...] = (
            self.steps, self.values, self.kinds, self.seconds, self.attempts,
        )  # fmt: skip

    def put(self, at: int, *row: float) -> None:
        """A new row at index `at`; nearly always the end."""
        for column, value in zip(self._all, row, strict=True):
            column.insert(at, value)

    def cut(self, at: int) -> None:
        for column in self._all:
            del column[at:]

    def extend(self, other: _Columns) -> None:
        for column, more in zip(self._all, other._all, strict=True):
            column.extend(more)


class StepTable(_Columns):
    """The valid rows. Feed it every line with `add`, then call `close` once."""

    def __init__(self) -> None:
        super().__init__()
        self.replayed: list[Replayed] = []
        self.unreadable_lines = 0
        #: (lowest step, seconds of the first row) of each attempt, and how many steps it has journaled
        self.begun: dict[int, tuple[int, float | None]] = {}
        self.trained: Counter[int] = Counter()
        self._open: dict[int, _Columns] = {}

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, row: Row) -> None:
        """One line of the journal. Lines of one attempt may be in any order: the bar shows few of the steps,
        the event file adds the others later."""
        step, seconds, loss, average, _, attempt = row
        rows = self._open.get(attempt)
        if rows is None:
            rows = self._open[attempt] = _Columns()
            self.begun[attempt] = (step, seconds)
        kind = EXACT if loss is not None else AVERAGE if average is not None else UNKNOWN
        value = number(loss if loss is not None else average)
        told = math.nan if value is None else value
        when = math.nan if seconds is None else seconds
        at = len(rows.steps)
        if at and step <= rows.steps[-1]:
            at = bisect_left(rows.steps, step)
            if rows.steps[at] == step:
                if kind == EXACT or (kind == AVERAGE and rows.kinds[at] != EXACT):
                    rows.values[at], rows.kinds[at] = told, kind
                if math.isnan(rows.seconds[at]):
                    rows.seconds[at] = when
                return
        rows.put(at, step, told, kind, when, attempt)

    def close(self) -> None:
        """Overlay the attempts: each counts from its first step on."""
        for attempt in sorted(self._open):
            rows = self._open[attempt]
            self.begun[attempt] = (rows.steps[0], self.begun[attempt][1])
            self.trained[attempt] = len(rows.steps)
            at = bisect_left(self.steps, rows.steps[0])
            # steps trained again, by the attempts that first trained them
            for before, again in groupby(range(at, len(self.steps)), self.attempts.__getitem__):
                indices = list(again)
                first, last = indices[0], indices[-1]
                span = self.steps[first], self.steps[last], len(indices)
                self.replayed.append(Replayed(before, *span, self.time_of(first, last)))
            self.cut(at)
            self.extend(rows)
        self._open.clear()

    def series(self) -> LossSeries:
        """The smoothed loss shown everywhere, of the valid rows."""
        fold = LossFold()
        nothing = math.isnan
        rows = (
            (
                step,
                None if nothing(seconds) else seconds,
                value if kind == EXACT else None,
                value if kind == AVERAGE else None,
                None,
                1,
            )
            for step, value, kind, seconds in zip(
                self.steps, self.values, self.kinds, self.seconds, strict=True
            )
        )
        while some := list(islice(rows, FOLDED_ROWS)):  # a million tuples at once take 150 MB
            fold.extend(some)
        return fold.series()

    def time_of(self, first: int, last: int) -> float | None:
        """Seconds from the row before `first` to the row `last` (indices), without breaks between attempts;
        None: no two neighbours have times."""
        total, known = 0.0, False
        for at in range(max(1, first), last + 1):
            if self.attempts[at] != self.attempts[at - 1]:
                continue
            passed = self.seconds[at] - self.seconds[at - 1]
            if not math.isnan(passed):
                total, known = total + max(0.0, passed), True
        return total if known else None

    def smoothing(self) -> Smoothing:
        """At the last row."""
        found = Smoothing()
        for value, kind in zip(self.values, self.kinds, strict=True):
            found.add(None if kind == UNKNOWN else value)
        return found

    def smoothed(self) -> array[float]:
        """The smoothed loss at each row; NaN before the first, and if the row's own loss is not finite."""
        found, smoothing = array("d"), Smoothing()
        for value, kind in zip(self.values, self.kinds, strict=True):
            smoothing.add(None if kind == UNKNOWN else value)
            now = smoothing.now
            found.append(math.nan if now is None else now)
        return found

    def smooth_of(self, smooth: array[float], at: int) -> float | None:
        """`smooth` (see `smoothed`) at a row: NaN if the loss is not finite, None if unknown."""
        unknown = math.isnan(smooth[at]) and self.kinds[at] == UNKNOWN
        return None if unknown else smooth[at]


def smoothing_until(path: Path, attempt: int, step: int) -> Smoothing:
    """At true step `step` over attempts before `attempt`: what that attempt continues."""
    return read_steps(path, lambda row: row[5] < attempt and row[0] <= step).smoothing()


def smoothed_at(path: Path, steps: Collection[int | None]) -> dict[int, float]:
    """The smoothed loss at these true steps from the written rows; steps without one are left out."""
    table = read_steps(path)
    smooth, found = table.smoothed(), {}
    for at, step in enumerate(table.steps):
        loss = table.smooth_of(smooth, at) if step in steps else None
        if loss is not None:
            found[step] = loss
    return found


def read_steps(path: Path, counts: Callable[[Row], bool] | None = None) -> StepTable:
    """A steps.jsonl, or the rows accepted by `counts`; a missing file is an empty table."""
    table, tail = StepTable(), LineTail(path)
    for block in tail.read(math.inf):
        rows, bad = step_rows(block)
        table.unreadable_lines += bad
        for row in rows:
            if counts is None or counts(row):
                table.add(row)
    table.close()
    return table


@dataclass(frozen=True, slots=True)
class LossFacts:
    """The losses of all valid steps. `finite`, `nonfinite`, `unknown`: numbers of rows; `exact`: exact losses
    among them, the rest are the trainer's running average. `last_step`, `last`: the last row and its loss
    (may be NaN; None: not recorded), `smooth`: at the end, NaN where `last` is not finite."""

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


#: how many rows are handed to a fold at once
FOLDED_ROWS = 20_000
#: the smoothed loss of the first steps is meaningless
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
        smooth=table.smooth_of(smooth, -1),
        lowest_smooth=lowest[1] if lowest else None,
        lowest_smooth_step=lowest[0] if lowest else None,
        first_nonfinite_step=first_bad,
        missing_steps=last - first + 1 - len(table),
    )


def _lowest(table: StepTable, smooth: array[float]) -> tuple[int, float] | None:
    pairs = zip(table.steps[SETTLED_STEPS:], smooth[SETTLED_STEPS:], strict=True)
    known = ((step, value) for step, value in pairs if not math.isnan(value))
    return min(known, key=lambda pair: pair[1], default=None)
