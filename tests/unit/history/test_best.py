"""Which checkpoint is offered first, and with which words."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace

import pytest

from runner.history.review.best import (
    ONLY_TRAINING,
    TRAINING,
    VALIDATION,
    Candidate,
    rank,
    rank_runs,
)
from runner.history.review.noise import rounding, scatter_of, smoothed_scatter, step_scatter
from runner.model import AttemptStatus, Checkpoint, LossSeries
from tests import builders


def file(step: int, loss: float | None = 0.09, **changes: object) -> Checkpoint:
    plain = {"norms": (), "norm": None, "norm_largest": None, "norm_change": None}
    return builders.checkpoint(step, loss=loss, **{**plain, **changes})


def steps(candidates: tuple[Candidate, ...]) -> list[int | None]:
    return [c.checkpoint.step for c in candidates]


def told(candidate: Candidate) -> str:
    return " | ".join((*candidate.reasons, *candidate.cautions))


# --------------------------------------------------------------------------- which files


def test_only_files_that_are_there_whole_and_finite_are_offered() -> None:
    files = [
        file(100, complete=False),
        file(200, finite=False),
        file(300, finite=None),
        file(400, removed=True),
        file(500, missing=True),
        file(600, complete=None),
        file(700),
    ]
    found = rank(files)
    assert steps(found) == [700]
    assert "the only complete, finite checkpoint" in found[0].reasons
    assert rank([]) == ()


def test_nothing_after_the_first_bad_step_of_a_diverged_run_is_offered() -> None:
    files = [file(200), file(400), file(600)]
    series = builders.diverged(700, bad_from=431).loss
    assert sorted(s or 0 for s in steps(rank(files, series=series))) == [200, 400]
    unknown = replace(file(900), step=None)
    assert unknown not in [c.checkpoint for c in rank([*files, unknown], series=series)]


def test_a_run_that_came_through_one_bad_step_keeps_its_files_with_a_word() -> None:
    values = builders.losses(600)
    values[250] = math.nan
    found = rank([file(200), file(400)], series=builders.series(values))
    by_step = {c.checkpoint.step: c for c in found}
    assert "loss was NaN at step 251" in told(by_step[400])
    assert "not finite" not in told(by_step[200])


def test_the_final_file_stands_for_the_one_of_the_same_step() -> None:
    final = file(920, name="spyke.safetensors", path="/o/spyke.safetensors", final=True)
    found = rank([file(800), file(920), final])
    assert {c.checkpoint.name for c in found if c.checkpoint.step == 920} == {"spyke.safetensors"}


# --------------------------------------------------------------------------- by validation


def test_the_validation_loss_decides_over_the_training_loss() -> None:
    files = [file(200, 0.10), file(400, 0.09), file(600, 0.08)]
    found = rank(files, validation={200: 0.12, 400: 0.10, 600: 0.15})
    assert steps(found) == [400, 200, 600]
    assert [c.by for c in found] == [VALIDATION] * 3
    assert found[0].reasons[0] == "lowest validation loss 0.1000"
    assert f"{TRAINING} 0.0900" in found[0].reasons
    assert ONLY_TRAINING not in told(found[0])
    assert "risen since step 400" in told(found[2])


def test_a_validation_at_another_step_is_told_with_the_distance() -> None:
    found = rank([file(200), file(400)], validation={230: 0.1, 390: 0.2})
    assert found[0].reasons[0] == "lowest validation loss 0.1000 at step 230, 30 steps after it"
    assert "at step 390, 10 steps before it" in found[1].reasons[0]


def test_a_checkpoint_without_a_validation_near_it_is_not_compared() -> None:
    found = rank([file(200, 0.01), file(400)], validation={410: 0.3})
    assert steps(found) == [400, 200]
    assert found[1].by == TRAINING
    assert "not compared with those above" in told(found[1])


def test_validation_losses_within_their_scatter_share_a_place() -> None:
    noise = random.Random(3)
    validation = {step: 0.1 + noise.gauss(0, 0.002) for step in range(50, 1001, 50)}
    validation[400], validation[600], validation[800] = 0.0950, 0.0953, 0.15
    found = rank([file(400), file(600), file(800)], validation=validation)
    assert [c.place for c in found] == [1, 1, 3]
    assert "within the noise" in found[1].reasons[0]


def test_the_rounded_loss_of_the_console_is_told_as_such() -> None:
    files = [file(200, validation_loss=0.123), file(400, validation_loss=0.124)]
    found = rank(files)
    assert [c.place for c in found] == [1, 1]
    assert "rounded, last shown on the console" in found[0].reasons[0]


def test_a_loss_that_was_still_falling_says_that_more_steps_may_be_better() -> None:
    files = [file(200), file(400), file(600)]
    found = rank(files, validation={200: 0.3, 400: 0.2, 600: 0.1})
    assert "more steps may be better" in told(found[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_validation_that_is_not_finite_counts_as_none(bad: float) -> None:
    found = rank([file(200), file(400, 0.08)], validation={200: bad, 400: bad})
    assert [c.by for c in found] == [TRAINING, TRAINING]


# --------------------------------------------------------------------------- by training loss


def test_without_validation_the_smoothed_loss_decides_and_its_worth_is_said_once() -> None:
    found = rank([file(200, 0.12), file(400, 0.10), file(600, 0.11)])
    assert steps(found) == [400, 600, 200]
    assert [ONLY_TRAINING in c.cautions for c in found] == [True, False, False]
    assert found[1].reasons[0] == "smoothed training loss 0.1100, 0.0100 above the lowest"


def test_near_equal_losses_share_a_place() -> None:
    series = builders.series(builders.losses(920))
    found = rank([file(600, 0.0912), file(800, 0.0915), file(200, 0.16)], series=series)
    assert [c.place for c in found] == [1, 1, 3]
    assert "of the lowest, 0.0912" in found[1].reasons[0]


def test_a_file_without_any_loss_comes_last() -> None:
    found = rank([file(200, None), file(400, 0.5)])
    assert steps(found) == [400, 200]
    assert found[1].reasons[0] == "no loss known at its step"


def test_among_equals_the_one_without_a_caution_comes_first() -> None:
    series = builders.series(builders.losses(920))
    files = [file(600, 0.0912, remark="blow-up in unet mid"), file(800, 0.0913)]
    found = rank(files, series=series)
    assert steps(found) == [800, 600]
    assert [c.place for c in found] == [1, 1]


# --------------------------------------------------------------------------- cautions


def test_a_sharp_growth_of_the_norm_is_a_caution_and_a_usual_one_is_not() -> None:
    files = [
        file(200, norm=1.0),
        file(400, norm=1.4, norm_change=0.4),
        file(600, norm=4.2, norm_change=2.0),
    ]
    found = {c.checkpoint.step: told(c) for c in rank(files)}
    assert "grew sharply since step 400 (+200 %): a sign of overtraining" in found[600]
    assert "sharply" not in found[400]
    assert "norm 1.4, +40.0 % since the previous checkpoint" in found[400]


def test_a_norm_that_stands_still_or_is_tiny_is_a_caution() -> None:
    files = [
        file(200, norm=0.1),
        file(400, norm=1.0, norm_change=9.0),
        file(600, norm=1.001, norm_change=0.001),
    ]
    found = {c.checkpoint.step: told(c) for c in rank(files)}
    assert "hardly trained yet: its norm is 10 % of the largest" in found[200]
    assert "has hardly changed since step 400" in found[600]


def test_a_file_of_a_past_that_was_trained_again_says_so_and_has_no_validation() -> None:
    attempts = (AttemptStatus(1, 0.0, 1, 620), AttemptStatus(2, 9.0, 401, 920))
    files = [file(600), file(600, attempt=2, path="/o/again.safetensors")]
    found = rank(files, attempts=attempts, validation={600: 0.1})
    assert found[0].checkpoint.attempt == 2
    assert "attempt 2 trained again from step 401" in told(found[1])
    assert found[1].by == TRAINING


def test_a_smoothed_loss_of_a_few_steps_says_so() -> None:
    assert "based on only 10 steps" in told(rank([file(10)])[0])
    assert "stands on" not in told(rank([file(200)])[0])


def test_a_sample_image_stands_beside_its_step() -> None:
    found = rank([file(200), file(400, sample_path="/own.png")], samples={200: "/given.png"})
    assert {c.sample_path for c in found} == {"/given.png", "/own.png"}


# --------------------------------------------------------------------------- the noise itself


def test_the_scatter_of_a_step_is_found_beneath_a_trend_and_in_folded_buckets() -> None:
    noise = random.Random(7)
    values = [1.0 - i / 8000 + noise.gauss(0, 0.05) for i in range(4000)]
    for fold in (1, 4):
        assert step_scatter(builders.series(values, fold=fold)) == pytest.approx(0.05, rel=0.1)


def test_a_running_average_tells_no_scatter() -> None:
    assert step_scatter(builders.series(builders.losses(300), exact=False)) is None
    assert step_scatter(LossSeries(exact=True)) is None


def test_the_scatter_of_the_smoothed_loss_is_that_of_many_trainings() -> None:
    for count in (5, 40, 400):
        ends = []
        for seed in range(300):
            noise = random.Random(seed)
            made = builders.series([1 + noise.gauss(0, 0.1) for _ in range(count)])
            ends.append(made.smooth or 0.0)
        assert smoothed_scatter(0.1, count) == pytest.approx(statistics.stdev(ends), rel=0.15)


def test_the_scatter_of_values_by_step_leaves_out_a_straight_course() -> None:
    assert scatter_of({i * 10: 0.5 - i * 0.01 for i in range(9)}) == pytest.approx(0, abs=1e-12)
    assert scatter_of({1: 0.1, 2: 0.2}) is None
    noise = random.Random(1)
    values = {i: 0.5 + noise.gauss(0, 0.01) for i in range(0, 4000, 10)}
    assert scatter_of(values) == pytest.approx(0.01, rel=0.15)


def test_the_last_place_of_a_rounded_number() -> None:
    assert rounding(0.0931) == pytest.approx(0.0001)
    assert rounding(1.23) == pytest.approx(0.01)
    assert rounding(0.0) == 0.0


# --------------------------------------------------------------------------- several runs


def leader(loss: float | None, seed: int = 1, **how: object) -> Candidate:
    """The best file of a run whose steps scatter."""
    series = builders.series(builders.losses(600, seed))
    return rank([file(600, loss, path=f"/run{seed}")], series=series, **how)[0]  # type: ignore[arg-type]


def test_runs_are_ranked_by_the_advice_for_checkpoints() -> None:
    found = rank_runs([leader(0.12), None, leader(0.08, 2), leader(0.0801, 3)])
    assert [(at, one.place) for at, one in found] == [(2, 1), (3, 1), (0, 3)]
    assert found[0][1].reasons[0] == "lowest smoothed training loss 0.0800"
    assert "within the noise" in found[1][1].reasons[0]
    assert "above the lowest" in found[2][1].reasons[0]
    assert ONLY_TRAINING in found[0][1].cautions
    assert rank_runs([None, None]) == ()


def test_the_only_run_with_a_validation_is_not_the_best_by_having_one() -> None:
    validated = leader(0.3, validation={300: 0.2, 600: 0.15})
    found = rank_runs([leader(0.05, 2), validated])
    assert [(at, one.place, one.by) for at, one in found] == [(0, 1, TRAINING), (1, 2, TRAINING)]
    said = "only 1 of 2 runs has a validation loss, so all are ranked by training loss"
    assert said in found[0][1].cautions and ONLY_TRAINING in found[0][1].cautions


def test_cautions_about_a_file_stay_when_its_validation_does_not_count() -> None:
    validated = leader(0.02, validation={300: 0.2, 600: 0.15})
    assert validated.score is not None
    score = replace(validated.score, cautions=("grew sharply",), weight=1)
    found = rank_runs([leader(0.05, 2), replace(validated, score=score)])
    assert found[0][0] == 1 and found[0][1].cautions[0] == "grew sharply"


def test_the_few_runs_without_a_validation_have_no_place() -> None:
    runs = [leader(0.3, seed, validation={300: 0.2, 600: seed / 10}) for seed in (1, 2)]
    found = rank_runs([leader(0.05, 3), *runs])
    assert [(at, one.place) for at, one in found] == [(1, 1), (2, 2)]
    assert all(one.by == VALIDATION for _, one in found)
    assert "1 run without a validation loss has no place" in found[0][1].cautions
    assert ONLY_TRAINING not in found[0][1].cautions


def test_the_trend_within_one_run_is_no_word_about_another() -> None:
    rising = leader(0.3, validation={300: 0.2, 600: 0.25})
    falling = leader(0.3, 2, validation={300: 0.4, 600: 0.1})
    for _, one in rank_runs([rising, falling]):
        assert not any("overfitting" in text or "falling" in text for text in one.cautions)
