"""The soak in a short version: the same claims on twenty thousand steps, one kill, two screens."""

from __future__ import annotations

from pathlib import Path

from tests.torture.floods import flood
from tests.torture.outcome import table
from tests.torture.soak import soak


def test_a_long_training_with_a_killed_supervisor_has_every_step_once(tmp_path: Path) -> None:
    result = soak(1, tmp_path, steps=20_000, kills=1, screens=2)
    assert not result.lost, table(result)


def test_no_step_is_lost_around_64_mb_without_a_line_end(tmp_path: Path) -> None:
    result = flood(1, tmp_path, "endless", 64)
    assert not result.lost, table(result)


def test_no_escape_reaches_a_terminal(tmp_path: Path) -> None:
    result = flood(1, tmp_path, "escapes", 1)
    assert not result.lost, table(result)
