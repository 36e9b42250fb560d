"""The order of the queue and its marks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.store import queue
from runner.store.queue import Entry, Mark, entries, reordered
from runner.store.rundir import RunDir

A, B, C = (
    Entry(10**18 + n * 10**9, f"20261130-19000{n}-{name}-ab1{n}") for n, name in enumerate("abc")
)


def applied(order: list[Entry], run: Entry, where: str) -> list[str]:
    new = dict(reordered(order, run.run_id, where))
    return [one.run_id for one in sorted(new.get(one, one) for one in order)]


@pytest.mark.parametrize(
    ("run", "where", "expected"),
    [
        (C, "first", [C, A, B]),
        (C, "up", [A, C, B]),
        (A, "down", [B, A, C]),
        (A, "last", [B, C, A]),
        (A, "first", [A, B, C]),
        (C, "down", [A, B, C]),
    ],
)
def test_a_run_is_moved(run: Entry, where: str, expected: list[Entry]) -> None:
    assert applied([A, B, C], run, where) == [one.run_id for one in expected]
    # neighbours without a place between them
    tight = [Entry(5 + n, one.run_id) for n, one in enumerate((A, B, C))]
    mine = next(one for one in tight if one.run_id == run.run_id)
    assert applied(tight, mine, where) == [one.run_id for one in expected]


def test_moving_one_up_a_hundred_times_never_ends_in_a_tie() -> None:
    order = [A, B, C]
    for n in range(100):
        run = order[2 - n % 2]
        expected = [one.run_id for one in order]
        at = expected.index(run.run_id)
        expected[at - 1], expected[at] = expected[at], expected[at - 1]
        new = dict(reordered(order, run.run_id, "up"))
        order = sorted(new.get(one, one) for one in order)
        assert [one.run_id for one in order] == expected
        assert len({one.place for one in order}) == 3


def test_a_run_that_is_not_queued_moves_nothing() -> None:
    assert reordered([A, B], C.run_id, "first") == []


def test_files_of_other_names_are_no_entries(tmp_path: Path) -> None:
    for name in (
        "notes.txt",
        ".hidden",
        "12-short-place",
        f"{A.name}.tmp",
        "0" * 20 + "-../../x".replace("/", "_"),
    ):
        (tmp_path / name).touch()
    queue.add(tmp_path, B)
    queue.add(tmp_path, A)
    queue.add(tmp_path, A)
    found = [one for one in entries(tmp_path) if one.run_id in (A.run_id, B.run_id)]
    assert found == [A, B]
    assert not any("/" in one.run_id or one.run_id.startswith(".") for one in entries(tmp_path))


def test_of_two_entries_of_a_run_the_first_counts(tmp_path: Path) -> None:
    later = Entry(C.place + 5, A.run_id, held=True)
    for one in (later, C, A):
        queue.add(tmp_path, one)
    assert entries(tmp_path) == [A, C]
    queue.remove(tmp_path, A.run_id)
    assert entries(tmp_path) == [C]


def test_a_clock_set_back_lets_nobody_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = queue.next_place(tmp_path)
    queue.add(tmp_path, Entry(first, A.run_id))
    monkeypatch.setattr("runner.store.queue.time.time_ns", lambda: 1000)
    assert queue.next_place(tmp_path) > first


def mark(**changed: object) -> Mark:
    known = {
        "attempt": 1,
        "queued_at": 1.0,
        "place": 7,
        "by": "me",
        "host": "here",
        "env": {"A": "1"},
    }
    return Mark(**(known | changed))  # type: ignore[arg-type]


def test_an_environment_with_any_bytes_survives_the_mark(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    env = {"PATH": "/bin", "NAME": os.fsdecode(b"caf\xe9"), "LINES": "a\nb"}
    written = mark(env=env, gpus=("0", "1"))
    queue.write_mark(run, written)
    assert queue.read_mark(run) == written
    assert run.queued.stat().st_mode & 0o777 == 0o600


def test_an_attempt_with_the_mark_of_a_start_waits_no_longer(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert queue.queued_mark(run) is None
    queue.write_mark(run, mark(attempt=2))
    run.started(1).touch()
    assert queue.queued_mark(run) is not None
    run.started(2).touch()
    assert queue.queued_mark(run) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '{"attempt": "x"}', '{"attempt":1,"env":[]}', "[" * 100_000],
)
def test_a_damaged_mark_is_none(tmp_path: Path, text: str) -> None:
    run = RunDir(tmp_path)
    run.queued.write_text(text)
    assert queue.read_mark(run) is None


def test_a_mark_that_is_a_link_is_none(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    queue.write_mark(run, mark())
    run.queued.rename(tmp_path / "elsewhere")
    run.queued.symlink_to(tmp_path / "elsewhere")
    assert queue.read_mark(run) is None
