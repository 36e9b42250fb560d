"""The soak and the floods in a short version: the same claims on fewer steps and bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.floods import flood
from tests.torture.outcome import table
from tests.torture.soak import soak

pytestmark = pytest.mark.slow


def test_a_long_training_with_a_killed_supervisor_has_every_step_once(tmp_path: Path) -> None:
    result = soak(1, tmp_path, steps=20_000, kills=1, screens=2)
    assert not result.lost, table(result)


@pytest.mark.parametrize(
    ("kind", "mb"), [("endless", 64), ("escapes", 1), ("nul", 4), ("invalid", 1)]
)
def test_no_step_is_lost_around_a_flood(tmp_path: Path, kind: str, mb: float) -> None:
    result = flood(1, tmp_path, kind, mb)
    assert not result.lost, table(result)
