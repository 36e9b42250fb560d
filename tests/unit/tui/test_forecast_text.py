"""The forecast as people and programs read it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from runner.model import ExpectedCheckpoint, Forecast
from tests.unit.preflight.preflight_project import Project
from tui.cli.forecast_text import forecast_object
from tui.cli.start import forecast

FILES = (
    ExpectedCheckpoint("x-step00000010.safetensors", 10, 1, "x-step00000010-state", 30, 30),
    ExpectedCheckpoint("x-step00000020.safetensors", 20, 1, "x-step00000020-state", 40, None),
    ExpectedCheckpoint("x-step00000030.safetensors", 30, 2, "x-step00000030-state", None, 50),
    ExpectedCheckpoint("x\x1b[31m.safetensors", 40, None),
)
FOUND = Forecast(
    images=23, reg_images=0, batches_per_epoch=20, epochs=2, steps=40, checkpoints=FILES,
    final=FILES[-1].name, size_bytes=300, checkpoint_bytes=75_600_000, seconds_per_step=3.1,
    duration_s=5700.0, sources={"steps": "flag max_train_steps", "size_bytes": "4 files"},
)  # fmt: skip


def test_the_object_calls_its_sources_by_its_own_names() -> None:
    found = forecast_object(FOUND, ["w"])
    assert found["sources"] == {"steps": "flag max_train_steps", "bytes": "4 files"}
    assert (found["bytes"], found["seconds"], found["warnings"]) == (300, 5700.0, ["w"])


def options(config: Path, *, as_json: bool) -> argparse.Namespace:
    return argparse.Namespace(config=str(config), set=[], json=as_json)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 3, "a")
    project.write_dataset()
    project.config("save_every_n_steps = 25\nsave_last_n_steps = 20\nsave_state = true")
    return project


def test_the_verb_prints_one_object(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert forecast(options(project.root / "plasma.toml", as_json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["steps"], told["samples"], told["seconds"]) == (3, 60, 0, None)
    assert told["checkpoints"][0] == {
        "name": "hero-step00000025.safetensors",
        "step": 25,
        "epoch": 1,
        "state_name": "hero-step00000025-state",
        "removed_at_step": 50,
        "state_removed_at_step": 50,
    }
    assert told["final"] == "hero.safetensors"
    assert told["sources"]["steps"] == "2 epochs x 30 steps per epoch"
    assert told["command"][-1].startswith("--logging_dir")


def test_the_verb_prints_lines_and_the_command(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert forecast(options(project.root / "plasma.toml", as_json=False)) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "images             3              dataset.toml: 3 files x 10 repeats"
    assert out[-1].startswith("cd ")
