"""Is the dataset of a resume the one that was trained?"""

from pathlib import Path
from typing import Any

import pytest

from runner.control.orders import Refused
from runner.control.resume_checks import dataset_notes
from runner.model import AttemptPlan, RunState, Status
from tests.unit.trainers.test_forecast import SPLIT, mixed


def notes(folder: Path, had: int, **flags: Any) -> tuple[str, ...]:
    plan = AttemptPlan(1, ("python", "train_network.py"), {}, str(folder), None, None)
    status = Status(RunState.ENDED, 1, 1.0, batches_per_epoch=had)
    return dataset_notes(plan, {"dataset_config": "d.toml", **flags}, status)


def test_another_length_is_no_proof_of_another_dataset_where_each_start_holds_out_other_images(
    tmp_path: Path,
) -> None:
    folder = mixed(tmp_path)
    assert "without a seed each start picks other validation images" in notes(folder, 1)[0]
    with pytest.raises(Refused, match="the dataset has changed"):
        notes(folder, 1, seed=5)
    mixed(tmp_path, SPLIT + "validation_seed = 2\n")
    with pytest.raises(Refused, match="the dataset has changed"):
        notes(folder, 1)
