"""A run folder that a newer version wrote: listed with one sentence, and otherwise left alone. What a newer
version only adds to this schema is passed over."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.control.orders import adopt, needs_adoption, stop
from runner.model import SCHEMA, AlarmKind, Outcome, Phase, RunState
from runner.store import inbox
from runner.store.liveness import take_lock
from runner.store.reader import RunReader
from runner.store.registry import list_runs, live_runs, resolve, same_target
from runner.store.rundir import RunDir
from runner.store.schema import WrittenByNewer, newer
from runner.supervisor.main import main as supervise
from tests import ROOT
from tests.record_runs import weights
from tests.run_folders import SCHEMAS, bytes_of, lay_out, names
from tui.cli.main import main
from tui.panels.verdict import verdict_of
from tui.words.orders import Around, why_not

Captured = pytest.CaptureFixture[str]
NEWEST = SCHEMAS[-1]
LATER = SCHEMA + 2
SENTENCE = f"written by a newer plasma-tui (schema {LATER}; this one reads up to {SCHEMA}): update plasma-tui"


def edited(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def of_a_newer_version(run: Path, *files: str) -> None:
    for name in files or ("spec.json", "status.json", "attempt-1.json"):
        if (run / name).exists():
            edited(run / name, lambda found: found.update(schema=LATER))


@pytest.fixture
def runs(isolated_home: Path, tmp_path: Path) -> dict[str, Path]:
    found = lay_out(NEWEST, isolated_home, tmp_path / "sample")
    return {path.name: path for path in found}


def of(runs: dict[str, Path], name: str) -> Path:
    return next(path for run, path in runs.items() if f"-{name}-" in run)


# --------------------------------------------------------------------------- a newer schema


@pytest.mark.parametrize("name", names(NEWEST))
def test_a_run_of_a_newer_version_is_refused_everywhere_and_not_touched(
    name: str, runs: dict[str, Path], tmp_path: Path, capsys: Captured
) -> None:
    run = runs[name]
    of_a_newer_version(run)
    # what a newer version may do to a file whose schema it raises
    edited(run / "status.json", lambda found: found.update(checkpoints={"of": "another kind"}))
    edited(run / "spec.json", lambda found: found.update(command="one text", forecast=7))
    (run / "steps.jsonl").write_text('{"another": "format"}\n')
    before = bytes_of(run)
    for words, code in (
        (["show", name], 1), (["show", name, "--json"], 1), (["show", name, "--markdown"], 1),
        (["resume", name], 1), (["retry", name, "--set", "seed=7"], 1), (["stop", name], 1),
        (["remove", name, "--yes"], 1), (["label", name, "--name", "mine"], 1), (["approve", name], 1),
        (["replay", name], 1), (["compare", name, _another(runs, name)], 1),
        (["export", name, "--to", str(tmp_path / "export"), "--yes"], 3),
    ):  # fmt: skip
        assert main(words) == code, words
        said = capsys.readouterr()
        assert SENTENCE in said.out + said.err, (words, said)
        assert said.err.count("\n") <= 1 and "Traceback" not in said.err, (words, said)
    assert main(["runs"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(name))
    assert SENTENCE in line and "unknown" in line
    assert bytes_of(run) == before
    assert not (tmp_path / "export").exists()


def _another(runs: dict[str, Path], name: str) -> str:
    return next(run for run in runs if run != name)


def test_it_is_not_supervised_by_this_version(runs: dict[str, Path]) -> None:
    lost = of(runs, "lost")
    edited(lost / "spec.json", lambda found: found.update(host=socket.gethostname()))
    assert needs_adoption(lost)
    of_a_newer_version(lost, "status.json")
    before = bytes_of(lost)
    assert not needs_adoption(lost)
    assert not adopt(lost)
    assert supervise(str(lost)) == 1
    (lost / "lock").unlink()
    assert {name: one[0] for name, one in bytes_of(lost).items()} == {
        name: one[0] for name, one in before.items()
    }


def test_a_run_that_a_newer_version_resumed_is_of_that_version(runs: dict[str, Path]) -> None:
    stopped = of(runs, "stopped")
    plan = json.loads((stopped / "attempt-1.json").read_text())
    (stopped / "attempt-2.json").write_text(json.dumps(plan | {"schema": LATER, "attempt": 2}))
    assert newer(RunDir(stopped)) == SENTENCE
    with pytest.raises(WrittenByNewer):
        stop(stopped)


def test_what_is_shown_of_it_are_the_fields_that_no_schema_changes(runs: dict[str, Path]) -> None:
    killed = of(runs, "killed")
    of_a_newer_version(killed)
    (one,) = (one for one in list_runs() if one.id == killed.name)
    assert (one.name, one.host, one.state) == ("killed", "workstation", RunState.UNKNOWN)
    assert one.problem == SENTENCE and one.created_at > 0
    snapshot = RunReader(killed).read_all()
    assert (snapshot.newer, snapshot.problems, snapshot.status) == (SENTENCE, (SENTENCE,), None)
    verdict = verdict_of(snapshot, snapshot.read_at)
    assert verdict.kind == "Unknown" and SENTENCE in verdict.first[0].text
    for order in ("stop", "resume", "retry", "approve", "adopt", "summary", "replay", "samples"):
        assert SENTENCE in (why_not(order, snapshot, Around()) or ""), order


def test_a_live_run_of_a_newer_version_can_be_stopped_and_its_files_are_not_overwritten(
    runs: dict[str, Path],
) -> None:
    lost = of(runs, "lost")
    of_a_newer_version(lost)
    lock = take_lock(lost / "lock")
    assert lock is not None  # its supervisor
    snapshot = RunReader(lost).read_all()
    assert snapshot.state is RunState.RUNNING and snapshot.newer
    assert why_not("stop", snapshot, Around()) is None
    assert [one.id for one in live_runs()] == [lost.name]
    spec = json.loads((lost / "spec.json").read_text())
    target = same_target(spec["output_dir"], spec["output_name"])
    assert target is not None and target.id == lost.name
    before = bytes_of(lost)
    sent = stop(lost)
    ((_, order),) = inbox.pending(RunDir(lost))
    assert (order.id, order.kind, order.attempt) == (sent.order_id, "stop", 1)
    after = bytes_of(lost)
    new = {name for name in after if name not in before}
    assert all(name.startswith("inbox") for name in new)
    assert {name: after[name][0] for name in before} == {n: one[0] for n, one in before.items()}
    assert main(["remove", lost.name, "--yes"]) == 1


def test_a_list_made_by_a_newer_version_is_not_believed(
    runs: dict[str, Path], isolated_home: Path
) -> None:
    from runner.store import index

    list_runs()
    path = index.index_path()
    if path.exists():
        edited(path, lambda found: found.update(runs=LATER))
        index.forget()
        assert index.known_entries() == {}


def test_an_imported_run_of_a_newer_version_is_not_imported_again(
    isolated_home: Path, tmp_path: Path, capsys: Captured
) -> None:
    weights(tmp_path / "loras" / "mine.safetensors", 10)
    log = shutil.copy(ROOT / "tests" / "data" / "runs" / "tiny_nan.log", tmp_path)
    again = (["import", str(tmp_path / "loras")], ["inspect", str(log)])
    for words in again:
        assert main(words) == 0
    runs = list((isolated_home / "runs").iterdir())
    for run in runs:
        of_a_newer_version(run)
    before = [bytes_of(run) for run in runs]
    capsys.readouterr()
    for words in again:
        main(words)
        said = capsys.readouterr()
        assert SENTENCE in said.out + said.err
    assert [bytes_of(run) for run in runs] == before
    assert sorted(runs) == sorted((isolated_home / "runs").iterdir())


# --------------------------------------------------------------------------- additions to this schema


@pytest.mark.parametrize("name", names(NEWEST))
def test_what_a_later_version_adds_is_passed_over(
    name: str, runs: dict[str, Path], tmp_path: Path, capsys: Captured
) -> None:
    run = runs[name]
    for path in run.glob("*.json"):
        edited(path, lambda found: found.update(of_later={"deep": [1, None]}))
    edited(run / "status.json", _of_later)
    events = (run / "events.jsonl").read_text().splitlines()
    at = json.loads(events[-1])["at"] if events else 1.0
    more = [
        {"at": at, "kind": "of_later", "attempt": 1, "data": {"x": 1}, "y": 2},
        {"at": at, "kind": "phase", "attempt": 1, "offset": 1, "data": {"phase": "of later"}},
        {"at": at, "kind": "alarm", "attempt": 1, "data": {"kind": "of_later", "since_at": at, "text": "so"}},
        {"at": at, "kind": "ended", "attempt": 1, "data": {"outcome": "of_later", "cause": "of_later"}},
    ]  # fmt: skip
    (run / "events.jsonl").write_text("\n".join([*events, *map(json.dumps, more)]) + "\n")
    for words in (
        ["show", name], ["show", name, "--json"], ["show", name, "--markdown"], ["runs"], ["runs", "--json"],
        ["resume", name, "--dry-run"], ["retry", name, "--dry-run"],
        ["compare", name, _another(runs, name)], ["export", name, "--to", str(tmp_path / "x"), "--yes"],
    ):  # fmt: skip
        code = main(words)
        said = capsys.readouterr()
        assert code in (0, 1, 3), (words, said)
        assert "torn or invalid" not in said.out + said.err, (words, said)
        assert "Traceback" not in said.out + said.err
    snapshot = RunReader(run).read_all()
    assert snapshot.status is not None
    assert snapshot.outcome is Outcome.UNKNOWN and snapshot.status.phase is Phase.UNKNOWN
    assert snapshot.status.alarms[0].kind is AlarmKind.UNKNOWN
    assert snapshot.state in (RunState.ENDED, RunState.LOST, RunState.RUNNING)
    assert verdict_of(snapshot, snapshot.read_at).first


def _of_later(status: dict[str, object]) -> None:
    cause = {"key": "of_later", "evidence": "?", "advice": "", "fix": "", "more": 1}
    alarm = {"kind": "of_later", "since_at": 1.0, "text": "so it is"}
    status.update(outcome="of_later", phase="of later", cause=cause, alarms=[alarm])


def test_a_state_that_this_version_does_not_know_is_that_of_its_processes(
    runs: dict[str, Path],
) -> None:
    lost = of(runs, "lost")
    edited(lost / "status.json", lambda found: found.update(state="paused"))
    assert RunReader(lost).read_small().state is RunState.LOST
    lock = take_lock(lost / "lock")
    assert lock is not None
    assert RunReader(lost).read_small().state is RunState.RUNNING


def test_a_run_of_a_newer_version_is_found_by_its_name(runs: dict[str, Path]) -> None:
    killed = of(runs, "killed")
    of_a_newer_version(killed)
    assert resolve("killed") == killed
