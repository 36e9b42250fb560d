"""What becomes of a queued attempt at its turn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.store import queue
from runner.store.queue import Entry, Mark
from runner.store.rundir import RunDir
from runner.supervisor import queue_part
from runner.supervisor.queue_part import QueuePart
from runner.supervisor.turn import Turn, leave_queue

RUN_ID = "20261130-190000-one-ab12"


class Waited(Exception):
    """It became a waiting process again."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    def wait_again(*_: Any) -> None:
        raise Waited

    monkeypatch.setattr(queue_part, "wait_again", wait_again)
    run = RunDir(tmp_path / "runs" / RUN_ID)
    run.path.mkdir(parents=True)
    queue.write_mark(run, Mark(1, 0.0, 5, "me", "here", {}))
    queue.add(queue.queue_folder(tmp_path, "here"), Entry(5, RUN_ID))
    return run


def taken_over(run: RunDir, *, not_started: bool) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []
    context, trainer = SimpleNamespace(run=run, attempt=1), SimpleNamespace(not_started=not_started)
    part = QueuePart(context, None, Turn(True, (), {"A": "1"}), object())  # type: ignore[arg-type]
    part.taken_over(trainer, lambda kind, **data: told.append((kind, data["env"])))  # type: ignore[arg-type]
    return told


def test_an_attempt_whose_keeper_did_not_begin_stays_queued(run: RunDir) -> None:
    with pytest.raises(Waited):
        taken_over(run, not_started=True)
    assert queue.queued_mark(run) is not None


def test_a_started_attempt_leaves_the_queue_and_records_its_slot(run: RunDir) -> None:
    run.started(1).touch()
    assert taken_over(run, not_started=False) == [("slot", {"A": "1"})]
    assert not run.queued.exists()
    assert queue.entries(queue.queue_folder(queue.home_of(run), "here")) == []


def test_a_damaged_mark_leaves_the_queue_too(run: RunDir) -> None:
    run.queued.write_text("{")
    leave_queue(run)
    assert not run.queued.exists()


def test_a_waiting_attempt_does_not_leave_it(run: RunDir) -> None:
    leave_queue(run)
    assert run.queued.exists()
