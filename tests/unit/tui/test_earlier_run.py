"""Which earlier run the loss chart compares with."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.model import Outcome, RunState, Status
from runner.store.journal import step_row, write_json
from tests import builders as b
from tui.backend.door import Backend


def a_run(
    home: Path, name: str, day: int, outcome: Outcome | None = Outcome.SUCCEEDED, **spec: object
) -> Path:
    folder = home / "runs" / f"202611{day:02}-000000-{name}-000{day % 10}"
    folder.mkdir(parents=True)
    made = b.spec(id=folder.name, name=name, created_at=b.NOW + day * 86_400, host="", **spec)
    write_json(folder / "spec.json", made)
    state = RunState.ENDED if outcome is not None else RunState.RUNNING
    write_json(folder / "status.json", Status(state, 1, b.NOW, outcome=outcome, step=3))
    rows = (step_row(n, n * 1.0, day / 100, None, 1e-4, 1) for n in (1, 2, 3))
    (folder / "steps.jsonl").write_bytes(b"".join(rows))
    return folder


def found(backend: Backend, path: Path) -> list[str]:
    runs = (backend.earlier_run(path, number) for number in range(9))
    return [run.path for run in runs if run is not None]


def test_successful_runs_of_the_same_name_or_project_come_first_and_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    old = a_run(tmp_path, "spyke", 1)
    new = a_run(tmp_path, "spyke", 3)
    sibling = a_run(tmp_path, "spyke-v2", 4, output_dir="/project/output")
    failed = a_run(tmp_path, "spyke", 5, Outcome.FAILED)
    a_run(tmp_path, "other", 6, output_dir="/other")
    a_run(tmp_path, "spyke", 7, None)
    a_run(tmp_path, "spyke", 8, smoke=True)
    own = a_run(tmp_path, "spyke", 9)
    backend = Backend()
    assert found(backend, own) == [str(path) for path in (sibling, new, old, failed)]
    first = backend.earlier_run(own, 0)
    assert first is not None and first.loss.last == 0.04 and first.loss.buckets[-1].rate == 1e-4


def test_the_number_of_earlier_runs_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    paths = [a_run(tmp_path, "spyke", day) for day in range(1, 10)]
    assert len(found(Backend(), paths[-1])) == 5
