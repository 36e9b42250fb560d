"""Tokens and passwords of a run: readable by their owner alone, and hidden wherever they are shown."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import orders as control
from runner.control.launch import start_run
from runner.files.private import tighten
from runner.model import Outcome
from runner.store.journal import write_json
from runner.store.liveness import lock_held
from runner.store.registry import run_paths
from runner.store.rundir import RunDir, home, runs_root
from tests import ROOT
from tests.process.helpers import (
    clean_up,
    kill,
    look,
    spec_for,
    start,
    wait_end,
    wait_for,
    wait_step,
)

FLAG, VARIABLE, PROXY, CHANGED = (
    "wandb-in-a-flag-4711", "token-in-a-variable-4712", "proxy-password-4713", "flag-of-a-resume-4714",
)  # fmt: skip
SECRETS = (FLAG, VARIABLE, PROXY, CHANGED)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """What group or others may do anything with; what the trainer writes lies behind the folder."""
    found = []
    for path in (folder, *folder.rglob("*")):
        theirs = {"tensorboard", "scratch"} & set(path.relative_to(folder).parts)
        if not theirs and stat.S_IMODE(path.lstat().st_mode) & 0o077:
            found.append(str(path))
    return found


def test_a_run_folder_is_for_its_owner_alone_and_the_trainer_keeps_its_umask(
    tmp_path: Path, open_umask: None
) -> None:
    output = tmp_path / "out"
    run = start(output, "--steps", "200", "--delay", "0.05")
    try:
        wait_step(run, 3)
        control.stop(run.path, "after_save")
        status = look(run).status
        assert status is not None
        kill(status.supervisor_pid or 0)
        wait_for(lambda: not lock_held(run.lock))
        control.adopt(run.path)
        wait_end(run)
    finally:
        clean_up(run, output)
    assert open_to_others(run.path) == []
    assert stat.S_IMODE(runs_root().stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in home().glob("*.lock")} == {0o600}
    assert stat.S_IMODE((output / "fake-step00000010.safetensors").stat().st_mode) == 0o666


def test_runs_of_earlier_versions_are_tightened_when_they_are_listed(
    tmp_path: Path, open_umask: None
) -> None:
    spec, _ = spec_for(tmp_path / "out")
    run = RunDir(runs_root() / spec.id)
    run.inbox_done.mkdir(parents=True)
    (run.path / "tensorboard").mkdir()
    (run.path / "tensorboard" / "events").touch(0o644)
    write_json(run.spec, spec)
    for path in (run.path, run.spec, run.inbox, run.inbox_done):
        path.chmod(0o777)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    (runs_root() / "20200101-000000-link-0000").symlink_to(elsewhere)
    assert run_paths()
    assert open_to_others(run.path) == []
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o777  # a link's target is not ours
    tighten(run.path)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *words], cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_no_command_shows_a_secret_of_a_run(tmp_path: Path) -> None:
    output = tmp_path / "out"
    spec, plan = spec_for(output, "--steps", "5000", "--save_state", "--wandb_api_key", FLAG)
    env = {"MY_HF_TOKEN": VARIABLE, "https_proxy": f"http://me:{PROXY}@proxy:1"}
    text = f'[trainer]\nenv = {{ MY_HF_TOKEN = "{VARIABLE}" }}\n[train]\nwandb_api_key = "{FLAG}"\n'
    spec = replace(spec, env={**spec.env, **env}, config_text=text)
    run = start_run(spec, replace(plan, env=spec.env))
    try:
        wait_step(run, 12)
        control.stop(run.path)
        assert wait_end(run).outcome is Outcome.STOPPED
        changed = command("resume", run.id, "--set", f"huggingface_token={CHANGED}")
        control.stop(run.path)
        wait_end(run)
    finally:
        clean_up(run, output)
    for words in (
        ("show", run.id), ("show", run.id, "--json"), ("show", run.id, "--markdown"),
        ("resume", run.id, "--dry-run"), ("resume", run.id, "--dry-run", "--json"),
        ("resume", run.id, "--dry-run", "--set", f"huggingface_token={CHANGED}"),
        ("retry", run.id, "--dry-run", "--restart", "--set", f"wandb_api_key={CHANGED}"),
        ("runs", "--json"), ("compare", run.id, run.id),
    ):  # fmt: skip
        done = command(*words)
        shown = done.stdout + done.stderr
        assert not [one for one in SECRETS if one in shown], (words, shown)
        assert "Traceback" not in shown
    assert not [one for one in SECRETS if one in changed.stdout + changed.stderr]
    assert run.summary_md.exists() and run.summary_json.exists() and run.log.exists()
    plans = {run.attempt(1), run.attempt(2)}  # the only ones that hold them: the trainer needs them
    for path in {one for one in run.path.rglob("*") if one.is_file()} - plans:
        text = path.read_text(errors="replace")
        assert not [one for one in SECRETS if one in text], path


def test_the_forecast_hides_the_secrets_of_plasma_toml(tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    (tmp_path / "sd" / "train_network.py").touch()
    (tmp_path / "images" / "3_x").mkdir(parents=True)
    file = tmp_path / "plasma.toml"
    file.write_text(f"""\
[trainer]
sd_scripts = "sd"
python = "{sys.executable}"
env = {{ MY_HF_TOKEN = "{VARIABLE}", https_proxy = "http://me:{PROXY}@proxy:1" }}
[train]
train_data_dir = "images"
output_dir = "out"
max_train_steps = 5
wandb_api_key = "{FLAG}"
""")
    for words in ((), ("--json",)):
        done = command("forecast", "--config", str(file), *words)
        assert done.returncode == 0, done.stderr
        assert not [one for one in SECRETS if one in done.stdout + done.stderr], done.stdout
