"""The feed: one thread, the newest snapshot, no queue, no crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.message import Message

from tests import builders as b
from tests.fakes import FakeReader
from tui.feed import Feed
from tui.messages import ReadFailed, SnapshotArrived

ONE, TWO = Path("/one"), Path("/two")


class Box:
    """A feed with its posted messages."""

    def __init__(self) -> None:
        self.posted: list[Message] = []
        self.readers = {ONE: FakeReader(b.snapshot(1)), TWO: FakeReader(b.snapshot(2))}
        self.feed = Feed(
            self.posted.append, lambda path: self.readers[path], look_s=0.005, fastest_s=0.02
        )

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()
    made.feed.start()
    yield made
    made.feed.stop()
    made.feed._thread.join(2)
    assert not made.feed._thread.is_alive()


def arrived(box: Box) -> int:
    return sum(isinstance(message, SnapshotArrived) for message in box.posted)


def test_a_watched_run_is_read_and_handed_out_once(box: Box) -> None:
    box.feed.watch(ONE)
    box.until(lambda: arrived(box) == 1)
    snapshot = box.feed.take()
    assert snapshot is not None and snapshot.status is not None and snapshot.status.step == 1
    assert box.feed.take() is None


def test_a_slow_screen_gets_the_newest_and_no_queue(box: Box) -> None:
    box.feed.watch(ONE)
    box.until(lambda: arrived(box) == 1)
    for step in range(2, 8):
        box.readers[ONE].put(b.snapshot(step))
        reads = box.readers[ONE].reads
        box.until(lambda r=reads: box.readers[ONE].reads > r)
    assert arrived(box) == 1, "announced once until it is taken"
    snapshot = box.feed.take()
    assert snapshot is not None and snapshot.status is not None and snapshot.status.step == 7


def test_nothing_changed_nothing_read(box: Box) -> None:
    box.feed.watch(ONE)
    box.until(lambda: arrived(box) == 1)
    time.sleep(0.2)
    assert box.readers[ONE].reads == 1


def test_another_run_replaces_the_one_before(box: Box) -> None:
    box.feed.watch(ONE)
    box.until(lambda: arrived(box))
    box.feed.watch(TWO)
    box.until(lambda: box.readers[TWO].reads)
    box.until(lambda: (found := box.feed.take()) and found.status and found.status.step == 2)


def test_a_partly_read_run_is_read_on_at_once(box: Box) -> None:
    from dataclasses import replace

    part = replace(b.snapshot(1), read_fraction=0.4)
    box.readers[ONE].snapshot = part
    box.feed.watch(ONE)
    box.until(lambda: box.readers[ONE].reads > 5)


def test_errors_are_told_and_the_thread_lives_on(box: Box) -> None:
    box.readers[ONE].error = ValueError("torn \x1b[2J file")
    box.feed.watch(ONE)
    box.until(lambda: any(isinstance(message, ReadFailed) for message in box.posted))
    failed = next(message for message in box.posted if isinstance(message, ReadFailed))
    assert failed.problem == "ValueError: torn  file"
    box.readers[ONE].error = None
    box.feed.wake()
    box.until(lambda: arrived(box))


def test_a_run_that_cannot_be_opened_is_told(box: Box) -> None:
    box.feed.watch(Path("/none"))
    box.until(lambda: any(isinstance(message, ReadFailed) for message in box.posted))


def test_without_focus_it_looks_seldom(box: Box) -> None:
    box.feed.watch(ONE)
    box.until(lambda: arrived(box))
    box.feed.set_focus(False)
    time.sleep(0.05)
    box.readers[ONE].put(b.snapshot(2))
    reads = box.readers[ONE].reads
    time.sleep(0.2)
    assert box.readers[ONE].reads == reads
    box.feed.set_focus(True)
    box.until(lambda: box.readers[ONE].reads > reads)


def test_a_blocking_disk_does_not_block_the_caller() -> None:
    gate = threading.Event()
    reader = FakeReader(b.snapshot(1))
    read = reader.read
    reader.read = lambda budget_s: (gate.wait(5), read(budget_s))[1]  # type: ignore[method-assign]
    feed = Feed(lambda message: None, lambda path: reader, look_s=0.005)
    feed.start()
    feed.watch(ONE)
    started = time.perf_counter()
    feed.wake()
    feed.take()
    feed.watch(TWO)
    assert time.perf_counter() - started < 1.0  # the disk takes 5 s
    gate.set()
    feed.stop()
