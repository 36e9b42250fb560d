"""When a stop begins: not within a save, whatever the clock of the machine does meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.model import AttemptPlan, KeeperRecord, RunSpec
from runner.store.inbox import Order
from runner.store.journal import write_json
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


@pytest.fixture
def stopping(tmp_path: Path, clock: Clock) -> OrderHandler:
    """A stop was ordered while a checkpoint is being written."""
    run = RunDir(tmp_path)
    write_json(run.spec, RunSpec("r", "r", (), str(tmp_path), {}, clock.now, "host"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, str(tmp_path), str(tmp_path), "r"))
    made = Supervisor(run)
    made.trainer.keeper = KeeperRecord(1, 1, 2, 2, clock.now)
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
