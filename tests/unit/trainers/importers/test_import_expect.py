"""What an imported or a new plasma.toml holds its training to, and what it says of states."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.preflight.checks.device import judge_device as judge
from runner.preflight.probe import Device
from runner.trainers.sd_scripts.importers.find import Context, Found
from runner.trainers.sd_scripts.importers.fresh import new_project
from tests.unit.preflight.preflight_project import Project
from tests.unit.trainers.dataset.dataset_images import write_png
from tests.unit.trainers.importers.import_context import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "sd-scripts" / "venv" / "bin").mkdir(parents=True)
    (home / "sd-scripts" / "train_network.py").write_text("pass")
    (home / "sd-scripts" / "venv" / "bin" / "python").symlink_to(sys.executable)
    for number in range(5):
        write_png(project / "train" / "10_hero" / f"{number}.png")
    return Desk(home, project, {})


@dataclass(frozen=True)
class WithGpu(Desk):
    def context(self) -> Context:
        made = super().context()
        found = Found(made.found.sd_scripts, made.found.pythons, made.found.models, "cuda")
        return Context(made.project, made.places, found, made.flags_of)


COMMAND = (
    "accelerate launch {launch} train_network.py --train_data_dir=~/project/train --output_name=hero --seed=1 "
    "--resolution=64 --max_train_epochs=2 {more}"
)


def test_an_import_expects_the_device_the_images_and_the_steps_that_are_known(desk: Desk) -> None:
    gpu = WithGpu(desk.home, desk.project, {})
    config = desk.config(gpu.pasted(COMMAND.format(launch="", more="")))
    assert (config.expect.device, config.expect.images, config.expect.steps) == ("cuda", 5, 100)


def test_what_is_not_known_is_not_expected(desk: Desk) -> None:
    (desk.project / "reg" / "1_r").mkdir(parents=True)
    write_png(desk.project / "reg" / "1_r" / "0.png")
    doubled = COMMAND.format(launch="--cpu", more="--reg_data_dir=~/project/reg")
    config = desk.config(desk.pasted(doubled))
    assert (config.expect.device, config.expect.images, config.expect.steps) == ("cpu", 5, None)
    several = desk.config(desk.pasted(COMMAND.format(launch="--num_processes=2", more="")))
    assert (several.expect.device, several.expect.steps) == (None, None)
    unknown = desk.config(desk.pasted("accelerate launch train_network.py --output_name=x"))
    assert unknown.expect.images is None


def test_an_import_without_states_proposes_them_and_says_what_their_absence_costs(
    desk: Desk,
) -> None:
    made = desk.pasted(COMMAND.format(launch="", more=""))
    assert "# save_state = true" in made.config_text
    assert any("resumes from weights only" in note for note in made.notes)
    saved = desk.pasted(COMMAND.format(launch="", more="--save_state"))
    assert "# save_state" not in saved.config_text
    assert not any("save_state" in note for note in saved.notes)


def test_a_new_project_saves_states(desk: Desk) -> None:
    assert "\nsave_state = true\n" in new_project(context=desk.context()).config_text


def test_a_gpu_that_the_launcher_does_not_use_is_a_failure_unless_the_cpu_is_expected() -> None:
    found = Device("cpu", torch="2.4", accelerate="1.6", cuda=True, forced_cpu=True)
    unmeant = judge(found, None, "/c.yaml")
    assert (unmeant.status, unmeant.evidence) == ("fail", "cpu, torch sees cuda")
    assert "use_cpu: false in /c.yaml" in unmeant.advice
    assert 'device = "cpu" in [expect]' in unmeant.advice
    assert judge(found, "cpu", "/c.yaml").status == "pass"
    assert judge(Device("cpu", torch="2.4", accelerate="1.6"), None, "/c.yaml").status == "pass"


def test_preflight_warns_when_no_state_will_be_saved(tmp_path: Path) -> None:
    made = Project(tmp_path)
    made.add_images("train", 2, "x")
    made.write_dataset()
    none = made.find("state", train="save_every_n_epochs = 1")
    assert (none.status, none.evidence) == ("warn", "no state saved")
    assert "resumes from weights only" in none.detail
    late = made.find("state", train="save_state = true")
    assert (late.status, late.evidence) == ("warn", "no state before end")
    good = made.find("state", train="save_state = true\nsave_every_n_epochs = 1")
    assert (good.status, good.detail[:18]) == ("pass", "1 state before the")
    assert made.find("state", smoke=True).status == "skip"
