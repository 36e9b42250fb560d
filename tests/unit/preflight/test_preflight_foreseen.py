"""Every recorded failure of sd-scripts whose cause a check could have foreseen is foreseen: the situation
is brought about for real, and the check that the table names fails."""

from __future__ import annotations

import csv
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from runner.analysis.diagnosis.catalogue import keys
from runner.model import CheckResult
from runner.preflight import hub
from runner.preflight.facts import Facts
from runner.preflight.probe import Device
from runner.preflight.registry import BY_NAME, CHECKS, FORESEEN, run_check
from tests import DATA
from tests.unit.preflight import preflight_models as models
from tests.unit.preflight.preflight_project import Project, project_fixture

FAILURES = DATA / "failures"
LABELS = list(csv.DictReader((FAILURES / "labels.tsv").open(), delimiter="\t"))
SD = f'sd_scripts = "sd"\npython = "{sys.executable}"'

ARGPARSE = """
import argparse
def setup_parser():
    parser = argparse.ArgumentParser()
    for name in ("max_train_epochs", "output_dir", "output_name", "dataset_config", "config_file"):
        parser.add_argument("--" + name)
    return parser
if __name__ == "__main__":
    setup_parser().parse_args()
"""


class Situation:
    """A project as in a recorded failure; each method brings about one of them and gives what differs in
    plasma.toml."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.root = project.root
        self.patch = monkeypatch

    def unknown_flag(self) -> dict[str, str]:
        (self.root / "sd/train_network.py").write_text(ARGPARSE)
        return {"train": "learning_rat = 1e-4"}

    def toml_unknown_key(self) -> dict[str, str]:
        self.project.write_dataset(train="num_repeat = 3")
        return {}

    def toml_syntax(self) -> dict[str, str]:
        self.project.write_dataset(general="shuffle_caption = True")
        return {}

    def toml_missing(self) -> dict[str, str]:
        (self.root / "dataset.toml").unlink()
        return {}

    def empty_dir(self) -> dict[str, str]:
        for file in self.project.train.iterdir():
            file.unlink()
        return {}

    def no_repeats_prefix(self) -> dict[str, str]:
        self.project.train.rename(self.root / "set")
        (self.root / "images").mkdir()
        (self.root / "set").rename(self.root / "images" / "spyke")
        return {"flags": "by folders"}

    def bad_image(self) -> dict[str, str]:
        (self.project.train / "0001.png").write_text("not an image")
        return {}

    def empty_caption(self) -> dict[str, str]:
        (self.project.train / "0001.txt").write_bytes(b"")
        return {}

    def config_missing(self) -> dict[str, str]:
        return {"train": 'config_file = "nocfg"'}

    def no_bitsandbytes(self) -> dict[str, str]:
        return {"train": 'optimizer_type = "AdamW8bit"'}

    def bucket_reso(self) -> dict[str, str]:
        self.project.write_dataset(general="enable_bucket = true")
        return {}

    def color_aug(self) -> dict[str, str]:
        self.project.write_dataset(train="color_aug = true")
        return {"train": "cache_latents = true"}

    def _state(self, rank: int = 4, step: int = 20) -> Path:
        folder = self.root / "old-state"
        models.write(folder / "model.safetensors", models.lora(rank))
        for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
            with zipfile.ZipFile(folder / name, "w") as archive:
                archive.writestr("archive/data.pkl", b"x")
        state = {"current_epoch": 1, "current_step": step}
        (folder / "train_state.json").write_text(json.dumps(state))
        return folder

    def resume_missing(self) -> dict[str, str]:
        return {"train": 'resume = "old-state"'}

    def resume_dim(self) -> dict[str, str]:
        self._state(rank=4)
        return {"train": 'resume = "old-state"\nnetwork_dim = 8'}

    def resume_steps(self) -> dict[str, str]:
        self._state(step=60)
        return {"train": 'resume = "old-state"'}

    def state_truncated(self) -> dict[str, str]:
        (self._state() / "optimizer.bin").write_bytes(b"PK\x03\x04 and no end")
        return {"train": 'resume = "old-state"'}

    def fp16_cpu(self) -> dict[str, str]:
        return {"train": 'mixed_precision = "fp16"'}

    def _base(self, content: bytes) -> dict[str, str]:
        (self.root / "base.safetensors").write_bytes(content)
        return {"train": 'pretrained_model_name_or_path = "base.safetensors"'}

    def model_html(self) -> dict[str, str]:
        return self._base(b"<!DOCTYPE html><html><title>Sign in</title></html>")

    def model_truncated(self) -> dict[str, str]:
        return self._base(struct.pack("<Q", 1000) + b'{"a": {"dtype": "F32"')

    def model_missing(self) -> dict[str, str]:
        return {"train": 'pretrained_model_name_or_path = "nothing.safetensors"'}

    def v2_flag(self) -> dict[str, str]:
        models.write(self.root / "base.safetensors", models.stable_diffusion("sd1"))
        return {"train": 'pretrained_model_name_or_path = "base.safetensors"\nv2 = true'}

    def script_missing(self) -> dict[str, str]:
        (self.root / "sd/train_network.py").unlink()
        return {}

    def library_missing(self) -> dict[str, str]:
        (self.root / "sd/library/train_util.py").unlink()
        return {}

    def tokenizer_offline(self) -> dict[str, str]:
        self.patch.setenv("HF_HOME", str(self.root / "hf"))
        self.patch.setenv("HF_HUB_OFFLINE", "1")
        return {}

    def output_dir_none(self) -> dict[str, str]:
        return {"flags": "no output"}


#: what only shows while it happens: somebody, or the kernel when memory runs out, ends it
UNFORESEEABLE = {"killed_by_signal", "dataloader_worker_killed"}
CASES = [row for row in LABELS if row["cause"] in FORESEEN]


project = project_fixture(3)


def check_of(cause: str, project: Project, parts: dict[str, str]) -> CheckResult:
    changed = parts.pop("flags", None)
    config = project.config(**{"trainer": SD, **parts})
    if changed == "by folders":
        folder = str(project.root / "images")
        config = config.changed({"dataset_config": False, "train_data_dir": folder})
    elif changed == "no output":
        config = config.changed({"output_dir": False})
    check = BY_NAME[FORESEEN[cause]]
    return run_check(check, Facts(config))


def test_every_recorded_cause_is_foreseen_or_cannot_be() -> None:
    causes = {row["cause"] for row in LABELS}
    assert len(LABELS) >= 28
    assert causes <= FORESEEN.keys() | UNFORESEEABLE
    assert not FORESEEN.keys() & UNFORESEEABLE
    assert set(FORESEEN.values()) <= {check.name for check in CHECKS}


def test_the_table_speaks_of_causes_that_the_diagnosis_knows() -> None:
    known = keys()
    assert FORESEEN.keys() - known == set()


def _case(row: dict[str, str]) -> ParameterSet:
    name = row["file"].removesuffix(".log")
    # this one is answered by the accelerate that is installed
    return pytest.param(row, id=name, marks=pytest.mark.torch if name == "fp16_cpu" else ())


@pytest.mark.parametrize("row", [_case(row) for row in CASES])
def test_a_failure_that_was_recorded_is_foreseen(
    project: Project, monkeypatch: pytest.MonkeyPatch, row: dict[str, str]
) -> None:
    monkeypatch.setattr(hub, "reachable", lambda env: True)
    # what a CPU with accelerate 1.6 answers; tests/process asks a real one
    monkeypatch.setattr(Facts, "device", lambda facts, bare=False: Device("cpu", torch="2.13"))
    situation = Situation(project, monkeypatch)
    before = check_of(row["cause"], project, {})
    bring_about: Callable[[], dict[str, str]] = getattr(situation, row["file"].removesuffix(".log"))
    result = check_of(row["cause"], project, bring_about())
    assert result.status == "fail", result
    assert result.evidence != "check crashed", result
    assert result.detail and result.advice, "what is wrong, and what to do"
    assert (before.status, before.evidence) != (result.status, result.evidence)
