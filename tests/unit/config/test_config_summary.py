"""`[summary]` of plasma.toml, and what a run remembers of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.errors import ConfigError
from runner.config.model import Config
from runner.control.begin import prepare
from runner.trainers.registry import load_config

TEXT = (
    '[trainer]\nsd_scripts = "embedded"\n[train]\noutput_dir = "out"\ndataset_config = "d.toml"\n'
)


def config(folder: Path, more: str = "") -> Config:
    (folder / "plasma.toml").write_text(TEXT + more)
    return load_config(folder)


def test_the_copy_beside_the_checkpoints_is_a_choice(tmp_path: Path) -> None:
    assert not prepare(config(tmp_path)).spec.summary_beside
    chosen = config(tmp_path, "[summary]\nbeside_checkpoints = true\n")
    assert prepare(chosen).spec.summary_beside


def test_what_is_not_understood_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"7: .*beside_checkpoint"):
        config(tmp_path, "[summary]\nbeside_checkpoint = true\n")
    with pytest.raises(ConfigError, match="true or false"):
        config(tmp_path, '[summary]\nbeside_checkpoints = "yes"\n')


def test_a_run_remembers_what_its_dataset_was(tmp_path: Path) -> None:
    assert prepare(config(tmp_path)).spec.fingerprints == {}
    (tmp_path / "train").mkdir()
    (tmp_path / "d.toml").write_text("[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'train'\n")
    found = prepare(config(tmp_path)).spec.fingerprints
    assert found["dataset_images"] == "0" and len(found["dataset"]) == 64
