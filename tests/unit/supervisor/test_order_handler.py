"""When a stop begins: not within a save, whatever the clock of the machine does meanwhile."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.model import AttemptPlan, KeeperRecord, RunSpec
from runner.store import inbox
from runner.store.inbox import Order
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir
from runner.supervisor import order_handler
from runner.supervisor.main import Supervisor
from runner.supervisor.order_handler import SAVE_PATIENCE_S, OrderHandler


class Clock:
    """`now`: what the machine says; `passed`: what really went by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.passed = time.time(), 0.0
        clock = SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.passed)
        monkeypatch.setattr(order_handler, "time", clock)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def supervisor_of(folder: Path) -> Supervisor:
    run = RunDir(folder)
    write_json(run.spec, RunSpec("r", "r", (), str(folder), {}, time.time(), "host"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, str(folder), str(folder), "r"))
    made = Supervisor(run)
    made.trainer.keeper = KeeperRecord(
        1, -1, -1, -1, time.time()
    )  # a stop that begins finds nothing
    return made


@pytest.fixture
def stopping(tmp_path: Path, clock: Clock) -> OrderHandler:
    """A stop was ordered while a checkpoint is being written."""
    made = supervisor_of(tmp_path)
    made.translator.state.saving_since = clock.now
    made.orders.order = Order("a", "stop", clock.now)
    assert not made.orders._is_due()
    return made.orders


@pytest.mark.parametrize("jump_s", [3600.0, 86_400.0, -3600.0])
def test_a_clock_that_is_set_lets_no_stop_begin_within_a_save(
    stopping: OrderHandler, clock: Clock, jump_s: float
) -> None:
    clock.now += jump_s
    clock.passed += 1.0
    assert not stopping._is_due()


def test_a_save_that_does_not_end_delays_a_stop_no_longer_than_its_patience(
    stopping: OrderHandler, clock: Clock
) -> None:
    clock.now -= 86_400.0
    clock.passed += SAVE_PATIENCE_S + 1
    assert stopping._is_due()


@pytest.mark.parametrize("modes", [("now",), ("default", "now"), ("after_save", "now")])
async def test_a_stop_that_is_cancelled_before_it_began_does_not_begin(
    tmp_path: Path, modes: tuple[str, ...]
) -> None:
    """Also by the next supervisor."""
    made = supervisor_of(tmp_path)
    for mode in modes:
        inbox.send(made.context.run, "stop", {"mode": mode})
    inbox.send(made.context.run, "cancel_stop")
    assert not await made.orders.work()
    answers = [order.answer for order in inbox.done(made.context.run)]
    assert answers[-1] == "cancelled"
    assert not made.orders.carried_out
    later = supervisor_of(tmp_path)
    later.orders.restore()
    assert not await later.orders.work()
    assert not later.orders.carried_out


@pytest.mark.parametrize("mode", ["default", "after_save"])
async def test_a_stop_whose_signals_were_sent_by_an_earlier_supervisor_is_not_cancelled(
    tmp_path: Path, mode: str
) -> None:
    """Nor does one that waited for a save wait for another."""
    made = supervisor_of(tmp_path)
    run = made.context.run
    inbox.send(run, "stop", {"mode": mode})
    ((name, order),) = inbox.pending(run)
    made.orders.queue.answer(name, lambda: made.orders._answer(order))
    made.journals.emit("signalled", signal="SIGINT", processes=[4711])
    later = supervisor_of(tmp_path)
    later.orders.restore()
    cancel = inbox.send(run, "cancel_stop")
    await later.orders.work()
    found = inbox.answer_of(run, cancel.id)
    assert found is not None and found.refused and "too late" in (found.answer or "")
    assert later.orders.carried_out


# --------------------------------------------------------------------------- clocks of others

LONG_AGO_S = 2 * inbox.DEADLINE_S


def sent(run: RunDir, *, at_s: float = 0.0, written_s: float = 0.0) -> Path:
    """A stop whose sender's clock is `at_s` off, in a file that is `written_s` old."""
    order = inbox.send(run, "stop")
    (path,) = run.inbox.glob(f"*-{order.id}.json")
    write_json(path, replace(order, at=order.at + at_s))
    now = path.stat().st_mtime
    os.utime(path, (now, now - written_s))
    return path


def answer_to(run: RunDir, path: Path) -> Order:
    return read_json(run.inbox_done / path.name, Order)


@pytest.mark.parametrize("at_s", [-LONG_AGO_S, LONG_AGO_S, -1e9])
@pytest.mark.parametrize("watching", [False, True])
async def test_a_stop_from_a_machine_with_another_clock_is_carried_out(
    tmp_path: Path, at_s: float, watching: bool
) -> None:
    made = supervisor_of(tmp_path)
    if watching:
        await made.orders.work()
    path = sent(made.context.run, at_s=at_s)
    assert await made.orders.work()
    assert not answer_to(made.context.run, path).refused


async def test_a_stop_is_carried_out_though_the_clock_was_set_since_it_was_ordered(
    tmp_path: Path,
) -> None:
    """Or this process, or the machine, was asleep: a supervisor was running."""
    made = supervisor_of(tmp_path)
    await made.orders.work()
    path = sent(made.context.run, at_s=-LONG_AGO_S, written_s=LONG_AGO_S)
    assert await made.orders.work()
    assert not answer_to(made.context.run, path).refused


@pytest.mark.parametrize("at_s", [0.0, -LONG_AGO_S])
async def test_a_stop_that_waited_for_a_supervisor_for_too_long_stops_nothing(
    tmp_path: Path, at_s: float
) -> None:
    """By the disk's clock, whatever the sender's showed."""
    made = supervisor_of(tmp_path)
    path = sent(made.context.run, at_s=at_s, written_s=LONG_AGO_S)
    fresh = sent(made.context.run)
    made.orders.reading_again = True  # it must wait until the console has been read again
    await made.orders.work()
    made.orders.reading_again = False
    assert await made.orders.work()
    found = answer_to(made.context.run, path)
    assert found.refused and "no supervisor was running" in (found.answer or "")
    assert not answer_to(made.context.run, fresh).refused
    assert [one.name for one in made.context.run.inbox.iterdir()] == ["done"]


async def test_a_stop_for_an_earlier_attempt_is_refused_however_new_it_is(tmp_path: Path) -> None:
    made = supervisor_of(tmp_path)
    path = sent(made.context.run)
    write_json(path, replace(read_json(path, Order), attempt=0))
    assert not await made.orders.work()
    assert answer_to(made.context.run, path).refused
