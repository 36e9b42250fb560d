"""What preflight finds in the trainer, its interpreter, the base model, the output and the machine."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.config.interpreter import Interpreter
from runner.model import ExpectedCheckpoint, Forecast
from runner.preflight import hub
from runner.preflight.checks import base_model, machine, output, unattended
from runner.preflight.checks.device import fits
from runner.preflight.checks.device import judge_device as judge
from runner.preflight.checks.packages import packages as look_at_packages
from runner.preflight.checks.trainer import describe
from runner.preflight.checks.trainer import python as look_at_python
from runner.preflight.cures.model import Fix
from runner.preflight.existing_files import names
from runner.preflight.facts import Facts
from runner.preflight.model import failed
from runner.preflight.probe import Device
from runner.trainers.sd_scripts.packages import optimizer_package
from tests.unit.preflight.preflight_project import Project, look, project_fixture

project = project_fixture(checkout=False)


def checkout(folder: Path) -> Path:
    """A folder that looks like sd-scripts."""
    (folder / "networks").mkdir(parents=True)
    (folder / "train_network.py").write_text("pass\n")
    (folder / "networks" / "lora.py").write_text("pass\n")
    (folder / "library").mkdir()
    (folder / "library" / "train_util.py").write_text("pass\n")
    return folder


SD = 'sd_scripts = "sd-scripts"'


def test_the_built_in_trainer_is_always_there(project: Project) -> None:
    assert project.find("trainer").evidence == "built-in trainer"


def test_a_whole_checkout_passes(project: Project) -> None:
    checkout(project.root / "sd-scripts")
    found = project.find("trainer", trainer=SD)
    assert (found.status, found.evidence) == ("pass", "sd-scripts found")


def test_an_empty_submodule_fails_with_the_git_command(project: Project) -> None:
    (project.root / "sd-scripts").mkdir()
    (project.root / ".gitmodules").write_text('[submodule "sd"]\n\tpath = sd-scripts\n')
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    found = project.find("trainer", trainer=SD)
    assert (found.status, found.evidence) == ("fail", "sd-scripts missing")
    assert found.detail == f"{project.root}/sd-scripts is empty."
    assert found.advice == f"cd {project.root} && git submodule update --init --recursive"
    assert [cure.name for cure in found.cures] == ["trainer"]


def test_submodules_of_others_are_none_of_its_business(project: Project) -> None:
    (project.root / "sd-scripts").mkdir()
    (project.root / ".gitmodules").write_text('[submodule "x"]\n\tpath = vendor/x\n')
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    assert project.find("trainer", trainer=SD).advice.startswith("clone kohya-ss/sd-scripts")


def test_a_downloaded_zip_has_no_submodule_to_update(project: Project) -> None:
    (project.root / "sd-scripts").mkdir()
    (project.root / ".gitmodules").write_text('[submodule "sd"]\n\tpath = sd-scripts\n')
    found = project.find("trainer", trainer=SD)
    assert found.status == "fail"
    assert "is not a git repository" in found.advice
    assert found.cures == ()


def test_a_missing_folder_fails(project: Project) -> None:
    found = project.find("trainer", trainer=SD)
    assert found.detail == f"{project.root}/sd-scripts does not exist."
    assert found.advice == "clone kohya-ss/sd-scripts there, or correct [trainer] sd_scripts"


@pytest.mark.parametrize(
    ("name", "evidence"),
    [("train_network.py", "no train_network.py"), ("networks/lora.py", "no lora.py")],
)
def test_an_empty_file_of_the_checkout_fails(project: Project, name: str, evidence: str) -> None:
    sd = checkout(project.root / "sd-scripts")
    (sd / name).write_text("")
    found = project.find("trainer", trainer=SD)
    assert (found.status, found.evidence) == ("fail", evidence)
    assert str(sd / name) in found.detail


def test_the_network_module_of_the_checkout_must_be_there(project: Project) -> None:
    checkout(project.root / "sd-scripts")
    found = project.find("trainer", trainer=SD, train='network_module = "networks.lora_flux"')
    assert found.evidence == "no lora_flux.py"


def test_the_folder_around_sd_scripts_is_recognised(project: Project) -> None:
    checkout(project.root / "kohya_ss" / "sd-scripts")
    found = project.find("trainer", trainer='sd_scripts = "kohya_ss"')
    assert (found.status, found.evidence) == ("fail", "wrong folder")
    assert found.advice == f'sd_scripts = "{project.root}/kohya_ss/sd-scripts"'


def test_the_version_comes_from_git(project: Project) -> None:
    sd = checkout(project.root / "sd-scripts")
    assert describe(sd) is None
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v0.10.1"]):
        subprocess.run(["git", *identity, *command], cwd=sd, check=True, capture_output=True)
    assert describe(sd) == "v0.10.1"
    assert project.find("trainer", trainer=SD).evidence == "sd-scripts v0.10.1"
    (sd / "more").touch()
    for command in (["add", "."], ["commit", "-qm", "y"]):
        subprocess.run(["git", *identity, *command], cwd=sd, check=True, capture_output=True)
    assert describe(sd) == "v0.10.1+1"


class Pretended(Facts):
    """Facts whose interpreter is given."""

    def __init__(
        self,
        project: Project,
        told: Interpreter,
        trainer: str = SD,
        train: str = "",
        expect: str = "",
    ) -> None:
        super().__init__(project.config(trainer=trainer, train=train, expect=expect))
        self._told = told

    def interpreter(self) -> Interpreter:
        return self.once("interpreter", lambda: self._told)


def python(version: str = "3.11.7", **found: str | None) -> Interpreter:
    whole: Mapping[str, str | None] = {"torch": "2.13.0+cpu", "tensorboard": "2.20", **found}
    return Interpreter("/venv/bin/python", None, version, "/venv", whole)


def test_a_python_that_does_not_run_fails_once(project: Project) -> None:
    facts = Pretended(project, Interpreter("/venv/bin/python", "No such file or directory"))
    found = look_at_python(facts)
    assert (found.status, found.evidence) == ("fail", "python does not run")
    assert found.detail == f"{facts.config.trainer.python}: No such file or directory."
    assert look_at_packages(facts).status == "skip"


def test_the_age_of_python_matters(project: Project) -> None:
    assert look_at_python(Pretended(project, python("3.10.2"))).status == "pass"
    assert look_at_python(Pretended(project, python("3.9.2"))).status == "warn"
    built_in = 'sd_scripts = "embedded"'
    assert look_at_python(Pretended(project, python("3.10.2"), built_in)).status == "fail"


def test_missing_packages_are_named_as_pip_knows_them(project: Project) -> None:
    found = look_at_packages(Pretended(project, python(cv2=None, PIL=None)))
    assert (found.status, found.evidence) == ("fail", "2 are missing")
    assert found.detail == "/venv/bin/python cannot find cv2, PIL."
    assert found.advice is not None and found.advice.endswith(
        " -m pip install opencv-python pillow"
    )
    assert look_at_packages(Pretended(project, python(cv2=None))).evidence == "no cv2"


@pytest.mark.parametrize(
    ("torch", "expect", "installs"),
    [
        ("2.8.0+cu128", "", True),
        ("2.8.0+cu128", 'device = "cuda"', True),
        ("2.8.0+cpu", "", False),
        ("2.8.0", 'device = "mps"', False),
        ("2.8.0", 'device = "cpu"', False),
    ],
)
@pytest.mark.parametrize(
    ("flag", "package", "instead"),
    [
        ('optimizer_type = "AdamW8bit"', "bitsandbytes", 'optimizer_type = "AdamW"'),
        ("xformers = true", "xformers", "sdpa = true in place of xformers"),
    ],
)
def test_a_package_that_needs_cuda_is_not_to_be_installed_elsewhere(
    project: Project, torch: str, expect: str, installs: bool, flag: str, package: str, instead: str
) -> None:
    absent: dict[str, str | None] = {package: None, "torch": torch}
    told = python(**absent)
    found = look_at_packages(Pretended(project, told, train=flag, expect=expect))
    assert found.status == "fail"
    assert (f"pip install {package}" in found.advice) is installs
    assert (instead in found.advice) is not installs
    assert (f"{package} cannot train on" in found.detail) is not installs


def test_a_cure_that_the_platform_rules_out_is_not_offered(project: Project) -> None:
    facts = Facts(project.config(trainer=SD, expect='device = "cpu"'))
    impossible = Fix("8 bits", {"optimizer_type": "AdamW8bit"})
    found = failed("x", "x.", "x", impossible, Fix("a seed", {"seed": 1})).curable(facts, "x")
    assert [cure.title for cure in found.cures] == ["a seed"]
    assert failed("x", "x.", "x", impossible).curable(facts, "x").cures == ()


def test_without_tensorboard_there_is_only_a_warning(project: Project) -> None:
    found = look_at_packages(Pretended(project, python(tensorboard=None)))
    assert (found.status, found.evidence) == ("warn", "no tensorboard")
    assert look_at_packages(Pretended(project, python())).evidence == "torch 2.13.0"


@pytest.mark.parametrize(
    ("optimizer", "module"),
    [
        ("", None),
        ("AdamW", None),
        ("AdamW8bit", "bitsandbytes"),
        ("PagedAdamW", "bitsandbytes"),
        ("Lion", "lion_pytorch"),
        ("DAdaptAdam", "dadaptation"),
        ("Prodigy", "prodigyopt"),
        ("RAdamScheduleFree", "schedulefree"),
        ("prodigyplus.ProdigyPlusScheduleFree", "prodigyplus"),
    ],
)
def test_an_optimizer_brings_its_package(optimizer: str, module: str | None) -> None:
    assert optimizer_package(optimizer) == module


def test_flags_bring_their_packages(project: Project) -> None:
    train = 'xformers = true\nlog_with = "wandb"\nnetwork_module = "lycoris.kohya"'
    wanted = Facts(project.config(trainer=SD, train=train)).packages()
    assert {"xformers", "wandb", "lycoris", "transformers"} <= set(wanted)
    assert "transformers" not in Facts(project.config(train=train)).packages()


def safetensors(path: Path, values: int = 4, cut: int = 0) -> Path:
    header = {"a": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}
    text = json.dumps(header).encode()
    whole = struct.pack("<Q", len(text)) + text + b"\x00" * (4 * values)
    path.write_bytes(whole[: len(whole) - cut])
    return path


def test_a_whole_base_model_passes(tmp_path: Path) -> None:
    found = base_model.inspect(safetensors(tmp_path / "m.safetensors"))
    assert (found.status, found.evidence) == ("pass", "complete, 86 B")


@pytest.mark.parametrize(
    ("content", "evidence", "said"),
    [
        (b"", "0 bytes", "is empty"),
        (b"<!DOCTYPE html>", "not safetensors", "is a web page, not the model itself"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "not safetensors",
            "git-lfs pointer",
        ),
        (b"PK\x03\x04abcdefgh", "not safetensors", "a pickled checkpoint (.ckpt)"),
        (struct.pack("<Q", 1000) + b'{"a"', "damaged file", "truncated inside the header"),
    ],
)
def test_what_is_no_model_is_named(
    tmp_path: Path, content: bytes, evidence: str, said: str
) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(content)
    found = base_model.inspect(file)
    assert (found.status, found.evidence) == ("fail", evidence)
    assert said in found.detail
    assert found.advice == "download the file again"


def test_a_truncated_model_tells_how_much_is_there(tmp_path: Path) -> None:
    found = base_model.inspect(safetensors(tmp_path / "m.safetensors", cut=6))
    assert (found.status, found.evidence) == ("fail", "incomplete")
    assert "80 B of 86 B" in found.detail


def test_a_missing_model_fails(project: Project) -> None:
    found = project.find("base_model", train='pretrained_model_name_or_path = "m.safetensors"')
    assert (found.status, found.evidence) == ("fail", "not found")
    assert found.detail == f"{project.root}/m.safetensors does not exist."


def test_a_folder_is_a_model_only_in_the_layout_of_diffusers(tmp_path: Path) -> None:
    assert base_model.inspect(tmp_path).evidence == "not diffusers"
    (tmp_path / "model_index.json").touch()
    assert base_model.inspect(tmp_path).status == "pass"


def test_no_model_is_a_failure_for_sd_scripts_only(project: Project) -> None:
    assert project.find("base_model").evidence == "built-in model"
    assert project.find("base_model", trainer=SD).evidence == "none given"
    elsewhere = project.find("base_model", trainer=SD, train='config_file = "c.toml"')
    assert elsewhere.status == "skip"


def test_a_hub_name_is_looked_for_in_its_cache(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    answers = {"reachable": True}
    monkeypatch.setattr(hub, "reachable", lambda env: answers["reachable"])
    train = 'pretrained_model_name_or_path = "some/model"'
    found = project.find("base_model", trainer=SD, train=train)
    assert (found.status, found.evidence) == ("warn", "not on this disk")
    answers["reachable"] = False
    assert project.find("base_model", trainer=SD, train=train).evidence == "missing, no hub"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = project.find("base_model", trainer=SD, train=train)
    assert (found.status, found.evidence) == ("fail", "missing, offline")
    (project.root / "hf/hub/models--some--model").mkdir(parents=True)
    assert project.find("base_model", trainer=SD, train=train).evidence == "in the HF cache"


def test_an_output_folder_is_tried_not_guessed(project: Project) -> None:
    assert project.find("output").evidence == "will be created"
    assert not (project.root / "out").exists()
    (project.root / "out").mkdir()
    assert project.find("output").evidence == "writable"
    assert list((project.root / "out").iterdir()) == []


def test_a_file_in_the_way_of_the_output_fails(project: Project) -> None:
    (project.root / "out").touch()
    found = project.find("output")
    assert (found.status, found.evidence) == ("fail", "a file is in the way")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_fails(project: Project) -> None:
    (project.root / "out").mkdir(mode=0o500)
    assert project.find("output").evidence == "not writable"


def test_a_file_system_that_refuses_files_fails() -> None:
    assert output.write_problem(Path("/proc")) is not None


def test_without_output_dir_the_checks_say_so(project: Project) -> None:
    config = project.config().changed({"output_dir": False})
    found = look("output", config)
    assert (found.status, found.evidence) == ("fail", "no output_dir")
    assert found.advice == 'add output_dir = "output" to [train]'
    for name in ("overwrite", "other_run", "disk"):
        assert look(name, config).status == "skip"


def test_files_that_would_be_overwritten_are_all_names_of_the_forecast() -> None:
    steps = ExpectedCheckpoint("a-step00000010.safetensors", 10, state_name="a-step00000010-state")
    last = ExpectedCheckpoint("a.safetensors", 20)
    forecast = Forecast(checkpoints=(steps, last), final="a.safetensors")
    assert names(forecast) == [
        "a-step00000010.safetensors",
        "a-step00000010-state",
        "a.safetensors",
    ]


def test_what_the_disk_must_hold_is_files_and_states() -> None:
    made = [ExpectedCheckpoint(f"{n}", n, state_name="s" if n < 3 else None) for n in range(1, 5)]
    forecast = Forecast(checkpoints=tuple(made))
    assert output.needed(forecast, None) is None
    assert output.needed(forecast, 200) == 200 * (4 + 2 * 3)
    assert output.needed(Forecast(checkpoints=tuple(made), size_bytes=10), 200) == 10
    assert output.needed(dataclasses.replace(forecast, state_bytes=100), 200) == 200 * 4 + 2 * 100


def test_what_save_last_n_deletes_makes_room_but_only_after_the_next_is_written() -> None:
    made = tuple(ExpectedCheckpoint(f"{n}", n, removed_at_step=n + 1) for n in range(1, 9))
    kept = (*made, ExpectedCheckpoint("last", 9))
    assert output.needed(Forecast(checkpoints=kept), 100) == 200


@pytest.mark.parametrize(
    ("free", "need", "status", "evidence"),
    [
        (9e9, 1e9, "pass", "9.0 GB free"),
        (1.1e9, 1e9, "warn", "1.1 GB free"),
        (0.5e9, 1e9, "fail", "500 MB, not 1.0 GB"),
        (6e9, None, "pass", "6.0 GB free"),
        (4e9, None, "warn", "4.0 GB free"),
    ],
)
def test_the_disk_is_held_against_the_need(
    free: float, need: float | None, status: str, evidence: str
) -> None:
    found = output.judge_disk(int(free), None if need is None else int(need), "/out")
    assert (found.status, found.evidence) == (status, evidence)


def test_little_memory_is_a_warning() -> None:
    found = machine.judge_memory(3 * 2**30, 16 * 2**30, 4 * 10**9)
    assert (found.status, found.evidence) == ("warn", "3.0 GB free")
    assert machine.judge_memory(8 * 2**30, 16 * 2**30, 4 * 10**9).status == "pass"


def test_logind_may_end_a_training_at_logout(tmp_path: Path) -> None:
    file, folder = tmp_path / "logind.conf", tmp_path / "logind.conf.d"
    file.write_text("[Login]\n#KillUserProcesses=yes\n")
    folder.mkdir()
    assert not unattended.kills_user_processes((file, folder))
    (folder / "50.conf").write_text("[Login]\nKillUserProcesses = yes\n")
    assert unattended.kills_user_processes((file, folder))
    assert (
        unattended.judge_logout("own session", scope=False, lingers=False, kills=True).status
        == "warn"
    )
    assert (
        unattended.judge_logout("own session", scope=False, lingers=False, kills=False).status
        == "pass"
    )
    kept = unattended.judge_logout("systemd user scope", scope=True, lingers=True, kills=True)
    assert kept.status == "pass"


def test_no_run_is_live_in_an_empty_home(project: Project) -> None:
    found = project.find("other_run")
    assert (found.status, found.evidence) == ("pass", "none")


@pytest.mark.parametrize(
    ("found", "expected", "status", "evidence"),
    [
        (Device("cpu"), None, "pass", "trains on cpu"),
        (Device("mps"), "mps", "pass", "trains on mps"),
        (Device("cuda"), "cuda:0", "pass", "trains on cuda"),
        (Device("cpu"), "mps", "fail", "cpu, not mps"),
        (Device(None, "ValueError: fp16"), "cpu", "fail", "accelerate fails"),
        (Device(None, "cancelled"), "cpu", "fail", "device unknown"),
    ],
)
def test_the_device_is_held_against_the_expectation(
    found: Device, expected: str | None, status: str, evidence: str
) -> None:
    judged = judge(found, expected, "c.yaml")
    assert (judged.status, judged.evidence) == (status, evidence)


def test_the_reason_for_a_wrong_device_is_told() -> None:
    forced = judge(Device("cpu", forced_cpu=True, mps=True), "mps", "/mine.yaml")
    assert forced.advice == "set use_cpu: false in /mine.yaml"
    hidden = judge(Device("cpu", cuda=True), "cuda:1", "c.yaml")
    assert "torch itself sees cuda" in hidden.detail
    without = judge(Device("cpu", torch="2.5.1+cpu"), "cuda", "c.yaml")
    assert "does not see cuda: torch 2.5.1+cpu is built for the CPU" in without.detail
    assert without.advice == "install a torch build for this device, or correct [expect] device"
    driver = judge(Device("cpu", cuda_build="12.4"), "cuda", "c.yaml")
    assert "built for CUDA 12.4, and no driver offers it a GPU" in driver.detail
    masked = judge(Device("cpu", cuda_build="12.4", visible=""), "cuda", "c.yaml")
    assert 'CUDA_VISIBLE_DEVICES is ""' in masked.detail
    assert "macOS offers none" in judge(Device("cpu", mps_built=True), "mps", "c.yaml").detail


def test_a_numbered_device_is_that_one() -> None:
    assert fits("cuda:1", "cuda") and fits("cuda:1", "cuda:1")
    assert not fits("cuda:1", "cuda:0") and not fits("cpu", "cuda")


def test_the_interpreter_is_really_asked(project: Project) -> None:
    found = project.find("python")
    version = ".".join(map(str, sys.version_info[:3]))
    assert (found.status, found.evidence) == ("pass", f"Python {version}")


def test_flags_of_saving_do_what_they_seem_to(project: Project) -> None:
    found = project.find("saves", train="save_every_n_epochs = 1")
    assert (found.status, found.evidence) == ("pass", "2 files")
    found = project.find("saves", train="save_every_n_epochs = 0")
    assert (found.status, found.evidence) == ("fail", "save_every_n_epochs")
    assert "stops at the end of the first epoch" in found.detail
    found.cures[0].apply(lambda line: None)
    assert "save_every_n_epochs" not in (project.root / "plasma.toml").read_text()
    found = project.find("saves", train="save_every_n_epochs = 1\nsave_last_n_steps = 3")
    assert (found.status, found.evidence) == ("warn", "save_last_n_steps")
    assert project.find("steps", train="save_last_n_steps = 3").status == "pass"
