"""Words of queued runs."""

from __future__ import annotations

import time

from runner.model import RunState, Waiting
from tests import builders as b
from tui.words.queue import expected, waiting_line, waits_for

NOON = time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1))


def test_an_expected_time_has_its_day_when_that_is_not_today() -> None:
    assert expected(None, NOON) == ""
    assert expected(NOON - 5, NOON) == "now"
    assert expected(NOON + 3600, NOON) == "13:00"
    assert expected(NOON + 86_400, NOON) == "Tue 12:00"
    assert expected(NOON + 30 * 86_400, NOON) == "2026-12-30 12:00"
    assert expected(1e300, NOON) == ""


def test_a_line_about_a_queued_run() -> None:
    assert waiting_line(Waiting(), NOON) == "queued"
    placed = Waiting(place=2, places=5, expected_start_at=NOON + 60)
    assert waiting_line(placed, NOON) == "queued: number 2 of 5, starts about 12:01"
    assert waiting_line(Waiting("no disk", held=True, place=1, places=1), NOON) == "held: no disk"


def test_what_a_run_of_the_list_waits_for() -> None:
    def of(waiting: Waiting) -> str:
        return waits_for(
            b.listing(state=RunState.QUEUED, outcome=None, waiting=waiting, host="box")
        )

    assert of(Waiting(place=1, places=2)) == "its turn, number 1 of 2"
    assert of(Waiting("a \x1b[31mreason", held=True)) == "held: a reason"
    assert of(Waiting()) == "the queue of box"
