"""The environment of a queued run's shell: in queued.json alone, for its owner alone, shown by nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runner.control import launch
from runner.control.queueing import QueueRequest
from runner.store.rundir import RunDir
from tests import builders as b
from tui.cli.main import main

TOKEN = "hub-token-of-the-shell-4715"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("MY_HUB_TOKEN", TOKEN)
    for name in ("start_supervisor", "_await_supervisor"):
        monkeypatch.setattr(launch, name, lambda *_, **__: None)
    for name in ("runner.control.orders.adopt", "runner.control.queue.start_supervisor"):
        monkeypatch.setattr(name, lambda *_: False)
    spec = b.spec(output_dir=str(tmp_path / "out"))
    return launch.start_run(spec, spec.first_plan, queue=QueueRequest())


def test_only_queued_json_holds_it_and_only_its_owner_reads_that(run: RunDir) -> None:
    home = run.path.parent.parent
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path.name for path in files if TOKEN in path.read_text()] == ["queued.json"]
    assert stat.S_IMODE(run.queued.stat().st_mode) == 0o600
    folders = [path for path in (home / "queue", *(home / "queue").rglob("*")) if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.parametrize(
    "words",
    [["show"], ["show", "--json"], ["show", "--markdown"], ["runs", "--json"], ["runs"],
     ["queue"], ["queue", "--json"]],
    ids=" ".join,
)  # fmt: skip
def test_no_verb_shows_it(
    run: RunDir, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [run.id] if words[0] == "show" else []
    main([words[0], *given, *words[1:]])
    out, err = capsys.readouterr()
    assert run.id in out
    assert TOKEN not in out + err
