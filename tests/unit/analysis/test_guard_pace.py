"""Silence and slowness: what is called a stall, what is called slow, and what is only a long day."""

from __future__ import annotations

import random

import pytest

from runner.analysis.guard_pace import EPOCH_LIMIT_S, PHASE_LIMIT_S, STEP_LIMIT_S
from runner.model import AlarmKind, Phase
from runner.state.pace import Awake
from tests.unit.analysis.guard_feed import Feed

STALLED, SLOW = AlarmKind.STALLED, AlarmKind.SLOW


def trained(steps: int = 60, step_s: float = 1.0) -> Feed:
    feed = Feed()
    feed.train([0.1 + step % 7 / 100 for step in range(steps)], step_s=step_s)
    return feed


# --------------------------------------------------------------------------- the clock


def test_time_awake_leaves_out_suspend_clock_changes_and_our_own_stops() -> None:
    awake = Awake()
    for now in (100.0, 101.0, 102.0, 90_102.0, 90_103.0, 50.0, 51.0):
        awake.look(now)
    assert awake.elapsed_s == pytest.approx(2.0 + 5.0 + 1.0 + 0.0 + 1.0)


@pytest.mark.parametrize("seconds", [3600.0, 86_400.0, -3600.0])
def test_a_machine_that_slept_raises_nothing(seconds: float) -> None:
    feed = trained()
    feed.jump(seconds)
    feed.wait(STEP_LIMIT_S - 10)
    feed.train([0.1, 0.2])
    assert feed.raised == []


# --------------------------------------------------------------------------- stalled


def test_a_frozen_trainer_is_seen_after_a_minute() -> None:
    feed = trained()
    feed.wait(STEP_LIMIT_S - 5)
    assert feed.raised == []
    feed.wait(10)
    assert feed.raised == [STALLED]
    alarm = feed.standing(STALLED)
    assert alarm.step == 60
    assert feed.now - alarm.since_at == pytest.approx(STEP_LIMIT_S, abs=10)
    assert "no step for" in alarm.text


@pytest.mark.parametrize("steps", [6, 10, 21, 25, 35])
def test_a_trainer_that_freezes_after_a_few_steps_is_seen_as_well(steps: int) -> None:
    feed = trained(steps)
    feed.wait(STEP_LIMIT_S + 10)
    assert feed.raised == [STALLED]
    assert "own pace is 1.0 s/step" in feed.standing(STALLED).text


def test_the_system_is_asked_what_it_knows_of_the_process() -> None:
    feed = trained()
    feed.evidence = "; process 7 is stopped"
    feed.wait(70)
    assert feed.standing(STALLED).text.endswith("process 7 is stopped")


def test_it_is_over_when_the_trainer_goes_on_and_told_once() -> None:
    feed = trained()
    feed.wait(100)
    feed.train([0.3, 0.2])
    feed.train([0.1 + n / 1000 for n in range(20)])
    assert feed.raised == [STALLED]
    assert feed.over == [STALLED]
    assert feed.guard.standing == ()
    (alarm,) = feed.guard.alarms
    assert alarm.over_at is not None and alarm.over_at > alarm.since_at


def test_slow_steps_have_more_patience_than_fast_ones() -> None:
    feed = trained(20, step_s=30.0)
    feed.wait(20 * 30 - 20)
    assert feed.raised == []
    feed.wait(40)
    assert feed.raised == [STALLED]


def test_the_first_step_may_compile_for_long() -> None:
    feed = Feed()
    feed.phase(Phase.TRAINING)
    feed.epoch(1)
    feed.wait(800)
    assert feed.raised == []
    feed.wait(120)
    assert feed.raised == [STALLED]


def test_an_epoch_may_begin_slowly_because_its_workers_are_spawned() -> None:
    feed = trained()
    feed.epoch(2)
    feed.wait(EPOCH_LIMIT_S - 10)
    assert feed.raised == []
    feed.wait(20)
    assert feed.raised == [STALLED]


def test_a_slow_start_of_one_epoch_teaches_patience_for_the_next() -> None:
    feed = trained()
    for epoch in (2, 3):
        feed.epoch(epoch)
        feed.wait(150 if epoch == 2 else 400)
        feed.train([0.1 + n / 100 for n in range(30)])
    assert feed.raised == []


@pytest.mark.parametrize("phase", PHASE_LIMIT_S)
def test_every_phase_has_its_own_patience(phase: Phase) -> None:
    feed = trained()
    feed.phase(phase)
    feed.wait(PHASE_LIMIT_S[phase] - 5)
    assert feed.raised == []
    feed.wait(10)
    assert feed.raised == [STALLED]
    assert str(phase) in feed.standing(STALLED).text


@pytest.mark.parametrize("phase", [Phase.SAMPLING, Phase.VALIDATING, Phase.CACHING, Phase.LOADING])
def test_a_bar_that_moves_is_no_stall_however_long_it_takes(phase: Phase) -> None:
    feed = trained()
    feed.phase(phase)
    feed.wait(20_000, bytes_every_s=200.0)
    assert feed.raised == []


def test_bytes_without_steps_are_life_in_training_but_not_for_ever() -> None:
    feed = trained()
    feed.wait(2.5 * STEP_LIMIT_S, bytes_every_s=20.0)
    assert feed.raised == []
    feed.wait(STEP_LIMIT_S, bytes_every_s=20.0)
    assert STALLED in feed.raised


def test_a_long_save_that_went_well_may_come_again() -> None:
    feed = trained()
    for silence in (250.0, 600.0):
        feed.phase(Phase.SAVING)
        feed.wait(silence)
        feed.train([0.1 + n / 100 for n in range(12)])
    assert feed.raised == []


@pytest.mark.slow
def test_silence_that_comes_and_goes_is_not_told_for_ever() -> None:
    feed = trained()
    for round_ in range(40):
        feed.wait(500 * 1.25 ** min(round_, 12))
        feed.train([0.1 + n / 100 for n in range(12)])
    assert feed.raised.count(STALLED) <= 10


# --------------------------------------------------------------------------- slow


def paced(feed: Feed, steps: int, step_s: float, chance: random.Random) -> None:
    for _ in range(steps // 5):
        feed.train(
            [0.1 + chance.random() for _ in range(5)], step_s=step_s * (0.8 + 0.4 * chance.random())
        )


def test_steps_that_take_twice_as_long_are_told_with_both_numbers() -> None:
    feed, chance = Feed(), random.Random(1)
    paced(feed, 300, 1.0, chance)
    paced(feed, 200, 2.0, chance)
    assert feed.raised == [SLOW]
    text = feed.standing(SLOW).text
    assert "2.0 s/step" in text or "1.9 s/step" in text or "2.1 s/step" in text
    assert "1.0 s/step" in text or "0.9" in text
    assert feed.standing(SLOW).step is not None


def test_it_ends_when_the_pace_is_back() -> None:
    feed, chance = Feed(), random.Random(1)
    paced(feed, 300, 1.0, chance)
    paced(feed, 200, 2.0, chance)
    paced(feed, 300, 1.0, chance)
    assert feed.raised == [SLOW]
    assert feed.over == [SLOW]


@pytest.mark.parametrize("seed", range(5))
def test_an_uneven_pace_is_not_slow(seed: int) -> None:
    feed, chance = Feed(), random.Random(seed)
    for _ in range(8):
        paced(feed, 50, 0.8 + 0.5 * chance.random(), chance)
    assert feed.raised == []


def test_a_slow_beginning_is_no_measure() -> None:
    feed, chance = Feed(), random.Random(2)
    paced(feed, 15, 20.0, chance)
    paced(feed, 400, 1.0, chance)
    assert feed.raised == []


def test_a_short_slow_while_is_not_told() -> None:
    feed, chance = Feed(), random.Random(2)
    paced(feed, 300, 1.0, chance)
    paced(feed, 30, 2.5, chance)
    paced(feed, 100, 1.0, chance)
    assert feed.raised == []


def test_pauses_for_saving_and_sampling_do_not_count() -> None:
    feed, chance = Feed(), random.Random(3)
    paced(feed, 300, 1.0, chance)
    for _ in range(20):
        for phase, seconds in ((Phase.SAMPLING, 40.0), (Phase.SAVING, 20.0)):
            feed.phase(phase)
            feed.wait(seconds)
        paced(feed, 20, 1.0, chance)
    assert feed.raised == []


def test_a_suspend_between_two_steps_is_no_slow_step() -> None:
    feed, chance = Feed(), random.Random(4)
    paced(feed, 300, 1.0, chance)
    for _ in range(10):
        feed.jump(7200)
        paced(feed, 20, 1.0, chance)
    assert feed.raised == []


def test_steps_faster_than_we_look_are_measured_all_the_same() -> None:
    feed, chance = Feed(), random.Random(5)
    paced(feed, 8000, 0.03, chance)
    assert feed.raised == []
    assert feed.guard.pace.baseline_s == pytest.approx(0.03, rel=0.2)
    paced(feed, 6000, 0.08, chance)
    assert feed.raised == [SLOW]
