"""`make bench` ends: what hangs is interrupted and said not to be measured, and the others follow."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from scripts.bench import cli, peers
from scripts.bench.figures import Figure, budgets, unmeasured
from scripts.bench.limits import CLEANING_S, TooLong, rounds, within
from scripts.bench.runs import wait_for


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


def test_a_measurement_that_hangs_says_what_it_waited_for() -> None:
    def hangs(folder: Path) -> list[Figure]:
        wait_for(lambda: None, 60.0, "a text that no longer exists")
        return []

    figures, _ = cli.measure_all({"hangs": hangs}, 0.3, 60.0)
    assert figures[0].missing == (
        "TooLong: took longer than 0 s, waiting for a text that no longer exists"
    )


def test_what_was_missed_clearly_ends_the_measurements_with_an_error() -> None:
    near, far = Figure("x", "near", (1.2,), "ms", 1.0), Figure("x", "far", (3.0,), "ms", 1.0)
    bytes_sent = Figure("x", "bytes", (9.0,), "B/s", 0.0)
    broken = unmeasured("x", "broken", "took too long", failed=True)
    skipped = unmeasured("x", "peer", "skipped: pip cannot install it")
    every = [near, far, bytes_sent, broken, skipped]
    assert [one.what for one in every if one.clearly_missed(busy=False)] == [
        "far",
        "bytes",
        "broken",
    ]
    assert [one.what for one in every if one.clearly_missed(busy=True)] == ["bytes"]
    assert budgets(every, busy=False).splitlines() == [
        "3 budgets: 0 met, 3 not met",
        "clearly missed: far",
        "clearly missed: bytes",
        "clearly missed: broken took too long",
    ]


def test_the_usual_measurements_end_in_less_than_five_minutes_with_those_of_the_start() -> None:
    assert cli.TOTAL_S + CLEANING_S <= 260.0
    assert set(cli.USUAL) < set(cli.MEASURES)


def test_a_peer_that_pip_cannot_install_is_one_line(
    tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    def refused(*_: str) -> Path:
        raise peers.NotHere("pip cannot install it: no network")

    monkeypatch.setattr(peers, "install", refused)
    figures = peers.measure_peers(tmp_path)
    assert [(one.what, one.missing) for one in figures] == [
        (name, "skipped: pip cannot install it: no network")
        for name in ("wandb leet", "terminalboard", "nvitop")
    ]


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
