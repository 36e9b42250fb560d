"""Orders: sent, taken in order, answered, never lost; and nothing in the inbox can hang who reads it."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from runner.model import Status
from runner.store import inbox
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import RunDir, runs_root


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
    found = inbox.answer_of(run, first.id)
    assert found is not None
    assert found.answer == "stopping"
    assert inbox.answer_of(run, second.id) is None


def test_an_order_names_its_attempt_and_is_for_no_other(run: RunDir) -> None:
    for attempt in (1, 2):
        write_json(run.attempt(attempt), {})
    order = inbox.send(run, "stop")
    assert order.attempt == 2
    assert inbox.is_for(order, 2, began_at=order.at + 60)
    assert not inbox.is_for(order, 3, began_at=order.at - 60)


def test_an_order_of_an_earlier_version_is_for_the_attempt_in_which_it_was_given() -> None:
    order = inbox.Order("x", "stop", at=100.0)
    assert inbox.is_for(order, 2, began_at=90.0)
    assert not inbox.is_for(order, 3, began_at=110.0)


def test_an_order_that_is_withdrawn_is_answered_as_refused(run: RunDir) -> None:
    order = inbox.send(run, "stop")
    inbox.withdraw(run, order.id, "the run has ended")
    assert inbox.pending(run) == []
    found = inbox.answer_of(run, order.id)
    assert found is not None and found.refused and found.answer == "the run has ended"


def test_the_age_of_an_order_is_that_of_its_file_by_the_disks_own_clock(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inbox.overdue(run) == frozenset()
    old, new = inbox.send(run, "stop"), inbox.send(run, "stop")
    paths = {one.id: next(run.inbox.glob(f"*-{one.id}.json")) for one in (old, new)}
    long_ago = paths[old.id].stat().st_mtime - inbox.DEADLINE_S - 5
    os.utime(paths[old.id], (long_ago, long_ago))
    wrong = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: wrong)
    assert inbox.overdue(run) == {paths[old.id].name}
    assert len(list(run.inbox.iterdir())) == 2, "nothing else is left"


# --------------------------------------------------------------------------- hostile files


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _order_behind_a_link(path: Path) -> None:
    target = path.parent.parent / "an-order.json"
    write_json(target, inbox.Order("x", "stop", 0.0))
    path.symlink_to(target)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to an order": _order_behind_a_link,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a folder": lambda path: (path / "x").mkdir(parents=True),
    "a socket": _socket,
    "a huge file": _sparse,
    "a torn order": lambda path: path.write_bytes(b"{"),
    "a deeply nested order": lambda path: path.write_bytes(b"[" * 60_000),
    "nested in an order": lambda path: path.write_bytes(
        b'{"id":"x","kind":"stop","at":1,"data":{"a":' + b"[" * 60_000
    ),
    "no UTF-8": lambda path: path.write_bytes(b'{"id": "\xff\xfe"}'),
    "not an order": lambda path: path.write_bytes(b'{"id": 1}'),
    "nothing": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_order_is_set_aside_and_keeps_none_from_being_read(
    run: RunDir, what: str
) -> None:
    run.inbox.mkdir()
    HOSTILE[what](run.inbox / "1-x.json")
    sent = inbox.send(run, "stop")
    found: list[str] = []
    reading = threading.Thread(
        target=lambda: found.extend(order.id for _, order in inbox.pending(run)), daemon=True
    )
    reading.start()
    reading.join(10)
    assert not reading.is_alive()
    assert found == [sent.id]
    assert os.path.lexists(run.inbox / "unreadable" / "1-x.json")
    assert not os.path.lexists(run.inbox / "1-x.json")


@pytest.mark.parametrize("what", ["a folder", "a torn order"])
def test_what_is_no_order_is_set_aside_again_under_a_name_that_was_used(
    run: RunDir, what: str
) -> None:
    run.inbox.mkdir()
    for _ in range(3):
        HOSTILE[what](run.inbox / "1-x.json")
        assert inbox.pending(run) == []
        assert not os.path.lexists(run.inbox / "1-x.json")
    assert len(list((run.inbox / "unreadable").iterdir())) == 3


def test_an_order_whose_name_is_too_long_to_be_answered_is_set_aside(run: RunDir) -> None:
    run.inbox.mkdir()
    write_json(run.inbox / "order", inbox.Order("x", "stop", 0.0))
    (run.inbox / "order").rename(run.inbox / f"1{'n' * 249}.json")
    assert inbox.pending(run) == []
    assert [path.name for path in run.inbox.iterdir()] == ["unreadable"]


def test_files_with_other_names_are_left_alone(run: RunDir) -> None:
    run.inbox.mkdir()
    (run.inbox / "note.txt").write_text("hello")
    (run.inbox / "note.json").write_text("{")
    assert inbox.pending(run) == []
    assert {p.name for p in run.inbox.iterdir()} == {"note.txt", "note.json"}


def test_a_flood_is_read_in_parts_and_orders_come_through(run: RunDir) -> None:
    run.inbox.mkdir()
    for number in range(inbox.FILES_AT_ONCE + 5):
        (run.inbox / f"1-{number:05d}.json").write_bytes(b"")
    sent = inbox.send(run, "stop")
    assert inbox.pending(run) == []
    assert [order.id for _, order in inbox.pending(run)] == [sent.id]


@pytest.mark.parametrize("what", ["a FIFO", "an endless device", "a folder", "a huge file"])
def test_a_file_of_the_run_folder_that_is_not_regular_is_unreadable_and_hangs_nobody(
    run: RunDir, what: str
) -> None:
    HOSTILE[what](run.status)
    problems: list[str] = []

    def read() -> None:
        with pytest.raises(Unreadable) as raised:
            read_json(run.status, Status)
        problems.append(str(raised.value))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(10)
    assert problems and problems[0].startswith("status.json cannot be read")


def test_orders_of_an_earlier_version_are_read(run: RunDir) -> None:
    run.inbox.mkdir()
    earlier = {"id": "x", "kind": "stop", "at": 1.0, "by": "me", "data": {}}
    (run.inbox / "1-x.json").write_bytes(msgspec.json.encode(earlier))
    ((_, order),) = inbox.pending(run)
    assert order.attempt is None and order.kind == "stop"


def test_an_order_with_any_number_is_answered_and_keeps_none_from_being_read(run: RunDir) -> None:
    run.inbox.mkdir()
    large = b'{"id":"aa","kind":"stop","at":1.0,"data":{"mode":' + b"9" * 40 + b"}}"
    (run.inbox / "1-aa.json").write_bytes(large)
    good = inbox.send(run, "stop", {"mode": "now"})
    for name, order in inbox.pending(run):
        inbox.answer(run, name, order, "done")
    assert [order.id for order in inbox.done(run)] == ["aa", good.id]
