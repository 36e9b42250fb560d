"""Why steps became slower: what is said for a machine before and now, and who is caught using the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from runner.hardware.contention import SlowFacts, others_cores, slow_reason
from runner.hardware.processes import Busy, busiest, plain
from runner.hardware.samples import mean_of
from runner.hardware.users import User
from runner.model import DiskFree, GpuSample, GpuUser, HardwareSample

GB = 1 << 30
CARD = GpuSample(
    "GPU-1", "nvml", "RTX", 0, percent=96.0, memory_used_bytes=10 * GB, memory_total_bytes=24 * GB,
    memory_others_bytes=0, temperature_c=66.0, clock_mhz=1980.0,
    users=(GpuUser(9, "python", 9 * GB, ours=True),),
)  # fmt: skip
GOOD = HardwareSample(
    1000.0, cpu_percent=50.0, cpu_count=2, tree_cpu_percent=96.0, memory_used_bytes=6 * GB,
    memory_total_bytes=16 * GB, swap_used_bytes=0, swap_total_bytes=4 * GB, gpus=(CARD,),
)  # fmt: skip


def now(**changes: object) -> HardwareSample:
    return replace(GOOD, at=1600.0, **changes)  # type: ignore[arg-type]


def card(**changes: object) -> HardwareSample:
    return now(gpus=(replace(CARD, **changes),))  # type: ignore[arg-type]


def test_other_processes_on_a_full_cpu_are_named() -> None:
    slow = now(cpu_percent=98.0, tree_cpu_percent=16.0)
    facts = SlowFacts(busy=(Busy(4711, "python3", 180.0),))
    assert slow_reason(GOOD, slow, facts) == (
        "likely because other processes use 1.8 of 2 cores (python3 pid 4711: 180 %), and the training gets "
        "0.2 instead of 1.0"
    )


def test_others_are_no_reason_where_the_cpu_has_room_and_the_training_has_what_it_had() -> None:
    before = replace(GOOD, cpu_count=16, cpu_percent=8.0)
    slow = replace(before, cpu_percent=40.0)
    assert "differs from" in (slow_reason(before, slow, SlowFacts()) or "")


def test_others_who_were_there_before_are_no_reason() -> None:
    before = replace(GOOD, cpu_percent=98.0)
    assert "differs from" in (slow_reason(before, replace(before, at=2.0), SlowFacts()) or "")


@pytest.mark.parametrize(
    ("slow", "facts", "said"),
    [
        (now(swap_used_bytes=2 * GB), SlowFacts(), "memory is too small: swap grew by 2.0 GB"),
        (now(pressure=2), SlowFacts(), "memory pressure is high"),
        (now(pressure=4), SlowFacts(), "memory pressure is critical"),
        (now(memory_used_bytes=16 * GB - (1 << 28)), SlowFacts(), "memory is nearly full (256 MB left)"),
        (now(tree_cpu_percent=40.0, cpu_percent=22.0), SlowFacts(),
         "the training uses less CPU than before (0.4 instead of 1.0)"),
        (now(disks=(DiskFree("output", "/o", 1_000_000),)), SlowFacts(),
         "the disk for output is full (1.0 MB free)"),
        (card(throttle=("thermal",), clock_mhz=1200.0, temperature_c=91.0), SlowFacts(),
         "the GPU is throttled (thermal, 91 °C): its clock fell from 1980 to 1200 MHz"),
        (card(throttle=("power cap",)), SlowFacts(), "the GPU is throttled (power cap)"),
        (card(clock_mhz=990.0), SlowFacts(), "the GPU runs slower: its clock fell from 1980 to 990 MHz, 66 °C"),
        (card(users=(*CARD.users, GpuUser(71, "python", 3 * GB, 45.0))),
         SlowFacts(users=(User(71, "ComfyUI"),)), "ComfyUI (pid 71) uses the GPU too: 45 %, 3.0 GB"),
        (card(memory_others_bytes=4 * GB), SlowFacts(), "other programs took 4.0 GB more of the GPU's memory"),
        (card(memory_used_bytes=24 * GB - 1), SlowFacts(spills=True),
         "GPU memory is full (1 B left) and spills into main memory, as on Windows"),
        (card(memory_used_bytes=24 * GB - 1), SlowFacts(), "GPU memory is nearly full (1 B left)"),
        (card(percent=31.0), SlowFacts(),
         "the GPU waits for work (31 % busy instead of 96 %): images, disk or CPU are the bottleneck"),
    ],
)  # fmt: skip
def test_one_change_is_one_clause(slow: HardwareSample, facts: SlowFacts, said: str) -> None:
    assert slow_reason(GOOD, slow, facts) == f"likely because {said}"


@pytest.mark.parametrize(
    "slow",
    [
        now(),
        card(clock_mhz=990.0, percent=35.0, power_w=80.0),  # an idle card clocks down by itself
        now(swap_used_bytes=64 << 20),
        card(users=(*CARD.users, GpuUser(71, "Xorg", 90 << 20, 2.0))),
        now(pressure=1),
    ],
)
def test_small_changes_and_mere_effects_are_not_called_the_reason(slow: HardwareSample) -> None:
    said = slow_reason(GOOD, slow, SlowFacts()) or ""
    assert "clock" not in said and "swap" not in said and "uses the GPU" not in said
    assert "differs from" in said or "waits for work" in said


def test_what_was_there_when_the_pace_was_good_is_no_reason() -> None:
    before = replace(
        card(
            throttle=("power cap",), memory_used_bytes=24 * GB,
            users=(*CARD.users, GpuUser(71, "python", 3 * GB, 45.0)),
        ),
        pressure=2,
        swap_used_bytes=3 * GB,
    )  # fmt: skip
    same = replace(before, at=1600.0)
    assert slow_reason(before, same, SlowFacts(spills=True)) == (
        "nothing in the readings of CPU, memory, GPU differs from the time of the good pace"
    )


def test_a_user_of_the_gpu_that_grew_is_told_as_such() -> None:
    before = card(users=(GpuUser(71, "blender", GB, 5.0),))
    said = slow_reason(before, card(users=(GpuUser(71, "blender", GB, 60.0),)), SlowFacts())
    assert said == "likely because blender (pid 71) uses more of the GPU: 60 %, 1.0 GB"


def test_apple_counts_what_was_written_to_swap_not_what_is_used_of_it() -> None:
    before = replace(GOOD, swapped_out_bytes=10 * GB)
    said = slow_reason(before, replace(before, swapped_out_bytes=11 * GB), SlowFacts())
    assert said == "likely because memory is too small: swap grew by 1.0 GB"


def test_the_best_evidence_comes_first_and_three_clauses_are_enough() -> None:
    slow = replace(
        card(throttle=("thermal",), memory_others_bytes=4 * GB, percent=30.0),
        swap_used_bytes=GB,
        cpu_percent=99.0,
        tree_cpu_percent=50.0,
    )
    said = slow_reason(GOOD, slow, SlowFacts()) or ""
    assert said.startswith("likely because the GPU is throttled (thermal")
    assert said.count("; also ") == 2
    assert said.index("other processes") < said.index("swap grew")


def test_on_the_cpu_the_gpu_is_no_reason() -> None:
    hot = card(throttle=("thermal",))
    assert "GPU" not in (slow_reason(GOOD, hot, SlowFacts(device="cpu")) or "")


def test_nothing_measured_is_nothing_said() -> None:
    bare = HardwareSample(1.0)
    assert slow_reason(bare, bare, SlowFacts()) is None
    assert others_cores(bare) is None


def test_means_are_of_all_readings_and_rare_throttling_is_left_out() -> None:
    series = [
        replace(card(percent=float(p), throttle=("thermal",) if p == 90 else ()), cpu_percent=c)
        for p, c in ((90, 10.0), (96, 20.0), (99, None))
    ]
    found = mean_of(series)
    assert found is not None
    assert found.cpu_percent == 15.0
    assert found.gpus[0].percent == 95.0
    assert found.gpus[0].throttle == ()
    assert found.gpus[0].memory_used_bytes == 10 * GB
    assert mean_of([]) is None


def test_who_uses_the_cpu_is_caught_in_the_act() -> None:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = busiest(seconds=0.6)
        assert loop.pid in {one.pid for one in found}
        mine = next(one for one in found if one.pid == loop.pid)
        assert 10.0 < mine.cpu_percent < 130.0
        assert mine.name.startswith("python")
        assert loop.pid not in {one.pid for one in busiest({loop.pid}, seconds=0.3)}
        assert os.getpid() not in {one.pid for one in found}
    finally:
        loop.kill()
        loop.wait()


def test_a_name_that_would_drive_the_terminal_is_made_plain() -> None:
    assert plain("\x1b]0;evil\x07") == "?]0;evil?"
    assert plain("a\u202eb" + "x" * 100) == "a?b" + "x" * 29
    assert plain("") == "?"
