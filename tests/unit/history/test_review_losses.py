"""Steps that count, epochs and smoothing, recomputed here in the plainest way."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from runner.history.review.epochs import curve, epoch_rows, smooth_at
from runner.state.losses import loss_facts, read_steps

Line = list[object]


def written(folder: Path, lines: list[Line | str]) -> Path:
    path = folder / "steps.jsonl"
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    path.write_text(text)
    return path


def steps(
    first: int, last: int, attempt: int = 1, loss: float = 0.1, at: float = 0.0
) -> list[Line]:
    return [[n, at + n * 2.0, loss + n / 1000, None, None, attempt] for n in range(first, last + 1)]


def test_a_later_attempt_replaces_what_it_trains_again(tmp_path: Path) -> None:
    table = read_steps(written(tmp_path, [*steps(1, 12), *steps(9, 20, 2, 0.5, 100.0)]))
    assert list(table.steps) == list(range(1, 21))
    assert [round(v, 3) for v in table.values[7:9]] == [0.108, 0.509]
    (lost,) = table.replayed
    assert (lost.attempt, lost.first_step, lost.last_step, lost.steps) == (1, 9, 12, 4)
    assert lost.seconds == 8.0
    assert table.trained == {1: 12, 2: 12}
    assert table.begun == {1: (1, 2.0), 2: (9, 118.0)}


def test_two_attempts_can_be_replaced_at_once(tmp_path: Path) -> None:
    lines = [*steps(1, 10), *steps(6, 12, 2), *steps(4, 5, 3)]
    table = read_steps(written(tmp_path, lines))
    assert list(table.steps) == [1, 2, 3, 4, 5]
    assert [(r.attempt, r.steps) for r in table.replayed] == [(1, 5), (1, 2), (2, 7)]
    assert [r.first_step for r in table.replayed] == [6, 4, 6]


def test_a_later_row_of_the_same_attempt_adds_to_its_step(tmp_path: Path) -> None:
    lines: list[Line | str] = [
        [1, 1.0, None, 0.9, None, 1], [2, 2.0, None, 0.8, None, 1],
        [1, 9.0, 0.5, None, 1e-4, 1], [2, None, None, None, 1e-4, 1],
    ]  # fmt: skip
    table = read_steps(written(tmp_path, lines))
    facts = loss_facts(table, table.smoothed())
    assert list(table.values) == [0.5, 0.8] and list(table.seconds) == [1.0, 2.0]
    assert (facts.exact, facts.finite, facts.last_exact) == (1, 2, False)


def test_rows_of_an_attempt_may_come_in_any_order(tmp_path: Path) -> None:
    """The bar shows every twelfth step, the event file tells of the others a moment later."""
    late = [s for n in (73, 64, 74, 61, 62, 63) for s in steps(n, n, 2, 0.5)]
    late += steps(65, 72, 2, 0.5)
    table = read_steps(written(tmp_path, [*steps(1, 64), *late, *steps(75, 80, 2, 0.5)]))
    assert list(table.steps) == list(range(1, 81))
    assert list(table.attempts) == [1] * 60 + [2] * 20
    assert [(r.attempt, r.first_step, r.steps) for r in table.replayed] == [(1, 61, 4)]
    series = table.series()
    assert (series.last_step, series.exact, len(series.buckets)) == (80, True, 80)


def test_losses_that_are_not_finite_are_counted_and_not_smoothed(tmp_path: Path) -> None:
    lines: list[Line | str] = [
        [1, 1.0, 0.4, None, None, 1], [2, 2.0, "nan", None, None, 1], [3, 3.0, "inf", None, None, 1],
        [4, 4.0, None, None, None, 1], "torn [5,", [6, 6.0, 0.2, None, None, 1],
    ]  # fmt: skip
    table = read_steps(written(tmp_path, lines))
    smooth = table.smoothed()
    facts = loss_facts(table, smooth)
    assert (facts.rows, facts.finite, facts.nonfinite, facts.unknown) == (5, 2, 2, 1)
    assert (facts.first_nonfinite_step, facts.missing_steps) == (2, 1)
    assert table.unreadable_lines == 1
    assert math.isnan(smooth[1]) and math.isnan(smooth[2])
    ema, weight = 0.97 * 0.03 * 0.4 + 0.03 * 0.2, 1 - 0.97**2
    assert facts.smooth == pytest.approx(ema / weight)
    (row,) = epoch_rows(table, smooth, 10)
    assert (row.nonfinite, row.lowest, row.highest, row.whole) == (2, 0.2, 0.4, False)
    assert row.mean == pytest.approx(0.3)


def test_epochs_are_cut_by_true_steps_and_timed_without_breaks(tmp_path: Path) -> None:
    lines = [*steps(1, 6), *steps(5, 10, 2, at=1000.0)]
    table = read_steps(written(tmp_path, lines))
    rows = epoch_rows(table, table.smoothed(), 4, {4: 0.7, 8: 0.6, 7: 0.5})
    assert [(r.epoch, r.first_step, r.last_step, r.whole) for r in rows] == [
        (1, 1, 4, True), (2, 5, 8, True), (3, 9, 10, False),
    ]  # fmt: skip
    assert [r.seconds for r in rows] == [6.0, 6.0, 4.0]
    assert [r.validation for r in rows] == [0.7, 0.6, None]
    assert rows[0].mean == pytest.approx(sum(0.1 + n / 1000 for n in range(1, 5)) / 4)


def test_epochs_without_their_length_are_not_invented(tmp_path: Path) -> None:
    table = read_steps(written(tmp_path, steps(1, 6)))
    assert epoch_rows(table, table.smoothed(), None) == ()


def test_a_curve_has_few_points_and_ends_at_the_last_step(tmp_path: Path) -> None:
    table = read_steps(written(tmp_path, steps(1, 1001)))
    points = curve(table, table.smoothed(), most=100)
    assert len(points) <= 100 and points[-1].step == 1001
    assert smooth_at(table, table.smoothed(), 1001) == points[-1].smooth
    assert smooth_at(table, table.smoothed(), 5000) is None


def test_a_missing_file_is_an_empty_table(tmp_path: Path) -> None:
    table = read_steps(tmp_path / "steps.jsonl")
    assert loss_facts(table, table.smoothed()).rows == 0 and curve(table, table.smoothed()) == ()
