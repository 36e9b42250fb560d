"""The settings key: the same for trainings that are the same, another for whatever trains otherwise."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.config.model import Config
from runner.control import begin
from runner.control.begin import prepare
from runner.control.gate import approve, gate_status
from runner.model import RunSpec
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.settings_key import (
    changed_parts,
    key_of,
    part_of,
    settings_key,
    settings_part,
)
from tests.unit.control.test_gate import smoke_run
from tests.unit.preflight.preflight_project import Project, png

TRAIN = """
pretrained_model_name_or_path = "base.safetensors"
network_module = "networks.lora"
network_args = ["conv_dim=4", "conv_alpha=1e-1"]
learning_rate = 1e-4
"""
SD = 'sd_scripts = "sd"\npython = "/usr/bin/python3"\nlauncher = "accelerate"'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 3, "a")
    project.write_dataset("shuffle_caption = true\nkeep_tokens = 1")
    project.checkout()
    (tmp_path / "base.safetensors").write_bytes(os.urandom(6 << 20))
    return project


@pytest.fixture
def config(project: Project) -> Config:
    return project.config(TRAIN, trainer=SD)


# --------------------------------------------------------------------------- the same


@pytest.mark.parametrize(
    "spelled",
    ["learning_rate = 0.0001", 'learning_rate = "1e-4"', "learning_rate = 1.0e-4"],
)
def test_another_spelling_of_a_number_is_the_same(
    project: Project, config: Config, spelled: str
) -> None:
    other = project.config(TRAIN.replace("learning_rate = 1e-4", spelled), trainer=SD)
    assert settings_key(other) == settings_key(config)


def test_numbers_behind_a_name_are_compared_as_numbers_too(
    project: Project, config: Config
) -> None:
    other = project.config(TRAIN.replace("1e-1", "0.1"), trainer=SD)
    assert settings_key(other) == settings_key(config)


def test_large_seeds_stay_apart(config: Config) -> None:
    one = config.changed({"seed": 9007199254740992})
    assert settings_key(one) != settings_key(config.changed({"seed": 9007199254740993}))


def test_comments_white_space_and_order_in_the_dataset_file_are_free(
    project: Project, config: Config
) -> None:
    before = settings_key(config)
    text = (project.root / "dataset.toml").read_text()
    text = text.replace(
        "shuffle_caption = true\nkeep_tokens = 1",
        "keep_tokens=1 # in front\n\nshuffle_caption =  true",
    )
    (project.root / "dataset.toml").write_text(f"# a comment\n{text}")
    assert settings_key(config) == before
    (project.root / "dataset.toml").write_text(text.replace("keep_tokens=1", "keep_tokens=2"))
    assert changed_parts(before, settings_key(config)) == ("settings",)


def test_flags_of_the_trainers_own_config_file_count_by_what_they_say(
    project: Project, config: Config
) -> None:
    sd_toml = project.root / "sd.toml"
    sd_toml.write_text("max_grad_norm = 1e-1\n")
    before = settings_key(config.changed({"config_file": str(sd_toml)}))
    sd_toml.write_text("# the same\nmax_grad_norm   = 0.1\n")
    assert settings_key(config.changed({"config_file": str(sd_toml)})) == before
    sd_toml.write_text("max_grad_norm = 0.2\n")
    assert settings_key(config.changed({"config_file": str(sd_toml)})) != before


def test_the_command_that_runs_has_the_key_of_its_configuration(config: Config) -> None:
    prepared = prepare(config)
    plan = prepared.plan
    assert prepared.spec.settings_key == settings_key(config)
    assert key_of(plan.command, plan.env, plan.cwd) == settings_key(config)
    assert prepare(config, smoke=True).spec.settings_key == settings_key(config)


def test_a_rewritten_but_equal_file_is_the_same(project: Project, config: Config) -> None:
    before = settings_key(config)
    for name in ("base.safetensors", "sd/networks/lora.py"):
        file = project.root / name
        shutil.copy(file, project.root / "copy")
        (project.root / "copy").replace(file)
        os.utime(file, (1, 1))
    assert settings_key(config) == before


# --------------------------------------------------------------------------- another


def edit(name: str, text: str = "changed = 1\n") -> Callable[[Project], None]:
    return lambda project: (project.root / name).write_text(text) and None


def add_image(project: Project) -> None:
    (project.train / "new.png").write_bytes(png())


def remove_image(project: Project) -> None:
    (project.train / "0000.png").unlink()


def copied_with_its_time(project: Project) -> None:
    """Another model of the same size, architecture and time, as `cp -p` leaves it."""
    file = project.root / "base.safetensors"
    seen, data = file.stat(), bytearray(file.read_bytes())
    data[3 << 20 :] = os.urandom(len(data) - (3 << 20))
    file.write_bytes(data)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (edit("sd/networks/lora.py"), "the trainer's code"),
        (edit("sd/library/train_util.py"), "the trainer's code"),
        (edit("sd/train_network.py"), "the trainer's code"),
        (edit("sd/networks/new.py"), "the trainer's code"),
        (add_image, "images or captions"),
        (remove_image, "images or captions"),
        (edit("train/0001.txt", "b"), "images or captions"),
        (copied_with_its_time, "model files"),
    ],
)
def test_what_trains_otherwise_is_told_by_its_part(
    project: Project, config: Config, change: Callable[[Project], None], part: str
) -> None:
    before = settings_key(config)
    change(project)
    assert changed_parts(before, settings_key(config)) == (part,)
    assert part_of(before) == settings_part(config)


def test_a_network_module_of_an_installed_package_counts(project: Project) -> None:
    packages = project.root / "venv" / "lib" / "python3.11" / "site-packages" / "lycoris"
    packages.mkdir(parents=True)
    (packages / "kohya.py").write_text("rank = 1\n")
    config = project.config(
        TRAIN.replace("networks.lora", "lycoris.kohya"),
        trainer=SD.replace("/usr/bin/python3", f"{project.root}/venv/bin/python"),
    )
    before = settings_key(config)
    (packages / "kohya.py").write_text("rank = 2\n")
    assert changed_parts(before, settings_key(config)) == ("the trainer's code",)


def test_what_cannot_be_read_is_no_crash(project: Project, config: Config) -> None:
    (project.root / "dataset.toml").write_text("no [toml")
    (project.root / "base.safetensors").unlink()
    os.mkfifo(project.root / "base.safetensors")
    os.mkfifo(project.root / "sd" / "networks" / "pipe.py")
    assert settings_key(config) == settings_key(config)


def test_a_large_model_is_sampled_not_read(project: Project, config: Config) -> None:
    with (project.root / "base.safetensors").open("wb") as stream:
        stream.truncate(200 << 30)  # sparse; reading it completely would take minutes
    began = time.monotonic()
    settings_key(config)
    assert time.monotonic() - began < 5.0


# --------------------------------------------------------------------------- the gate


def gated(config: Config) -> Config:
    return replace(config, smoke=replace(config.smoke, gate=True))


def own(run: RunDir, config: Config) -> RunDir:
    spec = read_json(run.spec, RunSpec)
    write_json(run.spec, replace(spec, config_path=str(config.path)))
    return run


def test_a_closed_gate_says_what_has_changed_since_the_smoke_test(
    project: Project, config: Config
) -> None:
    asked = gated(config)
    run = own(smoke_run(asked), asked)
    approve(run.path)
    assert gate_status(asked).open
    add_image(project)
    edit("sd/networks/lora.py")(project)
    text = gate_status(asked).text
    assert f"images or captions and the trainer's code changed since {run.id}" in text


def test_an_approval_of_an_older_version_opens_nothing_and_the_gate_says_so(
    config: Config,
) -> None:
    asked = gated(config)
    run = own(smoke_run(asked), asked)
    approve(run.path)
    spec = read_json(run.spec, RunSpec)
    write_json(run.spec, replace(spec, settings_key="0123456789abcdef"))
    closed = gate_status(asked)
    assert not closed.open
    assert "or it was recorded by an older version" in closed.text
    with pytest.raises(Exception, match="older version"):
        approve(run.path)


def test_a_change_while_the_checks_run_is_not_recorded_as_approved(
    project: Project, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = gated(config)
    approve(smoke_run(asked).path)

    def checks(*_: object, **__: object) -> object:
        add_image(project)
        return iter(())

    monkeypatch.setattr(begin, "checks", checks)
    monkeypatch.setattr(begin, "start_run", lambda *_, **__: pytest.fail("nothing may start"))
    with pytest.raises(begin.GateClosed):
        begin.start(asked)
