"""Orders: sent, taken in order, answered, never lost."""

import pytest

from runner import inbox
from runner.rundir import RunDir, runs_root


@pytest.fixture
def run() -> RunDir:
    found = RunDir(runs_root() / "r")
    found.path.mkdir(parents=True)
    return found


def test_orders_come_in_the_order_they_were_sent_and_are_answered(run: RunDir) -> None:
    first, second = inbox.send(run, "stop", {"mode": "now"}), inbox.send(run, "cancel_stop")
    assert [order.id for _, order in inbox.pending(run)] == [first.id, second.id]
    name, order = inbox.pending(run)[0]
    assert order.data == {"mode": "now"}
    inbox.answer(run, name, order, "stopping")
    assert [order.id for _, order in inbox.pending(run)] == [second.id]
    found = inbox.answer_of(run, first)
    assert found is not None
    assert found.answer == "stopping"
    assert inbox.answer_of(run, second) is None


def test_foreign_files_in_the_inbox_are_left_alone(run: RunDir) -> None:
    run.inbox.mkdir()
    (run.inbox / "1-x.json").write_text("{")
    (run.inbox / "note.txt").write_text("hello")
    assert inbox.pending(run) == []
    assert (run.inbox / "1-x.json").exists()
