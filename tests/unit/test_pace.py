"""Seconds per step, from the clock alone."""

import pytest

from runner.pace import Pace


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
