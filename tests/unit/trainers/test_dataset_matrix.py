"""The plan of an epoch against what sd-scripts' own dataset code made of the same folders, recorded by
`scripts/fuzz_dataset.py CHECKOUT --record`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from scripts.fuzz_dataset import MADE, RECORD, own_plan

SEEN: dict[str, list[Any]] = json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", [*MADE])
def test_images_buckets_and_batches_are_those_of_the_trainer(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = sum(plan is not None for plan in SEEN[kind])
    assert trained >= (20 if kind == "described" else 25)
    for seed, theirs in enumerate(SEEN[kind], 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert own_plan(MADE[kind](random.Random(seed), folder)) == theirs, f"seed {seed}"
