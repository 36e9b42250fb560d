"""The shell's environment, kept for a later process of a run: in one file alone, for its owner alone, shown by
nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runner.control import launch
from runner.control.queueing import QueueRequest
from runner.engines.slurm import client
from runner.engines.slurm.client import Submitted
from runner.model import Engine
from runner.store.rundir import RunDir
from tests import builders as b
from tui.cli.main import main

TOKEN = "hub-token-of-the-shell-4715"
#: by kind of run: the file that keeps it
FILES = {"queued": "queued.json", "slurm": "job.env"}
WORDS = ("show", "show --json", "show --markdown", "runs", "runs --json", "queue", "queue --json")


def started(kind: str, output: Path, *, requeue: bool = True) -> RunDir:
    engine = Engine("slurm", gres="gpu:1", requeue=requeue) if kind == "slurm" else Engine()
    spec = b.spec(output_dir=str(output), engine=engine)
    queue = QueueRequest() if kind == "queued" else None
    return launch.start_run(spec, spec.first_plan, queue=queue)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HUB_TOKEN", TOKEN)
    monkeypatch.setattr(client, "submit", lambda *_: Submitted("7"))
    monkeypatch.setattr(client, "jobs", lambda *_: (client.JobFacts("7", "PENDING", "Priority"),))
    for name in ("start_supervisor", "_await_supervisor"):
        monkeypatch.setattr(launch, name, lambda *_, **__: None)
    for name in ("runner.control.orders.adopt", "runner.control.queue.start_supervisor"):
        monkeypatch.setattr(name, lambda *_: False)


@pytest.mark.parametrize("kind", FILES)
def test_one_file_alone_holds_it_and_only_its_owner_reads_that(kind: str, tmp_path: Path) -> None:
    home = started(kind, tmp_path / "out").path.parent.parent
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path.name for path in files if TOKEN in path.read_text()] == [FILES[kind]]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    folders = [path for path in home.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_without_requeue_it_is_not_kept(tmp_path: Path) -> None:
    assert not started("slurm", tmp_path / "out", requeue=False).job_env.exists()


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("kind", FILES)
def test_no_verb_shows_it(
    kind: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = started(kind, tmp_path / "out")
    verb, *flags = words.split()
    main([verb, *([run.id] if verb == "show" else []), *flags])
    out, err = capsys.readouterr()
    assert run.id in out
    assert TOKEN not in out + err
