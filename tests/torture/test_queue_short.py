"""The torture of the queue in a short version: three runs, five kills."""

from __future__ import annotations

from pathlib import Path

from tests.torture.queue import torture


def test_three_queued_runs_survive_the_death_of_their_processes(tmp_path: Path) -> None:
    found = torture(7, tmp_path, size=3, kills=5)
    assert not found.lost, (found.lost, found.killed)
