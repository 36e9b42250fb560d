"""The loss of any number of steps in a bounded number of buckets."""

import math
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from runner.store.journal import Row
from runner.store.series import LossFold


class OneByOne(LossFold):
    def _add_consecutive(self, chunk: Sequence[Row]) -> bool:
        return False


def rows(values: list[float], start: int = 1, attempt: int = 1) -> list[Row]:
    return [(start + n, (start + n) * 0.5, v, None, None, attempt) for n, v in enumerate(values)]


def test_bounds_and_count_of_a_long_run_are_kept_in_few_buckets() -> None:
    random.seed(3)
    values = [random.random() for _ in range(10_000)]
    values[4321] = 7.5
    fold = LossFold(capacity=64)
    fold.extend(rows(values))
    series = fold.series()
    assert len(series.buckets) <= 64
    assert sum(b.count for b in series.buckets) == 10_000
    assert max(b.high or 0 for b in series.buckets) == 7.5
    assert series.first_step == 1
    assert series.last_step == 10_000
    assert all(
        a.last_step + 1 == b.first_step
        for a, b in zip(series.buckets, series.buckets[1:], strict=False)
    )


def test_non_finite_losses_are_counted_and_poison_nothing() -> None:
    fold = LossFold()
    fold.extend(rows([0.5, math.nan, 0.3, math.inf, 0.1]))
    series = fold.series()
    assert series.first_nonfinite_step == 2
    assert sum(b.nonfinite for b in series.buckets) == 2
    assert series.smooth is not None
    assert math.isfinite(series.smooth)
    assert series.last == 0.1


def test_rows_in_any_portions_give_the_same_series() -> None:
    values = [math.sin(n / 9) + 2 for n in range(500)]
    whole = LossFold(capacity=50)
    whole.extend(rows(values))
    parts = LossFold(capacity=50)
    for at in range(0, 500, 7):
        parts.extend(rows(values[at : at + 7], start=at + 1))
    assert whole.series().buckets == parts.series().buckets


def test_a_later_attempt_replaces_the_steps_that_it_trains_again() -> None:
    fold = LossFold()
    fold.extend(rows([1.0] * 50))
    fold.extend(rows([0.25] * 30, start=41, attempt=2))
    series = fold.series()
    assert series.last_step == 70
    after = [b for b in series.buckets if b.first_step >= 41]
    assert {b.high for b in after} == {0.25}
    assert sum(b.count for b in series.buckets) == 70


def test_a_nan_of_an_attempt_that_was_replaced_is_forgotten() -> None:
    fold = LossFold()
    fold.extend(rows([0.5] * 10 + [math.nan] * 5))
    assert fold.series().first_nonfinite_step == 11
    fold.extend(rows([0.4] * 20, start=9, attempt=2))
    assert fold.series().first_nonfinite_step is None


def test_an_exact_loss_that_comes_late_replaces_the_average_of_its_step() -> None:
    fold = LossFold()
    fold.extend([(1, 0.1, None, 0.9, None, 1), (2, 0.2, None, 0.8, None, 1)])
    fold.extend([(2, 0.2, 0.4, None, None, 1)])
    series = fold.series()
    assert [b.high for b in series.buckets] == [0.9, 0.4]
    assert series.last == 0.4
    assert series.exact


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300))
def test_no_sequence_of_losses_makes_it_fail(values: list[float]) -> None:
    fold = LossFold(capacity=8)
    fold.extend(rows(values))
    series = fold.series()
    assert sum(b.count for b in series.buckets) == len(values)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1, 1, 1, 2, 5, -3]),
            st.sampled_from([0.5, 0.25, 0.1, None, "NaN", math.inf]),
            st.sampled_from([None, 1e-4, 2e-4]),
            st.sampled_from([0, 0, 0, 1]),
        ),
        max_size=200,
    )
)
def test_rows_added_at_once_give_the_series_of_rows_added_one_by_one(
    changes: list[tuple[int, float | str | None, float | None, int]],
) -> None:
    step, attempt, made = 0, 1, list[Row]()
    for by, loss, rate, more in changes:
        step, attempt = max(1, step + by), attempt + more
        made.append((step, step * 0.5, loss, 0.3, rate, attempt))
    together, single = LossFold(capacity=8), OneByOne(capacity=8)
    together.extend(made)
    single.extend(made)
    assert repr(together.series().buckets) == repr(single.series().buckets)
    assert together.series().last_step == single.series().last_step


def test_a_bucket_keeps_the_learning_rate_of_its_last_step() -> None:
    fold = LossFold(capacity=8)
    fold.extend([(n, None, 0.1, None, n * 1e-5, 1) for n in range(1, 33)])
    buckets = fold.series().buckets
    assert [b.rate for b in buckets] == [b.last_step * 1e-5 for b in buckets]
