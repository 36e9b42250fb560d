"""A sweep on Slurm: one array for all its runs, stopped and compared as everywhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.model import Outcome, RunState
from runner.store.jobs import job_of
from runner.store.registry import group_of
from runner.store.rundir import RunDir, runs_root
from tests.process.helpers import wait_for
from tests.process.test_sweep import NAMES, TWO_BY_TWO, write_project
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import await_run, ended, seen
from tui.cli.main import main

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

ENGINE = '[engine]\nkind = "slurm"\ngres = "gpu:1"\ntime = 5\n'
Captured = pytest.CaptureFixture[str]


def swept(capsys: Captured) -> tuple[str, list[RunDir]]:
    """`--force`: a check of a machine with two made-up GPUs may fail."""
    assert main(["sweep", *TWO_BY_TWO, "--yes", "--force", "a test"]) == 0
    group = capsys.readouterr().out.splitlines()[-1]
    return group, [RunDir(runs_root() / one.id) for one in group_of(group)]


def test_the_runs_of_a_sweep_are_one_array_and_end_with_a_comparison(
    cluster: Cluster, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:  # fmt: skip
    write_project(tmp_path, monkeypatch, ENGINE)
    group, runs = swept(capsys)
    jobs = [job_of(run) for run in runs]
    ids = [job.id if job is not None else "" for job in jobs]
    array = ids[0].partition("_")[0]
    assert array.isdigit() and ids == [f"{array}_{number}" for number in range(4)]
    for run in runs:
        assert ended(run, 240).outcome is Outcome.SUCCEEDED
    assert main(["compare", group, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in made["runs"]] == NAMES
    assert all(run["place"] for run in made["runs"])


def test_a_stopped_group_has_no_job_left(
    cluster: Cluster, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:  # fmt: skip
    write_project(tmp_path, monkeypatch, ENGINE, steps=4000)
    group, runs = swept(capsys)
    await_run(runs[0], lambda s: s.loss.last_step, "a step")
    assert seen(runs[3]).state is RunState.QUEUED
    assert main(["stop", group]) == 0
    assert {ended(run).outcome for run in runs} == {Outcome.STOPPED}
    wait_for(lambda: not cluster.ask("squeue", "-h").strip(), 60, "an empty queue")
