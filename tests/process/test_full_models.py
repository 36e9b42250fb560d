"""Trainings of full models: what they write is verified, and a good run is a success."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.checkpoints.verify import verify
from runner.model import Forecast, Outcome, RunSnapshot
from runner.store.identity import is_same
from runner.trainers.sd_scripts.saves import expected_checkpoints
from runner.trainers.sd_scripts.scripts import file_ending
from runner.trainers.sd_scripts.steps import count_steps
from tests.process.helpers import clean_up, start, wait_end

BASE = "pretrained_model_name_or_path"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "base.safetensors").touch()
    yield tmp_path / "out"


def train(output: Path, writes: str, *more: str, **flags: object) -> RunSnapshot:
    """20 steps whose forecast is that of train_db.py."""
    steps = count_steps({"max_train_steps": 20}, 20)
    ending = file_ending("train_db.py", flags, output.parent)
    given = {"output_name": "fake", "save_every_n_steps": 10, **flags}
    files = expected_checkpoints(given, steps, ending)
    forecast = Forecast(steps=20, checkpoints=files, final=files[-1].name)
    run = start(output, "--steps", "20", "--writes", writes, *more, forecast=forecast)
    try:
        return wait_end(run)
    finally:
        clean_up(run, output)


def test_a_ckpt_is_verified_by_its_archive_and_never_unpickled(output: Path) -> None:
    seen = train(output, "ckpt", **{BASE: "base.safetensors"})
    assert seen.status is not None
    assert seen.outcome is Outcome.SUCCEEDED, seen.status.reasons
    assert [(c.name, c.complete, c.finite) for c in seen.status.checkpoints] == [
        ("fake-step00000010.ckpt", True, None),
        ("fake-step00000020.ckpt", True, None),
        ("fake.ckpt", True, None),
    ]
    assert "3 checkpoints complete, not all numbers checked" in seen.status.reasons


def test_a_ckpt_that_is_cut_off_is_no_success(output: Path) -> None:
    seen = train(output, "ckpt", "--truncate_at=20", **{BASE: "base.safetensors"})
    assert seen.outcome is Outcome.FAILED


def test_a_full_model_in_safetensors_is_verified_like_a_lora(output: Path) -> None:
    seen = train(output, "safetensors", save_model_as="safetensors")
    assert seen.status is not None
    assert seen.outcome is Outcome.SUCCEEDED, seen.status.reasons
    assert "3 checkpoints complete and finite" in seen.status.reasons


def test_a_folder_of_diffusers_is_verified_part_by_part(output: Path) -> None:
    seen = train(output, "diffusers", **{BASE: "some/model"})
    assert seen.status is not None
    assert seen.outcome is Outcome.SUCCEEDED, seen.status.reasons
    assert [(c.name, c.complete, c.finite) for c in seen.status.checkpoints] == [
        ("fake-step00000010", True, True),
        ("fake-step00000020", True, True),
        ("fake", True, True),
    ]


def test_a_folder_of_diffusers_that_was_written_again_is_not_the_verified_one(output: Path) -> None:
    seen = train(output, "diffusers", **{BASE: "some/model"})
    assert seen.status is not None
    final = seen.status.checkpoints[-1]
    assert is_same(final, output / "fake")
    weights = output / "fake" / "unet" / "diffusion_pytorch_model.safetensors"
    later = weights.stat().st_mtime + 10
    os.utime(weights, (later, later))
    assert is_same(final, output / "fake") is False


def test_a_folder_of_diffusers_with_nan_in_it_has_diverged(output: Path) -> None:
    seen = train(output, "diffusers", "--nan_weights_at=1", **{BASE: "some/model"})
    assert seen.outcome is Outcome.DIVERGED


def test_each_part_of_a_folder_of_diffusers_has_to_be_there(output: Path) -> None:
    train(output, "diffusers", **{BASE: "some/model"})
    folder = output / "fake"
    assert verify(folder).complete
    whole = (folder / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(whole[:-1])
    assert "cut off" in (verify(folder).problem or "")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert verify(folder).problem == "vae has no weights"
    (folder / "vae" / "config.json").unlink()
    assert verify(folder).problem == "no vae, which model_index.json lists"
    (folder / "model_index.json").unlink()
    assert "no model_index.json" in (verify(folder).problem or "")
