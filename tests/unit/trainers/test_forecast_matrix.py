"""The forecast against what sd-scripts' own loop printed and wrote, recorded by
`scripts/check_forecast.py CHECKOUT PYTHON --record`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.forecast_cases import CASES, Case
from scripts.forecast_cases.folder import differences, predicted, write_case
from tests import DATA

RECORD = DATA / "expected" / "forecast_matrix.json"
SEEN: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))


def test_every_case_was_trained_by_the_real_loop() -> None:
    assert [case.name for case in CASES] == list(SEEN)
    assert sum(seen["ends"] == "trained" for seen in SEEN.values()) >= 80


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_forecast_says_what_the_trainer_did(case: Case, tmp_path: Path) -> None:
    write_case(case, tmp_path)
    assert differences(case, predicted(case, tmp_path), SEEN[case.name]) == []
