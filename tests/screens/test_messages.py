"""Messages, and what esc and answers do to the screen in front."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.screen import ModalScreen

from runner.model import RunState
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import app_on, screen_text, shown, until
from tui.backend.results import Sent
from tui.kit.notice import NoticeLine
from tui.screens.monitor import MonitorScreen
from tui.screens.questions import LabelScreen
from tui.screens.runs import RunsScreen
from tui.screens.welcome import WelcomeScreen

RUNS = [b.listing(1, id="one"), b.listing(2, id="two")]


async def test_an_older_timer_never_hides_a_newer_message() -> None:
    """On every screen: they share one mechanism."""
    async with app_on(actions=FakeBackend(b.snapshot(), RUNS)).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        screen = pilot.app.screen
        assert isinstance(screen, RunsScreen)
        screen.say("old", fade_s=0.05)
        screen.say("new", "bad")
        await asyncio.sleep(0.2)
        await pilot.pause()
        assert screen.query_one(NoticeLine).text == "new"
        screen.say("short", fade_s=0.05)
        await until(pilot, lambda: screen.query_one(NoticeLine).text == "")


async def test_esc_leads_back_to_the_runs_that_a_run_was_opened_from_in_spite_of_a_message() -> (
    None
):
    async with app_on(actions=FakeBackend(b.snapshot(), RUNS)).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "h lists the runs" in screen_text(pilot))
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        await until(pilot, lambda: "two" in screen_text(pilot) or "spyke" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        screen = pilot.app.screen
        assert isinstance(screen, MonitorScreen)
        screen.say("something happened")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        listed = pilot.app.screen
        assert isinstance(listed, RunsScreen)
        await until(pilot, lambda: listed.under_cursor() is not None)
        entry = listed.under_cursor()
        assert entry is not None
        assert entry.key == "two"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))


async def test_esc_leads_back_to_the_welcome() -> None:
    app = app_on(actions=FakeBackend(b.snapshot(), RUNS), run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "spyke" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and app.snapshot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
        assert app.run_path is None


async def test_an_answer_that_opens_a_run_waits_until_the_form_is_closed() -> None:
    app = app_on(actions=FakeBackend(b.snapshot(), RUNS))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: "spyke" in screen_text(pilot))
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, LabelScreen))
        await pilot.press(*"ab")
        app.orders.give("start", lambda: Sent("started new", Path("/state/runs/new")))
        await pilot.pause()
        await pilot.press(*"cd")
        assert isinstance(app.screen, LabelScreen)
        assert "abcd" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert app.run_path == Path("/state/runs/new")


async def test_summary_and_replay_of_a_live_run_say_why_not() -> None:
    live = b.snapshot(state=RunState.RUNNING, outcome=None)
    async with app_on(live).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("m")
        await until(pilot, lambda: "No summary yet" in screen_text(pilot))
        await pilot.press("w")
        await until(pilot, lambda: "No replay yet" in screen_text(pilot))


async def test_q_quits_from_a_question_and_from_help() -> None:
    for key in ("a", "question_mark"):
        app = app_on()
        async with app.run_test(size=(80, 24)) as pilot:
            await shown(pilot)
            await pilot.press(key)
            await until(pilot, lambda app=app: isinstance(app.screen, ModalScreen))  # type: ignore[misc]
            await pilot.press("q")
            await until(pilot, lambda app=app: app.return_value is None and app._exit)  # type: ignore[misc]


async def test_q_is_typed_into_a_form_and_ctrl_q_quits() -> None:
    app = app_on(actions=FakeBackend(b.snapshot(), RUNS), run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "spyke" in screen_text(pilot))
        await pilot.press("e", *"quick")
        await until(pilot, lambda: isinstance(app.screen, LabelScreen))
        await until(pilot, lambda: "quick" in screen_text(pilot))
        assert not app._exit
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)
