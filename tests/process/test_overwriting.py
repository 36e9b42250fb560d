"""`start` over files of an earlier training, and what `retry` records of the gate: with real processes and the
command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.model import RunSpec
from runner.store.journal import read_json
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import FAKE, wait_end
from tests.unit.preflight.preflight_project import Project

CLI = [sys.executable, "-m", "tui.cli"]
#: the fake trainer by the name of the real one; it takes only flags that it knows
SCRIPT = f"""
import runpy, sys
known = ("--output_dir", "--output_name", "--save_every_n_steps", "--max_train_steps")
sys.argv[1:] = [w for w in sys.argv[1:] if w.startswith(known)] + ["--delay", "0.01"]
runpy.run_path({str(FAKE)!r}, run_name="__main__")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 2, "a")
    project.write_dataset()
    (project.checkout() / "train_network.py").write_text(SCRIPT)
    project.config(
        "save_every_n_steps = 10\nmax_train_steps = 20\n",
        trainer=f'sd_scripts = "sd"\npython = {json.dumps(sys.executable)}\nlauncher = "python"',
    )
    text = (tmp_path / "plasma.toml").read_text().replace("max_train_epochs = 2\n", "")
    (tmp_path / "plasma.toml").write_text(text)
    return project


def cli(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *words], cwd=project.root, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def contents(project: Project) -> dict[str, tuple[int, int]]:
    files = (project.root / "out").iterdir()
    return {f.name: (f.stat().st_ino, f.stat().st_mtime_ns) for f in files}


def test_a_second_start_lists_what_it_would_overwrite_and_leaves_it_until_forced(
    project: Project, isolated_home: Path
) -> None:
    first = cli(project, "start", "--force", "no real trainer")
    assert first.returncode == 0, first.stderr
    assert f"Project: {project.root}/plasma.toml" in first.stderr
    assert f"Output: {project.root}/out/hero" in first.stderr
    assert "Command: " in first.stderr
    run = RunDir(isolated_home / "runs" / first.stdout.strip())
    wait_end(run)
    assert read_json(run.spec, RunSpec).overwrite is None
    before = contents(project)
    assert {"hero.safetensors", "hero-step00000010.safetensors"} <= before.keys()

    for words in (("start",), ("start", "--force")):
        again = cli(project, *words)
        assert again.returncode == 1
        assert "existing files in" in again.stderr and "would be overwritten" in again.stderr
        assert "hero-step00000010.safetensors  (written 20" in again.stderr
        assert f"by run {run.id}" in again.stderr
        assert "--force REASON" in again.stderr
    assert contents(project) == before
    assert len(list((isolated_home / "runs").iterdir())) == 1

    forced = cli(project, "start", "--force", "the first was a trial")
    assert forced.returncode == 0, forced.stderr
    second = RunDir(isolated_home / "runs" / forced.stdout.strip())
    wait_end(second)
    given = read_json(second.spec, RunSpec).overwrite
    assert given is not None and given.reason == "the first was a trial"
    assert set(given.files) <= before.keys()
    assert contents(project) != before


def approval_of(home: Path, run_id: str) -> dict[str, str]:
    return json.loads((home / "runs" / run_id / "spec.json").read_text())["approval"]  # type: ignore[no-any-return]


def test_a_retry_with_settings_that_nobody_approved_needs_a_reason_and_records_it(
    project: Project, isolated_home: Path
) -> None:
    with (project.root / "plasma.toml").open("a") as stream:
        stream.write("[smoke]\nmax_train_steps = 5\n")
    closed = cli(project, "start")
    assert closed.returncode == 1 and "no smoke test with these settings yet" in closed.stderr
    smoke = cli(project, "start", "--smoke", "--force", "--wait")
    assert smoke.returncode == 0, smoke.stderr
    assert cli(project, "approve", smoke.stdout.strip()).returncode == 0
    first = cli(project, "start", "--force", "--wait")
    assert first.returncode == 0, first.stderr
    run_id = first.stdout.strip()
    assert approval_of(isolated_home, run_id)["smoke_run"] == smoke.stdout.strip()

    words = ("retry", run_id, "--restart", "--set", "learning_rate=0.5")
    refused = cli(project, *words, "--force")
    assert refused.returncode == 1
    assert "these settings are not approved: no smoke test with these settings" in refused.stderr
    forced = cli(project, *words, "--force", "in a hurry")
    assert forced.returncode == 0, forced.stderr
    given = approval_of(isolated_home, forced.stdout.strip())
    assert given["smoke_run"] is None
    assert given["reason"].startswith("forced, settings differ from the approved ones: ")
    assert given["reason"].endswith("learning_rate=0.5: in a hurry")
    wait_end(RunDir(isolated_home / "runs" / forced.stdout.strip()))

    free = cli(project, "retry", run_id, "--restart", "--set", "save_every_n_steps=5", "--force")
    assert free.returncode == 0, free.stderr
    assert approval_of(isolated_home, free.stdout.strip())["smoke_run"] == smoke.stdout.strip()
    wait_end(RunDir(isolated_home / "runs" / free.stdout.strip()))

    (project.root / "sd" / "networks" / "lora.py").write_text("edited = True\n")
    closed = cli(project, "start")
    assert closed.returncode == 1
    assert f"the trainer's code changed since {smoke.stdout.strip()}" in closed.stderr
