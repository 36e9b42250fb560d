"""The environment that the next jobs of a run get: in job.env alone, for its owner alone, shown by nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runner.control import launch
from runner.engines.slurm import client
from runner.engines.slurm.client import Submitted
from runner.model import Engine
from runner.store.rundir import RunDir
from tests import builders as b
from tui.cli.main import main

TOKEN = "hub-token-of-the-shell-4716"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("MY_HUB_TOKEN", TOKEN)
    monkeypatch.setattr(client, "submit", lambda *_: Submitted("7"))
    monkeypatch.setattr(client, "jobs", lambda *_: (client.JobFacts("7", "PENDING", "Priority"),))
    engine = Engine("slurm", gres="gpu:1", requeue=True)
    spec = b.spec(output_dir=str(tmp_path / "out"), engine=engine)
    return launch.start_run(spec, spec.first_plan)


def test_only_job_env_holds_it_and_only_its_owner_reads_that(run: RunDir) -> None:
    home = run.path.parent.parent
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path.name for path in files if TOKEN in path.read_text()] == ["job.env"]
    assert stat.S_IMODE(run.job_env.stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_without_requeue_it_is_not_kept(run: RunDir, tmp_path: Path) -> None:
    spec = b.spec(
        id="20261130-190000-b-0002", output_dir=str(tmp_path / "b"), engine=Engine("slurm")
    )
    other = launch.start_run(spec, spec.first_plan)
    assert not other.job_env.exists()


@pytest.mark.parametrize(
    "words",
    [["show"], ["show", "--json"], ["show", "--markdown"], ["runs", "--json"], ["runs"]],
    ids=" ".join,
)
def test_no_verb_shows_it(
    run: RunDir, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [run.id] if words[0] == "show" else []
    main([words[0], *given, *words[1:]])
    out, err = capsys.readouterr()
    assert run.id in out
    assert TOKEN not in out + err
