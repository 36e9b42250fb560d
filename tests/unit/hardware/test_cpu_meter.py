"""The share of the CPU that counts is that of the cores which the run may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.hardware.contention import SlowFacts, slow_reason
from runner.hardware.cpu import CpuMeter, Quota, tightest_quota
from runner.model import HardwareSample


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def percent_in(shares: list[float], allowed: set[int] | None, quota: Quota | None = None) -> float:
    clock = Clock()

    def times() -> list[tuple[float, float]]:
        return [(clock.now * share / 100.0, clock.now) for share in shares]

    limit = quota or Quota(99.0, Path("/none"), 1.0)
    meter = CpuMeter(times, lambda: allowed, limit, clock)
    clock.now += 2.0
    found = meter.percent()
    assert found is not None
    return found


def test_in_a_set_of_four_of_sixty_four_cores_only_those_four_count() -> None:
    shares = [100.0] * 4 + [0.0] * 60
    assert percent_in(shares, {0, 1, 2, 3}) == pytest.approx(100.0)
    assert percent_in(shares, {60, 61, 62, 63}) == pytest.approx(0.0)
    assert percent_in(shares, None) == pytest.approx(100.0 * 4 / 64)


def test_others_on_the_four_cores_of_a_large_machine_are_named_as_the_reason() -> None:
    """The whole machine is 6 % busy there: four full cores of 64."""
    idle, full = [25.0] * 4 + [0.0] * 60, [100.0] * 4 + [0.0] * 60
    before = HardwareSample(
        0.0, percent_in(idle, {0, 1, 2, 3}), cpu_count=4, tree_cpu_percent=100.0
    )
    now = HardwareSample(9.0, percent_in(full, {0, 1, 2, 3}), cpu_count=4, tree_cpu_percent=60.0)
    reason = slow_reason(before, now, SlowFacts())
    assert reason is not None
    assert "other processes use 3.4 of 4 cores" in reason


def test_a_container_with_two_cores_worth_of_time_shares_that_time(tmp_path: Path) -> None:
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 5000000\nuser_usec 1\n")
    clock = Clock()
    meter = CpuMeter(
        lambda: [(10.0, 20.0)] * 64, lambda: set(range(64)), Quota(2.0, stat, 1e-6), clock
    )
    assert meter.cores == 2
    assert meter.percent() is None
    clock.now += 2.0
    stat.write_text("usage_usec 8000000\nuser_usec 1\n")  # 3 of the 4 seconds it could have
    assert meter.percent() == pytest.approx(75.0)


def test_the_tightest_quota_of_all_cgroups_above_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/slurm/job_1/step_0\n")
    step = tmp_path / "fs" / "slurm" / "job_1" / "step_0"
    step.mkdir(parents=True)
    (step / "cpu.max").write_text("max 100000\n")
    (step.parent / "cpu.max").write_text("400000 100000\n")
    (step.parent.parent / "cpu.max").write_text("3200000 100000\n")
    found = tightest_quota(tmp_path / "fs", own)
    assert found is not None
    assert (found.cores, found.usage) == (4.0, step.parent / "cpu.stat")
    assert tightest_quota(tmp_path / "nothing", own) is None


def test_the_quota_of_the_older_cgroups_counts_as_well(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("5:memory:/a\n4:cpu,cpuacct:/docker/x\n0::/\n")
    group = tmp_path / "fs" / "cpu"  # in a container its own group is the top
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("150000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    found = tightest_quota(tmp_path / "fs", own)
    assert found is not None
    assert found.cores == 1.5
    assert found.usage == tmp_path / "fs" / "cpuacct" / "cpuacct.usage"
