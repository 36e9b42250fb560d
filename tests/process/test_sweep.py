"""A 2x2 sweep of the built-in trainer, from the command to the comparison; and its group stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runner.model import Outcome, RunSpec, RunState
from runner.store.journal import read_json
from runner.store.registry import group_of
from runner.store.rundir import RunDir, runs_root
from tests.process.helpers import look, wait_end, wait_for
from tests.unit.trainers.dataset.dataset_images import write_png
from tui.cli.main import main

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

PROJECT = f"""
name = "fox"
[trainer]
sd_scripts = "embedded"
python = {json.dumps(sys.executable)}
launcher = "python"
[train]
pretrained_model_name_or_path = "builtin"
dataset_config = "dataset.toml"
output_dir = "out"
output_name = "fox"
network_module = "networks.lora"
network_dim = 2
learning_rate = 1e-3
max_train_steps = 4
save_every_n_steps = 2
save_state = true
max_data_loader_n_workers = 0
seed = 1
"""
DATASET = """
[[datasets]]
resolution = 64
enable_bucket = false
[[datasets.subsets]]
image_dir = "images"
num_repeats = 4
"""
TWO_BY_TWO = ("--set", "learning_rate=1e-3,1e-4", "--set", "network_dim=2,4")
NAMES = ["fox-lr1e-3-dim2", "fox-lr1e-3-dim4", "fox-lr1e-4-dim2", "fox-lr1e-4-dim4"]
Captured = pytest.CaptureFixture[str]


def write_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "", steps: int = 4
) -> None:
    text = PROJECT.replace("max_train_steps = 4", f"max_train_steps = {steps}")
    text = text.replace("save_every_n_steps = 2", f"save_every_n_steps = {max(2, steps)}")
    (folder / "plasma.toml").write_text(text + more)
    (folder / "dataset.toml").write_text(DATASET)
    image = write_png(folder / "images" / "one.png")
    image.with_suffix(".caption").write_text("a fox")
    monkeypatch.chdir(folder)


@pytest.fixture
def project(output: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(output.parent, monkeypatch)
    monkeypatch.setenv("PLASMA_SLOTS", "2")
    return output.parent


def runs_of(group: str) -> list[RunDir]:
    return [RunDir(runs_root() / one.id) for one in group_of(group)]


def test_a_sweep_trains_every_combination_once_and_is_compared(
    project: Path, capsys: Captured
) -> None:
    assert main(["sweep", *TWO_BY_TWO, "--yes"]) == 0
    told = capsys.readouterr()
    table, group = told.out.splitlines()[:-1], told.out.splitlines()[-1]
    assert [line.split()[0] for line in table[1:5]] == NAMES
    assert table[5].split()[:3] == ["in", "all", "16"]
    assert group.startswith("fox-sweep-")
    runs = runs_of(group)
    specs = [read_json(run.spec, RunSpec) for run in runs]
    assert [spec.output_name for spec in specs] == NAMES

    assert main(["sweep", *TWO_BY_TWO, "--yes"]) == 1  # while they wait or train
    refused = capsys.readouterr().err
    assert "nothing was started, 4 of 4 runs exist" in refused
    assert all(name in refused for name in NAMES)

    for run in runs:
        assert wait_end(run, 240).outcome is Outcome.SUCCEEDED
        assert [path.name for path in run.path.glob("attempt-*.started")] == ["attempt-1.started"]
    for name in NAMES:
        assert (project / "out" / f"{name}.safetensors").exists()
    assert len(list(runs_root().glob("2*"))) == 4

    assert main(["compare", group, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    differ = {row["name"]: row["values"] for row in made["settings"] if row["differs"]}
    assert set(differ) == {"learning_rate", "network_dim"}
    assert min(run["place"] for run in made["runs"]) == 1
    assert all(run["place"] for run in made["runs"])
    assert main(["resume", group, "--dry-run"]) == 0  # nothing to resume is no failure


def test_a_stopped_group_leaves_no_process_and_no_run_in_the_queue(
    project: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_SLOTS", "1")
    write_project(project, monkeypatch, steps=4000)
    assert main(["sweep", *TWO_BY_TWO, "--yes"]) == 0
    group = capsys.readouterr().out.splitlines()[-1]
    runs = runs_of(group)
    wait_for(lambda: look(runs[0]).loss.last_step, 120, "a step of the first run")
    assert look(runs[3]).state is RunState.QUEUED
    assert main(["stop", group]) == 0
    sentences = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[0] for line in sentences) == sorted(run.id for run in runs)
    assert {look(run).outcome for run in runs} == {Outcome.STOPPED}
    assert not any(run.keeper.exists() for run in runs[1:])
