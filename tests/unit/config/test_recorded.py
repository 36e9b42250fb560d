"""A configuration that starts later: as it was given, whatever its file says by then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner.config.errors import ConfigError
from runner.config.recorded import recorded_config
from runner.trainers.registry import load_config, restore_config

TEXT = """\
name = "fox"
[trainer]
sd_scripts = "embedded"
env = { HF_TOKEN = "hf_abcdefghijklmnopqrst" }
[train]
pretrained_model_name_or_path = "builtin"
train_data_dir = "img"
output_dir = "out"
output_name = "fox"
max_train_steps = 20
network_args = ["a=1", "b=2"]
[smoke]
max_train_steps = 2
[expect]
device = "cpu"
"""


def test_it_is_restored_from_its_text_and_its_changes_not_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plasma.toml"
    path.write_text(TEXT)
    config = load_config(path).changed({"learning_rate": 5e-5, "output_name": "fox-2"})
    config = replace(config, accelerate={"num_processes": 2})
    kept = json.loads(json.dumps(recorded_config(config)))
    path.write_text("nonsense [")
    found = restore_config(kept)
    assert found == config
    assert found.train["network_args"] == ("a=1", "b=2")
    assert found.train["output_name"] == "fox-2"
    assert found.trainer.env["HF_TOKEN"] == "hf_abcdefghijklmnopqrst"


def test_a_text_that_this_version_refuses_is_an_error_of_the_file() -> None:
    kept = {
        "path": "/p/plasma.toml",
        "text": "nonsense [",
        "train": {},
        "smoke": {},
        "accelerate": {},
        "env": {},
    }
    with pytest.raises(ConfigError, match=r"/p/plasma\.toml"):
        restore_config(kept)
