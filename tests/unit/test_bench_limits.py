"""`make bench` ends: what hangs is interrupted and said not to be measured, and the others follow."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.bench import cli
from scripts.bench.figures import Figure
from scripts.bench.limits import TooLong, rounds, within


def test_a_measurement_that_hangs_costs_its_limit_and_the_others_are_measured() -> None:
    def hangs(folder: Path) -> list[Figure]:
        with contextlib.suppress(Exception):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=True)
        return []

    def quick(folder: Path) -> list[Figure]:
        return [Figure("quick", "quick", (1.0,), "ms")]

    began = time.monotonic()
    figures, _ = cli.measure_all({"hangs": hangs, "quick": quick}, 1.0, 60.0)
    assert time.monotonic() - began < 20.0
    assert [(one.name, one.verdict) for one in figures] == [
        ("hangs", "not measured"),
        ("quick", "-"),
    ]
    assert figures[0].missing == "TooLong: took longer than 1 s"


def test_what_does_not_fit_into_the_total_is_not_begun() -> None:
    figures, _ = cli.measure_all({"late": lambda folder: pytest.fail("begun")}, 1.0, 0.0)
    assert figures[0].missing == "the 0 s of --total are used"


def test_an_alarm_that_was_not_needed_comes_no_more() -> None:
    with within(0.2):
        pass
    time.sleep(0.4)
    with pytest.raises(TooLong), within(0.05):
        time.sleep(5.0)


def test_rounds_end_when_another_one_would_not_fit() -> None:
    done = []
    for number in rounds(100, 0.3):
        done.append(number)
        time.sleep(0.1)
    assert 1 <= len(done) <= 3
    assert list(rounds(3, 60.0)) == [0, 1, 2]
    assert list(rounds(3, 0.0))[:1] == [0]
