"""The gauges of this machine."""

import os
import time

from runner.hardware.host import HostSampler


def test_the_first_reading_claims_no_cpu_share_and_the_second_does() -> None:
    sampler = HostSampler(os.getcwd())
    first = sampler.sample(os.getpid())
    assert first.cpu_percent is None
    assert first.reasons["cpu"] == "first reading"
    assert first.memory_total_bytes
    assert first.disk_free_bytes
    time.sleep(0.55)
    second = sampler.sample(os.getpid())
    assert second.cpu_percent is not None
    assert 0 <= second.cpu_percent <= 100


def test_a_tree_that_is_gone_is_said_to_be_so() -> None:
    sample = HostSampler(None).sample(None)
    assert sample.tree_memory_bytes is None
    assert sample.reasons["tree"] == "no training process"
    assert sample.reasons["disk"] == "no output folder"


def test_the_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: os.PathLike) -> None:  # type: ignore[type-arg]
    sample = HostSampler(os.path.join(tmp_path, "a", "b")).sample(None)
    assert sample.disk_free_bytes
