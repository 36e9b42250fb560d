"""The device probe in a real interpreter, bare and through `accelerate launch`."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from runner.config.model import Config, Trainer
from runner.preflight.checks import device
from runner.preflight.checks.device import judge_device as judge
from runner.preflight.facts import Facts
from runner.preflight.probe import Device, probe
from runner.trainers.command import build_command
from runner.trainers.registry import load_config

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
]


def config(launcher: str, folder: Path) -> Config:
    trainer = Trainer(None, sys.executable, "runner.embedded", launcher)
    return Config(path=folder / "plasma.toml", name="x", trainer=trainer)


def ask(what: Config, cancelled: threading.Event | None = None) -> Device:
    return probe(what, build_command(what), cancelled or threading.Event())


def test_a_bare_interpreter_tells_its_device(tmp_path: Path) -> None:
    found = ask(config("python", tmp_path))
    assert found.problem is None
    assert found.name is not None
    assert found.torch and found.accelerate
    assert judge(found, found.name, "").status == "pass"


def test_the_launcher_is_asked_with_its_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`accelerate config default` writes use_cpu: true on a Mac (accelerate 1.6)."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate" / "default_config.yaml").write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nuse_cpu: true\n"
    )
    found = ask(config("accelerate", tmp_path))
    assert (found.name, found.forced_cpu) == ("cpu", True)
    judged = judge(found, "mps", f"{tmp_path}/accelerate/default_config.yaml")
    assert judged.evidence == "cpu, not mps"
    assert judged.advice == f"set use_cpu: false in {tmp_path}/accelerate/default_config.yaml"


def test_an_obsolete_type_of_the_launcher_fails_and_the_cure_lets_it_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`distributed_type: MPS` of configurations before accelerate 0.20."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "accelerate").mkdir()
    users = tmp_path / "accelerate" / "default_config.yaml"
    users.write_text("compute_environment: LOCAL_MACHINE\ndistributed_type: MPS\nuse_cpu: false\n")
    (tmp_path / "plasma.toml").write_text(
        f'[trainer]\nsd_scripts = "embedded"\npython = "{sys.executable}"\n'
        'launcher = "accelerate"\n[train]\noutput_dir = "out"\n'
    )
    found = device.launcher(Facts(load_config(tmp_path)))
    assert (found.status, found.evidence) == ("fail", "launch fails")
    assert "'MPS' is not a valid DistributedType" in found.detail
    before = users.read_text()
    found.cures[0].apply(lambda line: None)
    assert users.read_text() == before
    found = device.launcher(Facts(load_config(tmp_path)))
    assert (found.status, found.evidence) == ("pass", "same as bare"), found


def test_what_accelerate_refuses_is_told(tmp_path: Path) -> None:
    what = config("python", tmp_path)
    env = {"ACCELERATE_TORCH_DEVICE": "toaster"}
    found = ask(dataclasses.replace(what, trainer=dataclasses.replace(what.trainer, env=env)))
    assert found.name is None
    assert found.problem is not None and "toaster" in found.problem
    assert found.torch, "what torch told before is kept"


def test_fp16_on_a_cpu_fails_before_sd_scripts_does(tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    what = config("python", tmp_path)
    trainer = dataclasses.replace(what.trainer, sd_scripts=tmp_path / "sd", script="x.py")
    env = {"ACCELERATE_USE_CPU": "true"}
    trainer = dataclasses.replace(trainer, env=env)
    what = dataclasses.replace(what, trainer=trainer, train={"mixed_precision": "fp16"})
    found = device.precision(Facts(what))
    assert (found.status, found.evidence) == ("fail", "fp16 on a CPU")


def test_a_cancelled_probe_leaves_no_process(tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    begin = time.monotonic()
    found = ask(config("accelerate", tmp_path), cancelled)
    assert found.problem == "cancelled"
    assert time.monotonic() - begin < 5
    left = [p for p in psutil.Process().children(recursive=True) if p.status() != "zombie"]
    assert left == []
