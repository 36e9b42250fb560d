"""The soak and the floods in a short version: the same claims on fewer steps and bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.floods import flood
from tests.torture.outcome import Result, table
from tests.torture.soak import soak

pytestmark = pytest.mark.slow


#: claims about time, and about a memory and a journal that settle only in a long training: on a busy machine
#: they say nothing. `make soak` judges them.
OF_LONG_RUNS = ("_s", "last_quarter_MB", "rows_added_share")


def judged(result: Result) -> list[str]:
    """Claims that do not hold, each `name: value, at most limit` or a sentence."""
    return [one for one in result.lost if not one.partition(":")[0].endswith(OF_LONG_RUNS)]


def test_a_long_training_with_a_killed_supervisor_has_every_step_once(tmp_path: Path) -> None:
    result = soak(1, tmp_path, steps=20_000, kills=1, screens=2)
    assert not judged(result), table(result)


@pytest.mark.parametrize(
    ("kind", "mb"), [("endless", 64), ("escapes", 1), ("nul", 4), ("invalid", 1)]
)
def test_no_step_is_lost_around_a_flood(tmp_path: Path, kind: str, mb: float) -> None:
    result = flood(1, tmp_path, kind, mb)
    assert not judged(result), table(result)
