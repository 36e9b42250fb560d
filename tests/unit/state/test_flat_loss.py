"""A loss that is one number from the first step on."""

from __future__ import annotations

import math

import pytest

from runner.state.flat_loss import FlatLoss


def shown(averages: list[tuple[int, float]]) -> FlatLoss:
    flat = FlatLoss()
    for step, average in averages:
        flat.on_average(step, average)
    return flat


def test_a_loss_of_zero_is_noticed_after_a_few_steps() -> None:
    assert shown([(step, 0.0) for step in range(1, 10)]).found is None
    found = shown([(step, 0.0) for step in range(1, 11)]).found
    assert found is not None and (found.value, found.first, found.last) == (0.0, 1, 10)
    # a file of few bar states
    assert shown([(1, 0.0), (400, 0.0), (800, 0.0)]).found is not None


@pytest.mark.parametrize(
    "averages",
    [
        [(step, 0.1 if step < 3 else 0.0) for step in range(1, 200)],
        [(step, 0.0) for step in range(300, 500)],  # the log begins in the middle
        [(step, 0.081) for step in range(1, 90)],  # three digits may agree for a while
        [(step, 0.081) for step in range(1, 1000, 100)],
        [(step, math.nan) for step in range(1, 200)],
        [(step, 0.081 if step < 150 else 0.082) for step in range(1, 200)],
        [],
    ],
)
def test_everything_else_is_a_loss(averages: list[tuple[int, float]]) -> None:
    assert shown(averages).found is None


def test_a_constant_average_is_noticed_after_many_steps() -> None:
    found = shown([(step, 0.081) for step in range(1, 140)]).found
    assert found is not None
    assert found.words == "the average loss was exactly 0.081 from step 1 to step 139"


def test_exact_losses_decide() -> None:
    flat = shown([(step, 0.081) for step in range(1, 140)])
    flat.on_exact(1, 0.0812)
    flat.on_exact(2, 0.0809)
    assert flat.found is None
    same = FlatLoss()
    for step in range(1, 11):
        same.on_exact(step, 0.5)
    assert same.found is not None and same.found.exact
