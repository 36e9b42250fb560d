"""Orders about the queue: the place of a run, its release, its removal, and a host that is no more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import launch, orders
from runner.control import queue as control
from runner.control.orders import Refused
from runner.control.queueing import QueueRequest
from runner.control.remove import removal_of
from runner.control.start_refusals import StartRefused
from runner.model import RunSpec, RunState, Status, Waiting
from runner.store import queue
from runner.store.journal import read_json, write_json
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, home
from tests import builders as b

Make = Callable[[str], RunDir]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A queued run without a process."""
    monkeypatch.setattr(launch, "_await_supervisor", lambda *_, **__: None)
    for module in (launch, control, orders):
        monkeypatch.setattr(module, "start_supervisor", lambda *_: None)

    def made(name: str) -> RunDir:
        spec = b.spec(
            id=f"20261130-190000-{name}-abcd", name=name, output_name=name, host=queue.this_host(),
            output_dir=str(tmp_path / "out"),
        )  # fmt: skip
        return launch.start_run(spec, spec.first_plan, queue=QueueRequest())

    return made


def shown() -> list[str]:
    return [one.name for one in control.queued_runs()]


def test_a_queued_run_without_a_process_is_queued_and_needs_one(make: Make) -> None:
    run = make("one")
    assert RunReader(run.path).read_small().state is RunState.QUEUED
    assert orders.needs_adoption(run.path)
    assert control.revive() == 1


def test_the_list_is_in_the_order_of_the_queue(make: Make) -> None:
    one, _, three = (make(name) for name in ("one", "two", "three"))
    assert shown() == ["one", "two", "three"]
    control.move(three.path, "first")
    control.move(one.path, "last")
    assert shown() == ["three", "two", "one"]
    places = [one.waiting.place for one in control.queued_runs() if one.waiting is not None]
    assert places == [1, 2, 3]


def test_a_training_whose_supervisor_was_killed_before_its_first_status_is_not_queued(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("one")
    write_json(run.status, Status(RunState.QUEUED, 1, time.time(), waiting=Waiting("checks")))
    run.started(1).touch()
    monkeypatch.setattr(RunReader, "_training_alive", lambda _: True)
    assert RunReader(run.path).read_small().state is RunState.STARTING
    assert shown() == []


def test_a_run_whose_entry_is_missing_can_be_moved(make: Make) -> None:
    make("one")
    two = make("two")
    queue.remove(queue.queue_folder(home(), queue.this_host()), two.id)
    control.move(two.path, "first")
    assert shown() == ["two", "one"]


def test_only_a_held_run_is_released(make: Make) -> None:
    run = make("one")
    with pytest.raises(Refused, match="not held"):
        control.release(run.path)
    mark = queue.read_mark(run)
    assert mark is not None
    queue.write_mark(run, replace(mark, held="a check failed"))
    assert "waits for its turn" in control.release(run.path)
    after = queue.read_mark(run)
    assert after is not None and after.held == ""


def test_a_run_that_is_not_queued_is_refused(make: Make) -> None:
    run = make("one")
    run.started(1).touch()
    for order in (control.release, lambda path: control.move(path, "up")):
        with pytest.raises(Refused, match="not queued"):
            order(run.path)


def test_a_queued_run_is_not_removed_resumed_or_overwritten(make: Make) -> None:
    run = make("one")
    assert "queued" in (removal_of(run.path).refusal or "")
    snapshot = RunReader(run.path).read_small()
    with pytest.raises(Refused, match="is queued"):
        orders.refuse_live(snapshot)
    with pytest.raises(StartRefused, match="run 20261130-190000-one-abcd is queued to write 'one'"):
        spec = read_json(run.spec, RunSpec)
        launch.start_run(replace(spec, id="20261130-190001-other-abcd"), spec.first_plan)


def test_runs_of_a_host_that_no_longer_exists_join_this_queue_when_released(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = queue.this_host()
    monkeypatch.setattr(queue, "this_host", lambda: "old-name")
    run = make("one")
    monkeypatch.setattr(queue, "this_host", lambda: here)
    write_json(run.status, Status(RunState.QUEUED, 1, time.time()))
    assert RunReader(run.path).read_small().state is RunState.QUEUED, "never lost"
    assert control.revive() == 0, "it may wait on that host"
    with pytest.raises(Refused, match="queue of old-name"):
        control.release(run.path)
    write_json(run.status, Status(RunState.QUEUED, 1, time.time() - 1000))
    with pytest.raises(Refused, match="queue of old-name"):
        control.release(run.path)  # its clock differs from ours, and it has just written this
    os.utime(run.status, (time.time() - 1000,) * 2)
    with pytest.raises(Refused, match="--release` moves it to this machine"):
        orders.stop(run.path)
    control.release(run.path)
    assert [one.run_id for one in queue.entries(queue.queue_folder(home(), here))] == [run.id]
    assert queue.entries(queue.queue_folder(home(), "old-name")) == []
    assert read_json(run.spec, RunSpec).host == here
    assert control.revive() == 1


def test_nonsense_in_plasma_slots_is_refused_before_the_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runner.control.queueing import refuse_bad_slots

    monkeypatch.setenv("PLASMA_SLOTS", "all of them")
    with pytest.raises(Refused, match="PLASMA_SLOTS='all of them'"):
        refuse_bad_slots()


def test_a_queue_folder_that_cannot_be_written_is_one_sentence(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(queue, "write_mark", full)
    with pytest.raises(StartRefused, match="No space left"):
        make("one")
