"""What the app owns, each by itself: orders and planner with an app that has no screen and no threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.model import Approval, CheckResult
from runner.model.preview import Preview
from runner.model.refusal import Refusal
from tests.fakes import FakeBackend
from tui.app import PlasmaApp
from tui.backend.results import Plan, Sent
from tui.orders import ALREADY, CHECKING, SLOW_S, Orders
from tui.planner import Planner

RUN, CONFIG = Path("/state/runs/one"), Path("/p/plasma.toml")
QUICK, SLOW = CheckResult("trainer", "pass", "fine"), CheckResult("device", "pass", "mps")


class FakeApp:
    """`work()` does what a thread would have done by now."""

    def __init__(self) -> None:
        self.backend = FakeBackend(plan=Plan("spyke", checks=(QUICK, SLOW)))
        self.backend.slow = {"device"}
        self.run_path: Path | None = None
        self.config_path: Path | None = CONFIG
        self.screen, self.screen_stack = object(), ()
        self.said: list[str] = []
        self.shown: list[Path] = []
        self.feed = SimpleNamespace(wake=lambda: None)
        self.navigator = SimpleNamespace(show_run=lambda path: self.shown.append(path) or True)
        self.planner = Planner(cast(PlasmaApp, self))
        self.orders = Orders(cast(PlasmaApp, self))
        self.timers: list[tuple[float, Callable[[], object]]] = []
        self._waiting: list[Callable[[], object]] = []

    def run_worker(self, work: Callable[[], object], **how: Any) -> None:
        self._waiting.append(work)

    def call_later(self, handler: Callable[..., object], *values: object) -> None:
        handler(*values)

    def set_timer(self, after_s: float, then: Callable[[], object]) -> None:
        self.timers.append((after_s, then))

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        self.said.append(text)

    def refresh_monitor(self) -> None:
        pass

    def work(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


# ------------------------------------------------------------------------------- orders


def test_an_order_is_not_given_again_before_its_answer(app: FakeApp) -> None:
    given: list[int] = []
    for _ in range(2):
        app.orders.give("stop", lambda: given.append(1) or Sent("stop sent"))
    app.work()
    assert given == [1] and app.said == [ALREADY, "Stop sent."]
    app.orders.give("stop", lambda: given.append(2) or Sent(""))
    app.work()
    assert given == [1, 2]


def test_a_refusal_and_a_crash_are_sentences(app: FakeApp) -> None:
    for error in (Refusal("no run is there"), ValueError("odd")):

        def refused(error: Exception = error) -> Sent:
            raise error

        app.orders.give("resume", refused)
        app.work()
    assert app.said == ["No run is there", "ValueError: odd"] and not app.orders.unanswered


def test_a_started_run_is_shown_and_its_plasma_toml_is_watched(app: FakeApp) -> None:
    app.orders.give("demo", lambda: Sent("started it", RUN, Path("/demo/plasma.toml")))
    app.work()
    app.planner.stop()
    assert app.shown == [RUN] and app.config_path == Path("/demo/plasma.toml")


@pytest.mark.parametrize("what", ["run_path", "screen"])
def test_a_preview_is_dropped_once_something_else_is_open(app: FakeApp, what: str) -> None:
    found: list[Preview] = []
    app.orders.preview("resume", lambda: Preview("Resume", ()), found.append)
    setattr(app, what, RUN)
    app.work()
    assert found == [] and not app.orders.unanswered
    app.orders.preview("resume", lambda: Preview("Resume", ()), found.append)
    app.work()
    assert len(found) == 1


def test_only_a_slow_preview_says_that_it_is_under_way(app: FakeApp) -> None:
    app.orders.preview("start", lambda: Preview("Start", ()), lambda _: None)
    ((after_s, say),) = app.timers
    say()
    app.work()
    say()
    assert after_s == SLOW_S and app.said == [CHECKING]


# ------------------------------------------------------------------------------- planner


def statuses(app: FakeApp) -> dict[str, str]:
    return {one.name: app.planner.checklist.status(one.name) for one in app.planner.checklist.known}


def test_a_plan_is_read_and_its_quick_checks_run(app: FakeApp) -> None:
    app.planner.read()
    app.work()
    assert app.planner.plan == app.backend.made_plan
    assert statuses(app) == {"trainer": "pass", "device": "unseen"}


def test_results_of_cancelled_checks_are_dropped(app: FakeApp) -> None:
    app.planner.read()
    app.work()
    app.planner.check(slow=True)
    assert app.planner.checks_breakable and app.planner.cancel_checks()
    app.backend.slow_may_end.set()
    app.work()
    assert statuses(app) == {"trainer": "unseen", "device": "unseen"}
    assert not app.planner.cancel_checks()


def test_a_start_takes_no_result_away_before_its_own_first_one(app: FakeApp) -> None:
    app.planner.read()
    app.work()
    found = app.planner.start_checks()
    assert found is not None and statuses(app)["trainer"] == "pass"
    found(CheckResult("trainer", "fail", "gone"))
    assert statuses(app) == {"trainer": "fail", "device": "running"}
    assert not app.planner.checks_breakable
    app.planner.end_start_checks()
    assert statuses(app) == {"trainer": "fail", "device": "unseen"}


def test_a_plan_that_cannot_be_used_has_no_checks(app: FakeApp) -> None:
    app.backend.made_plan = Plan("plasma.toml", problem="line 3", problems=("line 3",))
    app.planner.read()
    app.work()
    assert statuses(app) == {} and not app.planner.checks_breakable


def test_a_live_run_of_this_plasma_toml_is_opened_instead(app: FakeApp) -> None:
    app.backend.made_plan = Plan("spyke", live_run=RUN)
    app.planner.read()
    app.work()
    assert app.shown == [RUN] and app.planner.plan is None


def test_an_approval_of_a_run_no_longer_open_is_ignored(app: FakeApp) -> None:
    app.backend.approved = Approval("me", 1.0, "fits")
    app.run_path = RUN
    app.planner.read_approval()
    app.run_path = Path("/state/runs/two")
    app.work()
    assert app.planner.approval is None
