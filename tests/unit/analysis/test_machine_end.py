"""What the machine looked like at the end, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.analysis import machine_end
from runner.analysis.facts import RunFacts
from runner.analysis.machine_end import MachineEnd, disk_at_end, memory_at_end
from runner.analysis.outcome import judge
from runner.model import Alarm, AlarmKind, HardwareSample, Outcome, Phase
from runner.state.evidence import Evidence

GB = 1 << 30
END = 1000.0
TRAINING = Evidence(phase=Phase.TRAINING)


def reading(at: float, used_gb: float, **more: Any) -> HardwareSample:
    return HardwareSample(
        at, memory_used_bytes=int(used_gb * GB), memory_total_bytes=16 * GB, **more
    )


def test_memory_is_short_where_a_reading_near_the_end_says_so() -> None:
    short, free = memory_at_end([reading(990, 15.9), reading(998, 15.8)], (), END)
    assert short is not None and short.endswith("main memory free 2 s before the end")
    assert free is None


def test_memory_is_free_where_the_last_reading_says_so() -> None:
    short, free = memory_at_end([reading(700, 15.9), reading(998, 4)], (), END)
    assert short is None
    assert free is not None and "main memory free" in free


def test_readings_after_the_end_and_long_before_prove_nothing() -> None:
    samples = [reading(900, 15.9), reading(1003, 2)]
    assert memory_at_end(samples, (), END) == (None, None)


def test_an_alarm_that_stood_at_the_end_is_proof() -> None:
    alarm = Alarm(AlarmKind.MEMORY_LOW, 990.0, "only 100 MB of memory are left")
    assert memory_at_end([], (alarm,), END) == ("only 100 MB of memory are left", None)
    over = Alarm(AlarmKind.MEMORY_LOW, 500.0, "only 100 MB of memory are left", over_at=600.0)
    assert memory_at_end([], (over,), END) == (None, None)


def test_swap_that_is_left_is_memory_that_is_left() -> None:
    sample = reading(998, 15.9, swap_total_bytes=8 * GB, swap_used_bytes=GB)
    assert memory_at_end([sample], (), END)[0] is None


def test_a_disk_that_refused_a_line_was_full_though_it_has_room_now(tmp_path: Path) -> None:
    assert disk_at_end(tmp_path, END - 5, END) is not None
    assert disk_at_end(tmp_path, END - 5000, END) is None
    assert disk_at_end(tmp_path, None, END) is None


def test_a_disk_without_room_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_end.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    assert "(0 bytes free)" in (disk_at_end(tmp_path, None, END) or "")


@pytest.mark.parametrize("code", [1, 120, None])
def test_an_end_without_a_word_on_a_full_disk_is_called_that(code: int | None) -> None:
    full = MachineEnd(disk_full="the disk of the run folder /x is full (0 bytes free)")
    facts = RunFacts(TRAINING, exit_code=code, last_step=40, total_steps=100, machine=full)
    verdict = judge(facts)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.cause is not None
    assert (verdict.cause.key, verdict.cause.evidence) == ("disk_full", full.disk_full)
    assert "PLASMA_HOME" in verdict.cause.advice


def test_a_full_disk_does_not_explain_a_signal_or_a_good_end() -> None:
    full = MachineEnd(disk_full="the disk of the run folder /x is full (0 bytes free)")
    assert judge(RunFacts(TRAINING, signal=9, last_step=4, machine=full)).outcome is Outcome.KILLED
    good = RunFacts(Evidence(model_saved=True), exit_code=0, last_step=4, machine=full)
    assert judge(good).outcome is Outcome.SUCCEEDED
