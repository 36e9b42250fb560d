"""State folders: a training can go on from them, or said why it cannot."""

import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.checkpoints.state_folder import look_at_state
from runner.checkpoints.verify import state_complete, verify

WRITTEN = (
    "train_state.json",
    "model.safetensors",
    "optimizer.bin",
    "scheduler.bin",
    "random_states_0.pkl",
)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", bytes(3000))


def write(state: Path, name: str) -> None:
    state.mkdir(exist_ok=True)
    if name.endswith(".json"):
        (state / name).write_text(json.dumps({"current_epoch": 2, "current_step": 400}))
    elif name.endswith(".safetensors"):
        save_file({"a.lora_down.weight": np.ones((2, 4), np.float32)}, state / name)
    else:
        archive(state / name)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "x-step00000400-state"
    for name in WRITTEN:
        write(path, name)
    return path


def test_a_whole_state_tells_its_step(state: Path) -> None:
    found = verify(state)
    assert (found.kind, found.complete, found.finite, found.step) == ("state", True, True, 400)
    assert found.problem is None
    assert found.size_bytes == sum(p.stat().st_size for p in state.iterdir())
    assert state_complete(state) is True


def test_a_folder_that_is_not_there_is_neither_whole_nor_cut(tmp_path: Path) -> None:
    assert state_complete(tmp_path / "nothing-state") is None


def test_a_save_that_ended_after_any_of_its_files_is_told_by_the_first_that_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x-state"
    path.mkdir()
    for name, following in itertools.pairwise(WRITTEN):
        write(path, name)
        assert state_complete(path) is False
        problem = verify(path).problem or ""
        assert following in problem
        assert "interrupted" in problem
    write(path, WRITTEN[-1])
    assert state_complete(path) is True


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_cut_anywhere_makes_the_state_useless(state: Path, name: str) -> None:
    whole = (state / name).read_bytes()
    for length in {0, 1, len(whole) // 2, len(whole) - 1}:
        (state / name).write_bytes(whole[:length])
        found = verify(state)
        assert not found.complete
        assert name in (found.problem or "")
    (state / name).write_bytes(whole)
    assert verify(state).complete


def test_a_state_whose_weights_are_no_numbers_is_not_to_be_resumed(state: Path) -> None:
    weights = {"a.lora_down.weight": np.full((2, 4), np.nan, np.float32)}
    save_file(weights, state / "model.safetensors")
    found = verify(state)
    assert (found.complete, found.finite) == (False, False)
    assert found.problem == "model.safetensors: 1 of 1 tensors contain NaN or Inf"
    assert state_complete(state) is True  # by names and sizes alone


def test_a_state_of_older_accelerate_holds_its_weights_as_an_archive(state: Path) -> None:
    (state / "model.safetensors").unlink()
    archive(state / "pytorch_model.bin")
    found = verify(state)
    assert (found.complete, found.finite) == (True, None)


def test_a_script_that_tracks_no_steps_writes_no_train_state(state: Path) -> None:
    (state / "train_state.json").unlink()
    found = verify(state)
    assert (found.complete, found.step) == (True, None)


def test_every_process_has_its_random_states(state: Path) -> None:
    archive(state / "random_states_2.pkl")
    assert "random_states_1.pkl" in (look_at_state(state).problem or "")
    archive(state / "random_states_1.pkl")
    assert look_at_state(state).problem is None


def test_any_other_folder_is_said_to_be_none(tmp_path: Path) -> None:
    found = verify(tmp_path)
    assert (found.complete, found.problem) == (False, "a folder, but not a training state")
