"""Event files are followed while they grow; numbers agree with what the trainer showed."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from runner.ingest.tfevents import Scalar, ScalarTail
from tests import DATA

DATA = DATA / "tensorboard"


def event_file(run: str) -> Path:
    return next((DATA / run).rglob("events.out.tfevents.*"))


def losses(scalars: list[Scalar]) -> list[tuple[int, float]]:
    return [(s.step, round(s.value, 4)) for s in scalars if s.tag == "loss/current"]


def test_exact_losses_of_a_recorded_run() -> None:
    scalars = ScalarTail(DATA / "seed_full").poll(5)
    assert len(scalars) == 40 * 5 + 1
    found = losses(scalars)
    assert [step for step, _ in found] == list(range(1, 41))
    assert found[0] == (1, 1.1658)  # the console shows 1.17
    last_average = [s.value for s in scalars if s.tag == "loss/average"][-1]
    assert f"{last_average:.3g}" == "1.03"  # as the last bar
    assert 1795286780 < scalars[0].wall_at < 1795287157


def test_nan_comes_through() -> None:
    found = losses(ScalarTail(DATA / "nan_step1").poll(5))
    assert [math.isfinite(value) for _, value in found] == [True] + [False] * 5


def test_a_torn_tail_is_not_yet(tmp_path: Path) -> None:
    whole = event_file("nan_step1").read_bytes()
    expected = ScalarTail(DATA / "nan_step1").poll(5)
    growing = tmp_path / "20260101" / "network_train" / "events.out.tfevents.1.host.1.0"
    tail = ScalarTail(tmp_path / "20260101")
    tail._scanned_at = -1e9
    assert tail.poll(5) == []
    growing.parent.mkdir(parents=True)
    found: list[Scalar] = []
    for start in range(0, len(whole), 7):
        with growing.open("ab") as stream:
            stream.write(whole[start : start + 7])
        tail.finder.again()
        found += tail.poll(5)
    assert repr(found) == repr(expected)
    assert tail.poll(5) == []


def test_a_second_file_is_found_after_a_resume(tmp_path: Path) -> None:
    for at, run in enumerate(("nan_step1", "samples_val")):
        folder = tmp_path / f"2026010{at}" / "network_train"
        folder.mkdir(parents=True)
        (folder / event_file(run).name).write_bytes(event_file(run).read_bytes())
    assert len(losses(ScalarTail(tmp_path).poll(5))) == 6 + 12


def test_old_files_of_other_trainings_are_left_alone(tmp_path: Path) -> None:
    old = tmp_path / event_file("nan_step1").name
    old.write_bytes(event_file("nan_step1").read_bytes())
    os.utime(old, (1000, 1000))
    assert ScalarTail(tmp_path, since=2000).poll(5) == []
    assert ScalarTail(tmp_path, since=500).poll(5) != []


def test_the_budget_splits_a_long_file_without_loss(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    with (tmp_path / "events.out.tfevents.1.host.1.0").open("wb") as stream:
        writer = RecordWriter(stream)
        for step in range(3000):
            value = Summary.Value(tag="loss/current", simple_value=step)
            event = Event(step=step, wall_time=1.0, summary=Summary(value=[value]))
            writer.write(event.SerializeToString())
    tail, polls = ScalarTail(tmp_path), []
    while found := tail.poll(0.0):
        polls.append(found)
    assert len(polls) > 10
    assert [s.value for found in polls for s in found] == list(range(3000))


@pytest.mark.parametrize("kind", ["float_val", "tensor_content", "double"])
def test_numbers_written_as_tensors(tmp_path: Path, kind: str) -> None:
    import numpy
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.summary.writer.record_writer import RecordWriter

    tensor = {
        "float_val": TensorProto(dtype=1, float_val=[0.5]),
        "double": TensorProto(dtype=2, double_val=[0.5]),
        "tensor_content": TensorProto(dtype=1, tensor_content=numpy.float32(0.5).tobytes()),
    }[kind]
    several = TensorProto(dtype=1, float_val=[1.0, 2.0])
    values = [Summary.Value(tag="loss", tensor=tensor), Summary.Value(tag="x", tensor=several)]
    with (tmp_path / "events.out.tfevents.1.host.1.0").open("wb") as stream:
        event = Event(step=9, wall_time=3.0, summary=Summary(value=values))
        RecordWriter(stream).write(event.SerializeToString())
    assert ScalarTail(tmp_path).poll(5) == [Scalar("loss", 9, 3.0, 0.5)]


def test_a_foreign_file_spoils_nothing(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.0.host.1.0").write_bytes(os.urandom(5000))
    (tmp_path / "events.out.tfevents.dir").mkdir()
    (tmp_path / "events.out.tfevents.2.host.1.0").write_bytes(event_file("nan_step1").read_bytes())
    tail = ScalarTail(tmp_path)
    assert len(losses(tail.poll(5))) == 6
    assert tail.poll(5) == []


def record(length: int, body: bytes) -> bytes:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    head = struct.pack("<Q", length)
    return head + struct.pack("<I", masked_crc32c(head)) + body


def test_a_record_is_not_believed_to_be_larger_than_its_file(tmp_path: Path) -> None:
    whole = event_file("nan_step1").read_bytes()
    (tmp_path / "events.out.tfevents.0.host.1.0").write_bytes(whole + record(1 << 40, b"x" * 5000))
    (tmp_path / "events.out.tfevents.2.host.1.0").write_bytes(whole)
    tracemalloc.start()
    tail = ScalarTail(tmp_path)
    assert len(losses(tail.poll(5))) == 12
    assert tail.ended
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_a_large_record_is_passed_over_unread(tmp_path: Path) -> None:
    whole = event_file("nan_step1").read_bytes()
    size = 20_000_000
    with (tmp_path / "events.out.tfevents.0.host.1.0").open("wb") as stream:
        stream.write(whole + record(size, b""))
        stream.seek(size + 4, os.SEEK_CUR)
        stream.write(whole)
    tail = ScalarTail(tmp_path)
    assert len(losses(tail.poll(5))) == 12
    assert tail.problems == ()


def test_garbage_in_the_middle_ends_that_file_and_says_so(tmp_path: Path) -> None:
    whole = event_file("nan_step1").read_bytes()
    path = tmp_path / "events.out.tfevents.0.host.1.0"
    path.write_bytes(whole + b"garbage" * 100)
    tail = ScalarTail(tmp_path)
    assert len(losses(tail.poll(5))) == 6
    assert tail.problems == (f"{path.name} has no record at byte {len(whole)}",)


def test_a_file_that_becomes_a_folder_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.0.host.1.0"
    path.write_bytes(event_file("nan_step1").read_bytes())
    tail = ScalarTail(tmp_path)
    assert len(losses(tail.poll(5))) == 6
    path.unlink()
    path.mkdir()
    assert tail.poll(5) == []
    assert tail.ended


def test_importing_costs_nothing_and_reading_stays_small(tmp_path: Path) -> None:
    script = (
        "import asyncio, psutil, msgspec, sys, pathlib, runner.ingest.tfevents as t\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('tensorboard', 'numpy')]\n"
        "assert len(t.ScalarTail(pathlib.Path(sys.argv[1])).poll(5)) == 318\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print(psutil.Process().memory_info().rss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(DATA)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 65e6
