"""Losses under guard: what is said of series that are bad, wild, or fine."""

from __future__ import annotations

import math
import random

import pytest

from runner.analysis.guard_loss import (
    BLOCK_STEPS,
    FEW_BAD,
    GOOD_AGAIN,
    ROW_OF_BAD,
    SAME_LOSSES,
    LossWatch,
)
from runner.ingest.tfevents import ScalarTail
from tests import DATA
from tests.unit.analysis.guard_feed import Series, noisy, series

NAN, INF = math.nan, math.inf
EVENT_FILES = DATA / "tensorboard"


def watched(losses: list[float], first: int = 1) -> LossWatch:
    watch = LossWatch()
    for step, loss in enumerate(losses, first):
        watch.on_exact(step, loss)
    return watch


def diverged_at(losses: list[float], *, exact: bool = True) -> int | None:
    watch = LossWatch()
    for step, loss in enumerate(losses, 1):
        (watch.on_exact if exact else watch.on_average)(step, loss)
        if watch.diverged:
            return step
    return None


# --------------------------------------------------------------------------- not finite


@pytest.mark.parametrize(
    ("losses", "lasting", "recovered", "first"),
    [
        ([0.1, 0.2, 0.3], False, False, None),
        ([0.1, NAN, 0.3], False, True, 2),
        ([0.1, INF, 0.3], False, True, 2),
        ([0.1, -INF, NAN, 0.3], False, True, 2),
        ([0.1, NAN], False, False, 2),
        ([0.1, NAN, NAN, NAN], True, False, 2),
        ([0.1, NAN, NAN, NAN, 0.2], False, True, 2),
        ([NAN, 0.1, NAN, 0.1, NAN, 0.1], False, True, 1),
        ([NAN, 0.1] * (FEW_BAD + 1), True, False, 1),
        ([NAN] * 30 + [0.1] * 3, True, False, 1),
        ([NAN] * 30 + [0.1] * GOOD_AGAIN, False, False, 1),
    ],
)
def test_one_bad_step_is_told_from_losses_that_stay_bad(
    losses: list[float], lasting: bool, recovered: bool, first: int | None
) -> None:
    watch = watched(losses)
    assert watch.bad.lasting is lasting
    assert watch.recovered is recovered
    assert watch.bad.first == first


def test_what_lasts_begins_with_its_own_first_step_not_with_an_old_accident() -> None:
    watch = watched([0.1] * 9 + [NAN] + [0.1] * 40 + [NAN] * 5)
    assert watch.bad.first == 10
    assert watch.bad.lasting_first == 51


def test_bad_losses_that_come_again_and_again_count_from_the_first_of_them() -> None:
    watch = watched(([0.1] * 4 + [NAN]) * (FEW_BAD + 1))
    assert watch.bad.lasting
    assert not watch.bad.without_end
    assert watch.bad.lasting_first == 5


def test_several_losses_of_one_step_are_one_step_and_the_bad_one_counts() -> None:
    watch = LossWatch()
    for loss in (0.1, NAN, 0.2, NAN):  # gradient accumulation logs each batch at the same x
        watch.on_exact(7, loss)
    assert watch.bad.count == 1
    assert not watch.bad.recovered
    watch.on_exact(8, 0.1)
    assert watch.recovered


def test_a_poisoned_average_beside_good_exact_losses_is_no_bad_step() -> None:
    watch = watched([0.1, NAN, 0.1])
    watch.on_average(3, NAN)
    assert watch.poisoned
    assert watch.recovered


def test_averages_alone_prove_no_recovery() -> None:
    watch = LossWatch()
    for step, average in enumerate([0.1, NAN, 0.1, 0.1], 1):
        watch.on_average(step, average)
    assert not watch.recovered


def test_the_bar_draws_a_step_twice_but_it_counts_once() -> None:
    watch = LossWatch()
    for step in (5, 5, 6, 6):
        watch.on_average(step, NAN)
    assert watch.average_bad_first == 5
    assert watch.average_bad_steps == 2


# --------------------------------------------------------------------------- frozen


@pytest.mark.parametrize(
    ("losses", "frozen"),
    [
        ([0.125] * SAME_LOSSES, True),
        ([0.125] * (SAME_LOSSES - 1), False),
        ([0.0] * SAME_LOSSES, True),
        ([0.1, 0.2] * 40, False),
        ([0.125] * 50 + [0.126], False),
        ([NAN] * 50, False),
        ([INF] * 50, False),
    ],
)
def test_frozen_is_the_very_same_number(losses: list[float], frozen: bool) -> None:
    assert watched(losses).same.frozen is frozen


def test_losses_rounded_to_bf16_repeat_by_chance_without_being_frozen() -> None:
    chance = random.Random(3)
    rounded = [round(0.1 + 0.05 * chance.random(), 3) for _ in range(20_000)]
    watch = LossWatch()
    for step, loss in enumerate(rounded, 1):
        watch.on_exact(step, loss)
        assert not watch.same.frozen


def test_averages_of_three_digits_are_never_frozen() -> None:
    watch = LossWatch()
    for step in range(1, 500):
        watch.on_average(step, 0.101)
    assert not watch.same.frozen


# --------------------------------------------------------------------------- diverging: fine


def _levels(step: int, chance: random.Random) -> float:
    """A loss by noise level, as the trainer draws them."""
    at = chance.random()
    return (0.003 + 0.5 * (1 - at) ** 3) * math.exp(0.5 * chance.gauss(0, 1))


FINE: dict[str, Series] = {
    "noisy": noisy(0.1, 1.0),
    "very noisy": noisy(0.1, 1.5),
    "calm": lambda _, c: 1.03 + 0.1 * c.gauss(0, 1),
    "by noise level": _levels,
    "falling": lambda s, c: (0.08 + 0.9 * math.exp(-s / 300)) * math.exp(c.gauss(0, 1)),
    "falling to nothing": lambda s, c: math.exp(-s / 400) * math.exp(0.5 * c.gauss(0, 1)),
    "rising by a third": lambda s, c: 0.1 * (1 + s / 9000) * math.exp(c.gauss(0, 1)),
    "spiky": lambda _, c: 0.1 * math.exp(c.gauss(0, 1)) * (30 if c.random() < 0.03 else 1),
    "in steps of a half": lambda s, c: (
        0.1 * (1 + 0.5 * (s // 500 % 2)) * math.exp(0.7 * c.gauss(0, 1))
    ),
    "a wave": lambda s, c: 0.1 * (1.2 + 0.3 * math.sin(s / 200)) * math.exp(0.8 * c.gauss(0, 1)),
    "constant": lambda _, __: 0.1,
    "zero": lambda _, __: 0.0,
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", FINE)
def test_no_alarm_for_a_training_that_is_only_wild(name: str, seed: int) -> None:
    assert diverged_at(series(FINE[name], 3000, seed)) is None


@pytest.mark.parametrize("steps", [1, 5, 20, BLOCK_STEPS, 2 * BLOCK_STEPS, 160])
def test_no_alarm_within_a_short_run(steps: int) -> None:
    for seed in range(20):
        assert diverged_at(series(noisy(0.1, 1.2), steps, seed)) is None


def test_a_spike_of_a_few_steps_is_no_divergence() -> None:
    losses = series(noisy(), 1000)
    losses[500:508] = [50.0] * 8
    assert diverged_at(losses) is None


def test_an_average_that_begins_low_and_finds_its_level_is_fine() -> None:
    averages = [0.1 * (1 - math.exp(-step / 60)) + 0.02 for step in range(1, 1500)]
    assert diverged_at(averages, exact=False) is None


# --------------------------------------------------------------------------- diverging: not fine


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("factor", [5.0, 10.0, 1000.0])
def test_a_jump_to_another_level_is_seen_within_two_blocks(factor: float, seed: int) -> None:
    losses = series(lambda s, c: noisy()(s, c) * (factor if s > 600 else 1.0), 900, seed)
    seen = diverged_at(losses)
    assert seen is not None
    assert 600 < seen <= 600 + 3 * BLOCK_STEPS


def test_an_explosion_is_seen_at_once() -> None:
    losses = series(noisy(), 300) + [100.0 * 2.0**n for n in range(40)]
    seen = diverged_at(losses)
    assert seen is not None
    assert seen <= 312


def test_an_explosion_in_the_first_epoch_is_seen_before_there_is_a_level() -> None:
    losses = series(noisy(sigma=0.5), 70) + [1e4 + n for n in range(20)]
    seen = diverged_at(losses)
    assert seen is not None
    assert seen <= 82


@pytest.mark.parametrize("seed", range(4))
def test_a_slow_rise_is_seen_when_it_has_gone_far(seed: int) -> None:
    seen = diverged_at(
        series(lambda s, c: noisy()(s, c) * math.exp(max(0, s - 800) / 200), 2000, seed)
    )
    assert seen is not None
    assert seen > 850


def test_the_numbers_told_are_medians_before_and_now_and_where_it_began() -> None:
    watch = watched(series(lambda s, c: noisy(0.1, 0.3)(s, c) * (20 if s > 600 else 1), 720))
    levels = watch.diverged
    assert levels is not None
    assert levels.since is not None and 595 <= levels.since <= 651
    assert levels.low == pytest.approx(0.1, rel=0.3)
    assert levels.now == pytest.approx(2.0, rel=0.3)


def test_a_loss_that_comes_back_ends_it() -> None:
    watch = LossWatch()
    bad = series(lambda s, c: noisy()(s, c) * (30 if 500 < s <= 700 else 1), 1200)
    for step, loss in enumerate(bad, 1):
        watch.on_exact(step, loss)
        if step == 700:
            assert watch.diverged
    assert not watch.diverged


def test_averages_that_rise_far_have_diverged_when_there_is_nothing_better() -> None:
    averages = [0.1 + 0.0001 * (step % 7) for step in range(400)] + [0.9] * 200
    assert diverged_at(averages, exact=False) is not None


def test_memory_stays_bounded() -> None:
    watch = watched(series(noisy(), 20_000))
    kept = watch.levels
    assert len(kept._medians) + len(kept._block) + len(kept._burst) < 200


# --------------------------------------------------------------------------- recorded trainings


def test_no_false_alarm_in_any_recorded_training() -> None:
    seen = 0
    for folder in sorted(EVENT_FILES.iterdir()):
        watch, tail = LossWatch(), ScalarTail(folder)
        while scalars := tail.poll(1.0):
            for scalar in scalars:
                if scalar.tag == "loss/current":
                    watch.on_exact(scalar.step, scalar.value)
        bad = folder.name.startswith("nan")
        assert watch.diverged is None
        assert not watch.same.frozen
        assert watch.bad.lasting is bad
        assert (watch.bad.row >= ROW_OF_BAD) is bad
        seen += 1
    assert seen >= 3
