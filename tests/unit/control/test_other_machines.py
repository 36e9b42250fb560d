"""A run on another machine that shares the disk, and whose clock differs by more than a heartbeat."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.control import orders
from runner.control.orders import Refused
from runner.model import RunState, Status
from runner.store import inbox
from runner.store.journal import write_json
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root
from tests import builders as b

APART_S = 3600.0


def write_status(run: RunDir, at: float) -> None:
    write_json(run.status, Status(RunState.RUNNING, 1, at, step=5))


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Its last heartbeat is an hour ago by the clock here."""
    made = RunDir(runs_root() / "20261130-190000-one-abcd")
    made.path.mkdir(parents=True)
    write_json(made.spec, b.spec(id=made.id, host="workstation", output_dir=str(tmp_path / "out")))
    write_json(made.attempt(1), {})
    write_status(made, time.time() - APART_S)
    return made


@contextmanager
def supervised(run: RunDir) -> Iterator[None]:
    """By a process whose clock is an hour behind."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            write_status(run, time.time() - APART_S)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_screen_that_sees_it_beat_calls_it_alive(run: RunDir) -> None:
    reader = RunReader(run.path)
    assert reader.read_small().state is RunState.LOST
    assert reader.read_small().state is RunState.LOST, "nothing was written meanwhile"
    write_status(run, time.time() - APART_S)
    assert reader.read_small().state is RunState.RUNNING


def test_it_can_be_stopped_and_is_not_resumed_here(run: RunDir) -> None:
    snapshot = RunReader(run.path).read_small()
    assert snapshot.state is RunState.LOST
    with supervised(run):
        with pytest.raises(Refused, match="still running on workstation, whose clock differs"):
            orders.refuse_live(snapshot)
        sent = orders.stop(run.path)
    assert [order.id for _, order in inbox.pending(run)] == [sent.order_id]


def test_one_that_is_lost_is_known_at_once(run: RunDir) -> None:
    os.utime(run.status, (time.time() - APART_S,) * 2)
    began = time.monotonic()
    orders.refuse_live(RunReader(run.path).read_small())
    with pytest.raises(Refused, match="is lost"):
        orders.stop(run.path)
    assert time.monotonic() - began < orders.ELSEWHERE_S


def test_a_run_folder_that_was_copied_lately_is_no_living_run(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ELSEWHERE_S", 0.3)
    orders.refuse_live(RunReader(run.path).read_small())
