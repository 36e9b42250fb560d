"""Losses of a run of any length in a bounded number of buckets.

Rows arrive once, in order; neighbouring steps share a bucket, and when there are too many buckets the
neighbours are merged in pairs. Memory and drawing therefore do not depend on the length of the run.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace

from runner.model import LossBucket, LossSeries
from runner.store.journal import Row, number

CAPACITY = 2048
#: weight kept by the smoothed loss at each step (bias-corrected exponential average)
SMOOTHING = 0.97


def merge(a: LossBucket, b: LossBucket) -> LossBucket:
    """Two neighbours as one bucket; `smooth` is the later one's."""
    lows = [x.low for x in (a, b) if x.low is not None]
    highs = [x.high for x in (a, b) if x.high is not None]
    weights = [(x.mean, x.count - x.nonfinite) for x in (a, b) if x.mean is not None]
    total = sum(weight for _, weight in weights)
    mean = sum(value * weight for value, weight in weights) / total if total else None
    return LossBucket(
        a.first_step,
        b.last_step,
        min(lows) if lows else None,
        max(highs) if highs else None,
        mean,
        b.smooth if b.smooth is not None else a.smooth,
        a.count + b.count,
        a.nonfinite + b.nonfinite,
        b.elapsed_s if b.elapsed_s is not None else a.elapsed_s,
        b.rate if b.rate is not None else a.rate,
    )


class LossFold:
    """Folds rows of steps.jsonl into a `LossSeries`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._closed: list[LossBucket] = []
        self._width = 1
        self.rows = 0
        self._exact = False
        self._attempt = 0
        self._last_step: int | None = None
        self._last: float | None = None
        self._nonfinite_step: int | None = None
        self._ema = 0.0
        self._weight = 0.0
        self._version = 0
        self._open()

    def _open(self) -> None:
        self._first: int | None = None
        self._low = math.inf
        self._high = -math.inf
        self._sum = 0.0
        self._count = 0
        self._nonfinite = 0
        self._elapsed: float | None = None
        self._rate: float | None = None

    def copy(self) -> LossFold:
        """The same rows, continued independently; its buckets are shared."""
        made = copy(self)
        made._closed = list(self._closed)
        return made

    def extend(self, rows: Iterable[Row]) -> None:
        """Add rows in file order. A row of a later attempt with a lower step replaces what follows it."""
        rows = list(rows)
        at = 0
        while at < len(rows):
            first = self._first if self._first is not None else rows[at][0]
            chunk = rows[at : at + max(1, first + self._width - rows[at][0])]
            if not self._add_consecutive(chunk):
                for row in chunk:
                    self._add_one(row)
            at += len(chunk)
        self.rows += len(rows)
        self._version += 1

    def _add_consecutive(self, chunk: Sequence[Row]) -> bool:
        """Add rows of the open bucket at once: half the time. False, and nothing added, unless they are new
        steps without a gap and every loss is finite."""
        steps, seconds, exact, averages, rates, attempts = zip(*chunk, strict=True)
        if steps != (*range(steps[0], steps[0] + len(steps)),):
            return False
        if self._last_step is not None and steps[0] <= self._last_step:
            return False
        losses = exact
        if None in exact:
            losses = tuple(b if a is None else a for a, b in zip(exact, averages, strict=True))
        total, ema, weight = self._sum, self._ema, self._weight
        try:
            for loss in losses:
                total += loss
                ema = SMOOTHING * ema + (1 - SMOOTHING) * loss
                weight = SMOOTHING * weight + (1 - SMOOTHING)
        except TypeError:  # not recorded, or the name of NaN or infinity
            return False
        if not math.isfinite(total):
            return False
        self._sum, self._ema, self._weight = total, ema, weight
        self._low, self._high = min(self._low, *losses), max(self._high, *losses)
        self._exact = self._exact or exact.count(None) < len(exact)
        self._attempt = max(self._attempt, *attempts)
        self._elapsed = next((one for one in reversed(seconds) if one is not None), self._elapsed)
        rate = next((one for one in reversed(rates) if one is not None), None)
        self._rate = number(rate) if rate is not None else self._rate
        self._first = steps[0] if self._first is None else self._first
        self._last_step, self._last = steps[-1], losses[-1]
        self._count += len(steps)
        if steps[-1] - self._first + 1 >= self._width:
            self._close()
        return True

    def _add_one(self, row: Row) -> None:
        step, seconds, loss, average, rate, attempt = row
        self._exact = self._exact or loss is not None
        value = number(loss if loss is not None else average)
        last = self._last_step
        if last is not None and step <= last:
            if attempt <= self._attempt:
                self._patch(step, value)
                return
            self._rewind(step)
        self._attempt = max(self._attempt, attempt)
        self._elapsed = seconds if seconds is not None else self._elapsed
        self._rate = number(rate) if rate is not None else self._rate
        self._add(step, value)

    def _add(self, step: int, value: float | None) -> None:
        if self._first is None:
            self._first = step
        self._last_step = step
        self._count += 1
        self._note(step, value)
        if value is not None and math.isfinite(value):
            self._ema = SMOOTHING * self._ema + (1 - SMOOTHING) * value
            self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        if step - self._first + 1 >= self._width:
            self._close()

    def _note(self, step: int, value: float | None) -> None:
        self._last = value
        if value is None:
            return
        if math.isfinite(value):
            self._low = min(self._low, value)
            self._high = max(self._high, value)
            self._sum += value
            return
        self._nonfinite += 1
        if self._nonfinite_step is None or step < self._nonfinite_step:
            self._nonfinite_step = step

    def _bucket(self) -> LossBucket | None:
        if self._first is None or self._last_step is None:
            return None
        known = self._low <= self._high
        finite = self._count - self._nonfinite
        return LossBucket(
            self._first,
            self._last_step,
            self._low if known else None,
            self._high if known else None,
            self._sum / finite if known and finite else None,
            self._smooth(),
            self._count,
            self._nonfinite,
            self._elapsed,
            self._rate,
        )

    def _smooth(self) -> float | None:
        """At the newest step: NaN if its loss is not finite."""
        if self._last is not None and not math.isfinite(self._last):
            return math.nan
        return self._ema / self._weight if self._weight else None

    def _close(self) -> None:
        bucket = self._bucket()
        if bucket is not None:
            self._closed.append(bucket)
        self._open()
        if len(self._closed) >= self.capacity:
            pairs = zip(self._closed[::2], self._closed[1::2], strict=False)
            odd = self._closed[len(self._closed) // 2 * 2 :]
            self._closed = [merge(a, b) for a, b in pairs] + odd
            self._width *= 2

    def _rewind(self, step: int) -> None:
        """Forget everything from `step` on: a later attempt trains it again."""
        self._close()
        at = bisect_left(self._closed, step, key=lambda bucket: bucket.last_step)
        kept = self._closed[:at]
        if at < len(self._closed) and self._closed[at].first_step < step:
            b = self._closed[at]
            share = max(1, b.count * (step - b.first_step) // (b.last_step - b.first_step + 1))
            bad = min(b.nonfinite, share)
            kept.append(
                replace(
                    b, last_step=step - 1, smooth=b.mean, count=share, nonfinite=bad, elapsed_s=None
                )
            )
        self._closed = kept
        known = (b.smooth for b in reversed(kept) if b.smooth is not None)
        smooth = next((value for value in known if math.isfinite(value)), None)
        self._ema, self._weight = (0.0, 0.0) if smooth is None else (smooth, 1.0)
        self._last_step = kept[-1].last_step if kept else None
        if self._nonfinite_step is not None and self._nonfinite_step >= step:
            self._nonfinite_step = None

    def _patch(self, step: int, value: float | None) -> None:
        """A later row of a known step: only adds to it."""
        if value is None or self._last_step is None:
            return
        if step == self._last_step:
            self._last = value
        if not math.isfinite(value) and (
            self._nonfinite_step is None or step < self._nonfinite_step
        ):
            self._nonfinite_step = step
        if self._first is not None and step >= self._first:
            if math.isfinite(value):
                self._low, self._high = min(self._low, value), max(self._high, value)
                self._sum += value if self._count == self._nonfinite + 1 and not self._sum else 0.0
            else:
                self._nonfinite = min(self._count, self._nonfinite + 1)
            return
        at = bisect_left(self._closed, step, key=lambda bucket: bucket.last_step)
        if at == len(self._closed):
            return
        b = self._closed[at]
        ends = step == b.last_step
        if not math.isfinite(value):
            smooth = math.nan if ends else b.smooth
            bad = min(b.count, b.nonfinite + 1)
            self._closed[at] = replace(b, smooth=smooth, nonfinite=bad)
            return
        known = b.smooth is not None and math.isfinite(b.smooth)
        alone = b.count == 1
        self._closed[at] = replace(
            b,
            low=value if alone or b.low is None else min(b.low, value),
            high=value if alone or b.high is None else max(b.high, value),
            mean=value if alone or b.mean is None else b.mean,
            smooth=value if ends and not known else b.smooth,
        )

    def series(self) -> LossSeries:
        """What is known so far, as an immutable value."""
        last = self._bucket()
        buckets = (*self._closed, last) if last is not None else tuple(self._closed)
        return LossSeries(
            buckets=buckets,
            first_step=buckets[0].first_step if buckets else None,
            last_step=self._last_step,
            last=self._last,
            smooth=self._smooth(),
            first_nonfinite_step=self._nonfinite_step,
            rows=self.rows,
            exact=self._exact,
            version=self._version,
        )
