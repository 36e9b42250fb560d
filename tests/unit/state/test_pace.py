"""Seconds per step, from the clock alone."""

import pytest

from runner.state.pace import Pace


def test_steady_steps_give_their_pace_and_the_time_left() -> None:
    pace = Pace()
    for step in range(1, 101):
        pace.on_step(step, 1000 + step * 2.0)
    assert pace.seconds_per_step == pytest.approx(2.0)
    assert pace.eta_s(100, 200, 1200.0) == pytest.approx(200.0)


def test_a_pause_for_saving_is_not_part_of_a_step() -> None:
    pace = Pace()
    now = 0.0
    for step in range(1, 51):
        now += 1.0
        pace.on_step(step, now)
        if step % 10 == 0:
            pace.pause(now)
            now += 30.0
    assert pace.seconds_per_step == pytest.approx(1.0)
    whole = pace.seconds_per_step_with_pauses
    assert whole is not None
    assert whole > 3


def test_nothing_is_claimed_before_there_are_two_steps() -> None:
    pace = Pace()
    assert pace.seconds_per_step is None
    pace.on_step(1, 5.0)
    assert pace.seconds_per_step is None
    assert pace.eta_s(1, 10, 6.0) is None


def test_many_steps_read_in_one_poll_do_not_make_the_pace_infinite() -> None:
    pace = Pace()
    for poll in range(1, 20):
        for step in range(10):
            pace.on_step(poll * 10 + step, poll * 0.1)
    assert pace.seconds_per_step == pytest.approx(0.01, rel=0.2)


def test_a_night_asleep_neither_lengthens_a_step_nor_the_time_left() -> None:
    pace, now = Pace(), 1000.0
    for step in range(1, 101):
        now += 1.0 if step != 90 else 8 * 3600.0
        pace.look(now)  # as a live run does, here once a step
        pace.on_step(step, now)
    assert pace.seconds_per_step == pytest.approx(1.0, rel=0.1)
    assert pace.eta_s(100, 200, now) == pytest.approx(100.0, rel=0.1)


def test_a_clock_that_is_set_back_does_not_freeze_the_pace() -> None:
    pace, now = Pace(), 10_000.0
    for step in range(1, 101):
        now += 1.0 if step != 90 else -3600.0
        pace.look(now)
        pace.on_step(step, now)
    assert pace.seconds_per_step == pytest.approx(1.0, rel=0.1)
    assert pace.eta_s(100, 200, now) == pytest.approx(100.0, rel=0.1)


def test_steps_that_are_longer_than_two_looks_are_no_sleep() -> None:
    pace, now = Pace(), 0.0
    for tick in range(600):
        now += 0.5
        pace.look(now)
        if tick % 60 == 0:
            pace.on_step(tick // 60 + 1, now)
    assert pace.seconds_per_step == pytest.approx(30.0)


@pytest.mark.parametrize("jump_s", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_clock_set_since_the_last_step_moves_the_time_left_by_a_step_at_most(
    jump_s: float,
) -> None:
    pace = Pace()
    for step in range(1, 21):
        pace.look(1000.0 + step)
        pace.on_step(step, 1000.0 + step)
    assert pace.eta_s(20, 100, 1020.0 + jump_s) == pytest.approx(80.0, abs=1.0)
