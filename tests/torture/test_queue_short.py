"""The torture of the queue in a short version, with one slot, and with two GPUs that some runs name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.torture.queue import torture


def test_three_queued_runs_survive_the_death_of_their_processes(tmp_path: Path) -> None:
    found = torture(7, tmp_path, size=3, kills=5)
    assert not found.lost, (found.lost, found.killed)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine (cc)")
def test_runs_of_two_gpus_keep_their_order_and_their_gpu(tmp_path: Path) -> None:
    found = torture(11, tmp_path, size=5, kills=5, gpus=True)
    assert not found.lost, (found.lost, found.killed)
    assert {"0", "1"} <= set(found.seen.values()), "both GPUs were used"
