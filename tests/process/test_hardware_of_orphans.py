"""A training is measured while its trainer lives, whoever of its parents was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.model import HardwareSample, KeeperRecord
from runner.store.journal import read_json
from runner.store.rundir import RunDir
from tests.process.helpers import clean_up, kill, look, start, wait_for, wait_step


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    output = tmp_path / "output"
    output.mkdir()
    made = start(output, "--steps", "5000", "--launcher")
    yield made
    clean_up(made, output)


def newest(run: RunDir, since: float) -> HardwareSample | None:
    """A reading of after `since` (seconds since the epoch)."""
    status = look(run).status
    sample = status.sample if status is not None else None
    return sample if sample is not None and sample.at > since else None


@pytest.mark.parametrize("who", [("launcher",), ("launcher", "keeper")])
def test_a_trainer_without_its_launcher_is_still_measured(
    run: RunDir, who: tuple[str, ...]
) -> None:
    wait_step(run, 5)
    wait_for(lambda: (found := newest(run, 0.0)) and found.tree_processes, 20.0, "a first reading")
    keeper = read_json(run.keeper, KeeperRecord)
    for one in who:
        kill(keeper.pid if one == "launcher" else keeper.keeper_pid)
    since = time.time() + 11.0  # the processes are listed again every 5 s, the readings every 2 s
    later = wait_for(lambda: newest(run, since), 40.0, "a reading after that")
    assert later.tree_processes == 1
    assert "tree" not in later.reasons
