"""The rows of steps.jsonl by the time they were written: any moment of 200,000 steps in milliseconds.

Kept in memory are a time, a step and an attempt for each row, and the folded loss before each block of some
thousand rows; a block is read again from the file for a moment within it.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.files.regular_file import open_regular
from runner.model import LossSeries
from runner.store.journal import LineTail, Row, number, step_rows
from runner.store.series import LossFold

#: of some 40 bytes a row
BLOCK_BYTES = 1 << 17
#: between rows without a recorded time
STEP_S = 1.0
#: how many rows to search for the newest loss
NEWEST_ROWS = 50
_LARGEST = 1 << 62


@dataclass(frozen=True, slots=True)
class RowsThen:
    """Summary of the rows up to a moment. `count`: of rows; `loss`, `average`: of the newest row with one."""

    count: int
    series: LossSeries
    loss: float | None = None
    average: float | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    offset: int
    length: int
    first_row: int
    before: LossFold


class RowIndex:
    """`begin_at`: origin of the rows' seconds; `times_of`: start and end of each attempt; `until_at`: later
    times are invalid. Rows without a time share the time until the next one with a time; without any they are
    `STEP_S` apart."""

    def __init__(
        self,
        path: Path,
        begin_at: float,
        times_of: Mapping[int, tuple[float, float | None]],
        until_at: float = math.inf,
    ) -> None:
        self._path, self._begin_at, self._times_of = path, begin_at, times_of
        self._until = until_at
        self.timed = 0
        self.times = array("d")
        self.steps = array("q")
        self.first_row: dict[int, int] = {}
        self._blocks: list[_Block] = []
        self._fold = LossFold()
        self._tail = LineTail(path, BLOCK_BYTES)
        self._clock = begin_at
        self._untimed = 0
        self._attempt = 0
        self._held: tuple[int, list[Row]] = (-1, [])

    # ----------------------------------------------------------------- building

    def build(self, budget_s: float) -> float:
        """Read on for about so long; the share that is read, 1.0 once nothing is left."""
        share = 1.0
        for block in self._tail.read(budget_s):
            rows, _ = step_rows(block)
            at = self._tail.offset - len(block)
            self._blocks.append(_Block(at, len(block), len(self.times), self._fold.copy()))
            self._fold.extend(rows)
            for row in rows:
                self._take(row)
            share = min(0.999, self._tail.offset / self._tail.size)
        if share == 1.0:
            self._close_attempt()
        return share

    def _take(self, row: Row) -> None:
        step, seconds, attempt = min(row[0], _LARGEST), row[1], min(row[5], _LARGEST)
        if attempt not in self.first_row:
            self._close_attempt()
            self.first_row[attempt] = len(self.times)
            began_at = self._times_of.get(attempt, (self._clock, None))[0]
            self._clock = max(self._clock, began_at)
            self._attempt = attempt
        self.steps.append(step)
        at = math.nan if seconds is None else self._begin_at + seconds
        if not at <= self._until:
            self._untimed += 1
            self.times.append(self._clock)
            return
        self.timed += 1
        at = max(self._clock, at)
        self._spread(at)
        self._clock = at
        self.times.append(at)

    def _close_attempt(self) -> None:
        """Rows at the end of an attempt without observed times."""
        if not self._untimed:
            return
        ended_at = self._times_of.get(self._attempt, (0.0, None))[1]
        if not self.timed:
            ended_at = self._clock + (self._untimed + 1) * STEP_S
        until_at = max(self._clock, ended_at or self._clock)
        self._spread(until_at)
        self._clock = until_at

    def _spread(self, until_at: float) -> None:
        """Rows without a time share the one until here."""
        number_of, self._untimed = self._untimed, 0
        first = len(self.times) - number_of
        for k in range(number_of):
            self.times[first + k] = self._clock + (until_at - self._clock) * (k + 1) / (
                number_of + 1
            )

    # ----------------------------------------------------------------- queries

    def count_at(self, at: float) -> int:
        """Number of rows written by then."""
        return bisect_right(self.times, at)

    def then(self, at: float) -> RowsThen:
        """The loss as it was known at `at`."""
        n = self.count_at(at)
        if n == 0:
            return RowsThen(0, LossSeries())
        k = bisect_right(self._blocks, n - 1, key=lambda block: block.first_row) - 1
        block = self._blocks[k]
        rows = self._rows_of(k)[: n - block.first_row]
        fold = block.before.copy()
        fold.extend(rows)
        newest = rows[: -NEWEST_ROWS - 1 : -1]
        losses = (loss for row in newest if (loss := number(row[2])) is not None)
        averages = (average for row in newest if (average := number(row[3])) is not None)
        return RowsThen(n, fold.series(), next(losses, None), next(averages, None))

    def _rows_of(self, k: int) -> list[Row]:
        if self._held[0] != k:
            block = self._blocks[k]
            with open_regular(self._path) as stream:
                stream.seek(block.offset)
                rows, _ = step_rows(stream.read(block.length))
            self._held = (k, rows)
        return self._held[1]

    def whole(self) -> LossSeries:
        """All rows."""
        return self._fold.series()

    def span(self, attempt: int) -> range:
        """Positions of an attempt's rows; empty if it has none."""
        first = self.first_row.get(attempt, len(self.times))
        later = (row for row in self.first_row.values() if row > first)
        return range(first, min(later, default=len(self.times)))

    def time_of_step(self, attempt: int, step: int) -> float | None:
        """When an attempt reached a step; None before `build` has read it, or if it never did."""
        span = self.span(attempt)
        k = bisect_left(self.steps, step, span.start, span.stop)
        return self.times[k] if k < span.stop else None

    def recent(self, attempt: int, count: int, most: int) -> list[tuple[int, float]]:
        """Step and time of an attempt's first row and of its last ones among the first `count` rows."""
        first = self.first_row.get(attempt, count)
        if first >= count:
            return []
        begin = max(first + 1, count - most)
        return [(self.steps[k], self.times[k]) for k in (first, *range(begin, count))]
