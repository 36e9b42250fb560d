"""Which kind of file each script of sd-scripts writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.forecast import forecast
from runner.trainers.sd_scripts.scripts import file_ending, no_lora
from tests.unit.preflight.preflight_project import Project
from tests.unit.trainers.test_forecast import project


@pytest.mark.parametrize(
    ("script", "flags", "ending"),
    [
        ("train_network.py", {}, ".safetensors"),
        ("train_network.py", {"save_model_as": "pt"}, ".pt"),
        ("my_own_train.py", {}, ".safetensors"),
        ("train_db.py", {"pretrained_model_name_or_path": "base.safetensors"}, ".ckpt"),
        ("train_db.py", {"pretrained_model_name_or_path": "folder"}, ""),
        ("train_db.py", {"pretrained_model_name_or_path": "runwayml/some-model"}, ""),
        (
            "sdxl_train.py",
            {"pretrained_model_name_or_path": "base.safetensors", "use_safetensors": True},
            ".safetensors",
        ),
        ("fine_tune.py", {"save_model_as": "ckpt"}, ".ckpt"),
        ("fine_tune.py", {"save_model_as": "ckpt", "use_safetensors": True}, ".safetensors"),
        ("fine_tune.py", {"save_model_as": "diffusers"}, ""),
        ("sdxl_train.py", {"save_model_as": "diffusers_safetensors"}, ""),
        ("sdxl_train.py", {"save_model_as": "safetensors"}, ".safetensors"),
        ("flux_train.py", {"save_model_as": "ckpt"}, ".safetensors"),
        ("train_textual_inversion.py", {}, ".pt"),
        ("sdxl_train_textual_inversion.py", {"save_model_as": "safetensors"}, ".safetensors"),
        ("train_control_net.py", {}, ".safetensors"),
    ],
)
def test_the_file_type_is_the_scripts_own(
    tmp_path: Path, script: str, flags: dict[str, object], ending: str
) -> None:
    (tmp_path / "base.safetensors").touch()
    (tmp_path / "folder").mkdir()
    assert file_ending(f"/sd/{script}", flags, tmp_path) == ending


def test_a_forecast_names_the_files_of_a_full_model_and_says_that_it_is_no_lora(
    tmp_path: Path,
) -> None:
    folder = project(tmp_path)
    flags = {"dataset_config": "d.toml", "output_name": "x", "max_train_epochs": 2}
    flags |= {"save_every_n_epochs": 1, "pretrained_model_name_or_path": "base.ckpt"}
    as_folder = forecast(flags, folder, script="/sd/train_db.py")
    assert [c.name for c in as_folder.checkpoints] == ["x-000001", "x"]
    (folder / "base.ckpt").touch()
    as_file = forecast(flags, folder, script="/sd/train_db.py")
    assert [c.name for c in as_file.checkpoints] == ["x-000001.ckpt", "x.ckpt"]
    assert as_file.warnings[0] == "train_db.py trains a full model, not a LoRA"


def test_a_loras_script_and_an_unknown_one_are_not_called_something_else() -> None:
    assert no_lora("/sd/sdxl_train_network.py") is None
    assert no_lora("/sd/my_train.py") is None


def test_preflight_says_what_a_script_trains_that_trains_no_lora(tmp_path: Path) -> None:
    made = Project(tmp_path)
    made.checkout()
    (tmp_path / "sd" / "train_db.py").write_text("pass")
    found = made.find(
        "network", trainer='sd_scripts = "sd"\nscript = "train_db.py"\npython = "python"'
    )
    assert (found.status, found.evidence) == ("pass", "full model")
    assert found.detail == "train_db.py trains a full model, not a LoRA."
