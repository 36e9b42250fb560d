"""A real training of the built-in trainer, killed and resumed once, with validation and samples: every number
of its summary is computed again from the run's files, by code that shares nothing with ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.check_summary import check
from tests import ROOT
from tests.unit.trainers.dataset.dataset_images import write_png

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

CLI = [sys.executable, "-m", "tui.cli"]
PROJECT = f"""
name = "numbers"
[trainer]
sd_scripts = "embedded"
python = {json.dumps(sys.executable)}
launcher = "python"
env.HF_TOKEN = "sekrit-9876543210"
[train]
pretrained_model_name_or_path = "builtin"
dataset_config = "dataset.toml"
output_dir = "out"
output_name = "spyke_v1"
save_every_n_steps = 20
save_state = true
max_train_epochs = 4
network_module = "networks.lora"
network_dim = 4
network_alpha = 2
learning_rate = 2e-3
lr_scheduler = "cosine"
max_data_loader_n_workers = 0
sample_prompts = "prompts.txt"
sample_every_n_epochs = 1
validate_every_n_epochs = 1
seed = 42
[expect]
device = "cpu"
images = 6
steps = 96
checkpoint_mb = [0.01, 5.0]
[summary]
beside_checkpoints = true
"""
DATASET = """
[general]
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
[[datasets]]
resolution = 64
validation_split = 0.25
validation_seed = 7
[[datasets.subsets]]
image_dir = "train"
num_repeats = 4
"""


@dataclass(frozen=True)
class Ran:
    path: Path
    folder: Path
    env: dict[str, str]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.path / "summary.json").read_text())  # type: ignore[no-any-return]

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CLI, *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
        )


def status_of(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / "status.json").read_text())  # type: ignore[no-any-return]
    except (OSError, ValueError):
        return {}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Killed with -9 after step 40 was saved, resumed from there, trained to its end."""
    folder = tmp_path_factory.mktemp("numbers")
    for at in range(8):
        image = write_png(folder / "train" / f"{at}.png", shade=30 + 25 * at)
        image.with_suffix(".txt").write_text(f"spyke, red, number {at}")
    (folder / "plasma.toml").write_text(PROJECT)
    (folder / "dataset.toml").write_text(DATASET)
    (folder / "prompts.txt").write_text(
        "spyke --w 64 --h 64 --s 2 --d 5\nblue --w 64 --h 64 --s 2 --d 6\n"
    )
    env = {
        **os.environ,
        "PLASMA_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
    }
    env["PLASMA_EMBEDDED_SLEEP"] = "0.05"
    made = subprocess.run(
        [*CLI, "start"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    run = Ran(folder / "home" / "runs" / made.stdout.strip(), folder, env)
    _until(lambda: status_of(run.path).get("safe_step", 0) >= 40, run)
    os.kill(status_of(run.path)["trainer_pid"], signal.SIGKILL)
    _until(lambda: status_of(run.path).get("state") == "ended", run)
    assert (run.path / "summary.md").exists()
    resumed = run.cli("resume", run.path.name, "--wait")
    assert resumed.returncode == 0, resumed.stderr
    return run


def _until(condition: Any, run: Ran, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, status_of(run.path)
        time.sleep(0.02)


def test_every_number_is_that_of_the_files(ran: Ran) -> None:
    number, wrong = check(ran.path, ran.summary, (ran.path / "summary.md").read_text())
    assert wrong == []
    assert number > 300


def test_the_run_had_all_that_can_go_wrong_with_numbers(ran: Ran) -> None:
    told = ran.summary
    assert told["outcome"] == "succeeded" and len(told["attempts"]) == 2
    assert told["attempts"][0]["exit"]["signal"] == 9
    assert told["attempts"][0]["lost"] is not None
    assert all(row["validation"] is not None for row in told["epoch_table"])
    assert told["samples"]["count"] == 8 and told["samples"]["steps"] == [24, 48, 72, 96]
    assert told["repeat"]["dataset"]["same"] is True
    assert told["happened"]["images"] == 6
    assert len(told["best"]) == len(told["expected_files"]) >= 5


def test_every_line_of_the_day_after_is_answered(ran: Ran) -> None:
    points = {point["title"]: point for point in ran.summary["checklist"]}
    yes = [title for title, point in points.items() if point["status"] == "pass"]
    for title in (
        "It ended well", "All expected files exist and are valid", "Sizes are as expected",
        "The loss is finite at the last step", "All steps were trained", "Device as expected",
        "All images were used",
    ):  # fmt: skip
        assert title in yes, points[title]
    assert points["The GPU was busy"]["status"] == "skip"
    assert "at step 96 (exact)" in points["The loss is finite at the last step"]["evidence"]


def test_the_markdown_of_the_command_is_the_file(ran: Ran) -> None:
    shown = ran.cli("show", ran.path.name, "--markdown")
    assert shown.returncode == 0
    assert shown.stdout == (ran.path / "summary.md").read_text()
    assert (ran.folder / "out" / "spyke_v1-summary.md").read_text() == shown.stdout


def test_no_secret_is_in_anything_that_is_shown(ran: Ran) -> None:
    for words in (("--markdown",), ("--json",), ()):
        assert "sekrit" not in ran.cli("show", ran.path.name, *words).stdout
    assert "sekrit" not in (ran.path / "summary.json").read_text()


def test_a_changed_caption_is_seen(ran: Ran) -> None:
    caption = ran.folder / "train" / "3.txt"
    before = caption.read_text()
    try:
        caption.write_text("spyke, green")
        assert "HAS CHANGED since the start" in ran.cli("show", ran.path.name, "--markdown").stdout
    finally:
        caption.write_text(before)
