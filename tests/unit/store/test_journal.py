"""The journal survives kill -9 at any byte, foreign text, replacement and a full disk."""

import math
import os
import time
from pathlib import Path

import pytest

from runner.model import RunState, Status
from runner.store.appender import Appender
from runner.store.journal import (
    LineTail,
    Unreadable,
    decode_json,
    encode_json,
    events_of,
    number,
    read_json,
    step_row,
    step_rows,
    write_json,
)


def test_step_rows_survive_a_round_trip_with_unknown_and_non_finite_numbers() -> None:
    block = b"".join(
        step_row(step, seconds, loss, average, lr, 1)
        for step, seconds, loss, average, lr in (
            (1, 0.5, 0.123456789, None, 1e-4),
            (2, None, math.nan, math.nan, None),
            (3, 2.0, math.inf, -math.inf, 0.0),
        )
    )
    rows, bad = step_rows(block)
    assert bad == 0
    assert rows[0][:2] == (1, 0.5)
    assert rows[0][2] == pytest.approx(0.123456789, rel=1e-6)
    assert math.isnan(number(rows[1][2]) or 0.0)
    assert number(rows[2][2]) == math.inf
    assert number(rows[2][3]) == -math.inf


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_journal_cut_anywhere_gives_the_whole_lines_before_the_cut(
    tmp_path: Path, cut: int
) -> None:
    rows = [step_row(n, n * 0.5, 0.1, 0.2, None, 1) for n in range(1, 4)]
    whole = b"".join(rows)
    path = tmp_path / "steps.jsonl"
    path.write_bytes(whole[:cut])
    tail = LineTail(path)
    first = b"".join(tail.read())
    assert whole.startswith(first)
    assert first.endswith(b"\n") or first == b""
    path.write_bytes(whole)  # the writer went on
    assert first + b"".join(tail.read()) == whole


def test_foreign_lines_are_counted_and_left_out() -> None:
    rows, bad = step_rows(b"[1,0.5,0.1,0.2,null,1]\nnonsense\n\x00\xff\n[2,1,null,0.2,null,1]\n")
    assert [row[0] for row in rows] == [1, 2]
    assert bad == 2
    events, bad = events_of(b'{"at":1,"kind":"x","attempt":1}\n{"at":\n')
    assert [event.kind for event in events] == ["x"]
    assert bad == 1


@pytest.mark.parametrize(
    ("lines", "steps"),
    [
        (b"[1,\r0.5,0.1,0.2,null,1]\n[2\n", [1]),
        (b"[1,0.5,0.1,0.2,null,1],[2,0.5,0.1,0.2,null,1]\n", []),
        (b"[1,0.5,0.1,0.2,null,1] [2,0.5,0.1,0.2,null,1]\n[3,0.5,0.1,0.2,null,1]\n", [3]),
        (b"[1,0.5,0.1\n0.2,null,1]\n", []),
        (b"[1,0.5,0.1,\n0.2,null,1]\n", []),
        (b"[1,0.5,0.1,0.2,null,1][2,0.5,0.1,0.2,null,1]\n\n[3,0.5,0.1,0.2,null,1]\n", [3]),
        (b"[1,0.5,0.1,0.2,null,1][2,0.5,0.1,0.2,null,1]\n[3,0.5,0.1,\n0.2,null,1]\n", []),
    ],
    ids=[
        "return in a line",
        "two on a line",
        "two and one",
        "glued by a comma",
        "over two lines",
        "two and a gap",
        "two and over",
    ],
)
def test_a_line_means_the_same_whatever_is_around_it(lines: bytes, steps: list[int]) -> None:
    good, bad = b"[7,0.5,0.1,0.2,null,1]\n", b"[8,0.\n"
    for around in (b"", good, bad):
        rows, _ = step_rows(lines + around)
        assert [row[0] for row in rows if row[0] != 7] == steps


def test_an_appender_starts_a_new_line_after_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(step_row(1, 0.1, 0.5, 0.5, None, 1) + b"[2,0.2,0.")
    appender = Appender(path)
    assert appender.append(step_row(3, 0.3, 0.4, 0.5, None, 1))
    rows, bad = step_rows(path.read_bytes())
    assert [row[0] for row in rows] == [1, 3]
    assert bad == 1


def test_a_tail_starts_anew_when_the_file_was_replaced_or_truncated(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = LineTail(path)
    assert b"".join(tail.read()) == b"one\ntwo\n"
    path.write_bytes(b"new\n")
    assert b"".join(tail.read()) == b"new\n"
    assert tail.restarted
    other = tmp_path / "other"
    other.write_bytes(b"third\nfourth\n")
    other.replace(path)
    assert b"".join(tail.read()) == b"third\nfourth\n"


def test_a_line_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = b"x" * 5000 + b"\n"
    path.write_bytes(line * 3)
    assert b"".join(LineTail(path, chunk_bytes=100).read()) == line * 3


def test_the_budget_counts_what_is_done_with_a_block(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * 999)
    tail, taken = LineTail(path, chunk_bytes=1000), 0
    for block in tail.read(0.02):
        taken += len(block)
        time.sleep(0.015)
    assert taken < 10_000
    assert tail.pending_bytes == 100_000 - taken
    rest = b"".join(tail.read(10.0))
    assert taken + len(rest) == 100_000


def test_replacing_a_file_leaves_the_old_text_when_the_disk_refuses(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "status.json"
    with pytest.raises(OSError):
        write_json(path, {"a": 1})
    path.parent.mkdir()
    write_json(path, {"a": 1})
    assert os.listdir(path.parent) == ["status.json"]


@pytest.mark.parametrize("text", [b"", b"{", b'{"state": "flying"}', b"\xff\xfe", b"[1,2]"])
def test_a_torn_or_foreign_file_is_one_sentence_not_a_crash(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(text)
    with pytest.raises(Unreadable, match=r"status\.json is torn or invalid"):
        read_json(path, Status)


def test_a_status_survives_a_round_trip(tmp_path: Path) -> None:
    status = Status(state=RunState.RUNNING, attempt=2, heartbeat_at=3.5, step=17)
    write_json(tmp_path / "s", status)
    assert read_json(tmp_path / "s", Status) == status


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_an_integer_beyond_64_bits_is_written_as_it_was_read(number: int) -> None:
    given = {"data": number, "loss": math.nan}
    assert decode_json(encode_json(given), dict[str, object]) == {"data": number, "loss": "nan"}


@pytest.mark.parametrize("digits", [182, 400, 5000])
def test_an_integer_that_is_no_number_of_a_run_makes_its_file_unreadable(
    tmp_path: Path, digits: int
) -> None:
    path = tmp_path / "status.json"
    path.write_text(f'{{"state":"running","attempt":{"9" * digits},"heartbeat_at":1.0}}')
    with pytest.raises(Unreadable, match=r"status\.json is torn or invalid"):
        read_json(path, Status)
    # as text it is nothing to refuse
    path.write_text(
        f'{{"state":"running","attempt":1,"heartbeat_at":1.0,"device":"{"9" * digits}"}}'
    )
    assert read_json(path, Status).device == "9" * digits


def test_a_line_with_an_integer_beyond_its_journal_costs_no_other() -> None:
    good = b"[7,0.5,0.1,0.2,null,1]\n"
    for step in (2**53 + 1, -(2**64), 10**30, 10**400):
        rows, bad = step_rows(good + b"[%d,0.5,0.1,0.2,null,1]\n" % step + good)
        assert ([row[0] for row in rows], bad) == ([7, 7], 1)
    event = b'{"at":1,"kind":"x","attempt":1}\n'
    large = b'{"at":2,"kind":"y","attempt":1,"data":{"step":%d}}\n' % (10**400)
    found, bad = events_of(event + large + event)
    assert ([one.kind for one in found], bad) == (["x", "x"], 1)
