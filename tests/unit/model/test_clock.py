"""A time from any file is shown as text."""

from __future__ import annotations

import math

import pytest

from runner.history.review.document_of import utc
from runner.model.units import UNKNOWN, clock, duration, pace


def test_a_time_is_shown_in_the_asked_form() -> None:
    assert clock("%Y-%m-%d %H:%M:%S", 1_795_285_000.9) == "2026-11-21 18:16:40"  # TZ is UTC here
    assert utc(1_795_285_000.9) == "2026-11-21T18:16:40Z"


@pytest.mark.parametrize("at", [None, math.nan, math.inf, -math.inf, 1e300, -1e300, 1e15])
def test_a_time_that_no_calendar_has_is_unknown(at: float | None) -> None:
    assert clock("%H:%M", at) == UNKNOWN
    assert utc(at) is None or at == 1e15


@pytest.mark.parametrize("seconds", [1e11, 1e308, -1e308, math.inf, math.nan])
def test_a_time_that_no_run_takes_is_unknown(seconds: float) -> None:
    assert duration(seconds) == pace(seconds) == UNKNOWN
