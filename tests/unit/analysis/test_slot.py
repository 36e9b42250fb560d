"""When a training in a time slot stops."""

from __future__ import annotations

import pytest

from runner.analysis.slot import RESERVE_S, Slot, left_s, order_for


@pytest.mark.parametrize(
    ("slot", "order"),
    [
        (Slot(3600, due=False, seconds_per_step=1, save_in=5), ""),
        (Slot(120, due=True, seconds_per_step=1, save_in=60), "after_save"),
        (Slot(120, due=True, seconds_per_step=1, save_in=110), "default"),
        (Slot(120, due=True, seconds_per_step=1, save_in=90, save_s=30), "default"),
        # nothing is known of the pace, or of the saves: waiting costs only the job's time
        (Slot(120, due=True), "after_save"),
        (Slot(120, due=True, seconds_per_step=1), "after_save"),
        # it ends by itself before that
        (Slot(120, due=True, seconds_per_step=1, end_in=50), ""),
        (Slot(120, due=True, seconds_per_step=1, end_in=118), "default"),
        (Slot(RESERVE_S, due=True, seconds_per_step=0.1, save_in=1), "default"),
        (Slot(5, due=True, seconds_per_step=0.1, save_in=1), "now"),
        (Slot(-30, due=True), "now"),
    ],
)
def test_it_trains_on_to_a_save_that_fits(slot: Slot, order: str) -> None:
    assert order_for(slot) == order


def test_the_signal_bounds_an_end_by_another_clock() -> None:
    assert left_s(None, 1000, 120, None) is None
    assert left_s(1500, 1000, 120, None) == 500
    assert left_s(None, 1000, 120, 20) == 100
    assert left_s(1100, 1000, 120, 0) == 100
    # this clock is an hour behind that of the controller
    assert left_s(4700, 1000, 120, 0) == 180
