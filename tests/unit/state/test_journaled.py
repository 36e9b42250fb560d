"""A new supervisor journals what its predecessor had not written yet, and nothing twice."""

from __future__ import annotations

import msgspec
import pytest

from runner.model import JournalEvent
from runner.state.attempt_state import StepRow
from runner.state.journaled import Journaled
from runner.store.appender import Appender
from runner.store.journal import step_row
from runner.store.rundir import RunDir


@pytest.fixture
def run(tmp_path: object) -> RunDir:
    return RunDir(tmp_path)  # type: ignore[arg-type]


def write_events(run: RunDir, *events: JournalEvent) -> None:
    with run.events.open("ab") as stream:
        stream.writelines(msgspec.json.encode(event) + b"\n" for event in events)


def test_a_loss_that_came_after_its_row_is_written_by_the_next_supervisor(run: RunDir) -> None:
    rows = [step_row(n, 1.0, None, 0.5, None, 1) for n in (1, 2, 3)]
    run.steps.write_bytes(b"".join(rows) + step_row(2, 1.1, 0.25, None, 1e-4, 1))
    life = Journaled(run, 1)
    assert life.fresh_row(StepRow(1, 9.0, 0.125, 0.5, 1e-4)) == StepRow(1, 9.0, 0.125, None, 1e-4)
    assert life.fresh_row(StepRow(2, 9.0, 0.25, 0.5, 1e-4)) is None
    assert life.fresh_row(StepRow(3, None, None, 0.5, None)) is None
    new = StepRow(4, 9.0, 0.5, 0.5, 1e-4)
    assert life.fresh_row(new) == new
    assert life.fresh_row(new) is None


def test_rows_of_another_attempt_say_nothing(run: RunDir) -> None:
    run.steps.write_bytes(step_row(5, 1.0, 0.5, 0.5, 1e-4, 1))
    row = StepRow(5, 9.0, 0.5, 0.5, 1e-4)
    assert Journaled(run, 2).fresh_row(row) == row


def test_of_two_events_from_one_byte_the_second_is_written_if_only_the_first_was(
    run: RunDir,
) -> None:
    first = JournalEvent(1.0, "phase", 1, 100, {"phase": "saving"})
    second = JournalEvent(1.0, "checkpoint_saving", 1, 100, {"name": "a"})
    write_events(run, JournalEvent(0.5, "epoch", 1, 50), first)
    life = Journaled(run, 1)
    assert life.is_fresh(JournalEvent(2.0, "adopted", 1))
    again = [JournalEvent(0.5, "epoch", 1, 50), first, second]
    assert [life.is_fresh(event) for event in again] == [False, False, True]
    assert life.is_fresh(JournalEvent(2.0, "epoch", 1, 150))


def test_a_loss_that_is_not_finite_is_journaled_once_in_an_attempt(run: RunDir) -> None:
    write_events(run, JournalEvent(1.0, "loss_not_finite", 1, None, {"step": 15}))
    life = Journaled(run, 1)
    assert not life.is_fresh(JournalEvent(2.0, "loss_not_finite", 1, None, {"step": 16}))
    assert Journaled(run, 2).is_fresh(JournalEvent(2.0, "loss_not_finite", 2, None, {"step": 3}))


def test_a_verification_is_journaled_again_only_if_something_happened_between(run: RunDir) -> None:
    def event(kind: str, **data: object) -> JournalEvent:
        return JournalEvent(1.0, kind, 1, None, {"name": "a", **data})

    write_events(run, event("checkpoint_verified", complete=True))
    life = Journaled(run, 1)
    assert not life.is_fresh(event("checkpoint_verified", complete=True))
    assert life.is_fresh(event("checkpoint_changed", size_bytes=5))
    assert life.is_fresh(event("checkpoint_verified", complete=True))
    for kind in ("checkpoint_missing", "checkpoint_back") * 2:
        assert life.is_fresh(event(kind))
        assert not life.is_fresh(event(kind))
    assert life.is_fresh(event("ordered"))
    assert life.is_fresh(event("ordered"))


def test_lines_that_a_full_disk_refused_are_written_later_and_complete(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    real, room = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        length, room[0] = min(room[0], len(data)), 0
        return real(descriptor, data[:length])

    monkeypatch.setattr(os, "write", write)
    journal = Appender(run.steps)
    assert not journal.append(b"[1]")
    room[0] = 6
    assert not journal.append(b"[2]\n[3]")
    room[0] = 100
    journal.retry()
    assert [x for x in run.steps.read_bytes().split(b"\n") if x in (b"[1]", b"[2]", b"[3]")] == [
        b"[1]", b"[2]", b"[3]",
    ]  # fmt: skip
    room[0] = 100
    assert journal.append(b"[4]")
    assert run.steps.read_bytes().endswith(b"[3]\n[4]\n")
