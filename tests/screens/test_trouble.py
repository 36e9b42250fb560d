"""Alarms, causes, and the questions before a run goes on: what a person sees and what the keys do."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import AlarmKind, LossSeries, Outcome
from runner.model.preview import FlagChange, Preview
from tests import builders as b
from tests import stories as s
from tests.fakes import FakeBackend
from tests.screens.helpers import RUN, app_on, screen_text, shown, text_of, until
from tui.app import PlasmaApp
from tui.screens.monitor import MonitorScreen
from tui.screens.questions import ConfirmScreen

FAILED = b.ended(Outcome.FAILED, 412, s.OOM)
NEVER_BEGAN = replace(b.ended(Outcome.FAILED, 0, s.MODULE), loss=LossSeries())


def visible(app: object) -> set[str]:
    screen = app.screen  # type: ignore[attr-defined]
    names = ("result", "preflight", "gauges", "loss", "checkpoints", "events", "console")
    return {name for name in names if screen.query_one(f"#{name}").region.area > 0}


# --------------------------------------------------------------------------- alarms


def rings(app: PlasmaApp) -> list[None]:
    found: list[None] = []
    hear = lambda data: found.append(None) if "\x07" in data else None  # noqa: E731
    app.notices.write = hear  # type: ignore[method-assign]
    return found


async def test_an_alarm_that_begins_rings_once_and_stays_until_it_ends() -> None:
    actions = FakeBackend(b.snapshot(412))
    app = app_on(actions=actions)
    bell = rings(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert actions.reader is not None and bell == []
        alarm = s.alarm(AlarmKind.STALLED)
        actions.reader.put(s.alarmed(alarm, step=412))
        await until(pilot, lambda: "No step for 2 min" in text_of(pilot, "#verdict"))
        assert len(bell) == 1 and "! training" in text_of(pilot, "#header")
        actions.reader.put(s.alarmed(alarm, step=413))
        await until(pilot, lambda: "413/920" in text_of(pilot, "#header"))
        assert len(bell) == 1 and "No step for 2 min" in text_of(pilot, "#verdict")
        actions.reader.put(s.alarmed(replace(alarm, over_at=b.NOW), step=420))
        await until(pilot, lambda: "running again" in text_of(pilot, "#verdict"))
        assert len(bell) == 1 and "● training" in text_of(pilot, "#header")


async def test_an_alarm_from_before_the_screen_was_opened_is_shown_and_does_not_ring() -> None:
    app = app_on(s.alarmed(s.alarm(AlarmKind.NONFINITE)))
    bell = rings(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert "Loss is NaN since step 412" in text_of(pilot, "#verdict")
        assert bell == []


@pytest.mark.parametrize("kind", list(AlarmKind))
async def test_every_alarm_is_whole_at_80_columns_with_the_price_of_stopping(
    kind: AlarmKind,
) -> None:
    async with app_on(s.alarmed(s.alarm(kind))).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        text = text_of(pilot, "#verdict")
        assert "Stopping now loses 20 steps" in text
        if kind not in (AlarmKind.SLOW, AlarmKind.ONE_BAD_STEP):
            assert "…" not in text


# --------------------------------------------------------------------------- the card of the end


async def test_a_run_that_ends_while_it_is_watched_gets_its_card_and_the_next_run_has_none() -> (
    None
):
    actions = FakeBackend(b.snapshot(412))
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert "result" not in visible(app) and actions.reader is not None
        actions.reader.put(FAILED)
        await until(pilot, lambda: "result" in visible(app))
        assert "The Mac's GPU memory ran out" in text_of(pilot, "#result")
        assert "y retry" in text_of(pilot, "#footer")
        actions.reader.put(b.snapshot(3))
        app.navigator.open_run(Path("/state/runs/two"))
        await until(pilot, lambda: "3/920" in text_of(pilot, "#header"))
        assert "result" not in visible(app) and "gauges" in visible(app)


async def test_a_card_with_more_than_fits_scrolls() -> None:
    async with app_on(FAILED).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: "more lines" in text_of(pilot, "#result"))
        await pilot.press("shift+tab", "end")
        await until(pilot, lambda: "close other" in text_of(pilot, "#result"))


async def test_what_had_the_focus_and_went_leaves_it_to_the_card() -> None:
    actions = FakeBackend(b.snapshot(0))
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert actions.reader is not None
        actions.reader.put(NEVER_BEGAN)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "result")


# --------------------------------------------------------------------------- y: one key, two orders


PREVIEW = Preview(
    "Try spyke_plasma_v1 again",
    ("From the state of step 400 to step 920, as attempt 2.",),
    ("plasma.toml is not changed.",),
    (FlagChange("cache_latents", None, "true"),),
    "accelerate launch train_network.py --cache_latents",
)


async def test_y_shows_the_difference_first_and_tries_again_only_on_a_yes() -> None:
    actions = FakeBackend(FAILED)
    actions.preview = PREVIEW
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        text = screen_text(pilot)
        assert "cache_latents  not set → on" in text and "! plasma.toml is not changed." in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert actions.orders == []
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: actions.orders == [("retry", RUN)])


async def test_resume_shows_its_plan_and_orders_only_on_a_yes() -> None:
    actions = FakeBackend(b.ended(Outcome.KILLED, 412))
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "From step 400 to 920." in screen_text(pilot))
        assert "▌ Cancel" in screen_text(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: actions.orders == [("resume", RUN)])


async def test_a_refused_preview_is_one_sentence_and_no_question() -> None:
    actions = FakeBackend(b.ended(Outcome.KILLED, 412))
    actions.refuse = "the rank has changed from 32 to 16: the state does not fit"
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "✗ the rank has changed" in text_of(pilot, "#notice"))
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_a_slow_preview_says_so_and_is_not_asked_for_twice() -> None:
    gate, asked = threading.Event(), []
    actions = FakeBackend(b.ended(Outcome.KILLED, 412))

    def slowly(run_path: Path) -> Preview:
        asked.append(run_path)
        gate.wait(5)
        return PREVIEW

    actions.resume_preview = slowly  # type: ignore[method-assign]
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "Checking what it would do" in text_of(pilot, "#notice"))
        await pilot.press("r")
        await until(pilot, lambda: "Already requested" in text_of(pilot, "#notice"))
        gate.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert asked == [RUN]


async def test_whoever_has_opened_another_run_meanwhile_is_not_asked() -> None:
    gate = threading.Event()
    actions = FakeBackend(b.ended(Outcome.KILLED, 412))

    def slowly(run_path: Path) -> Preview:
        gate.wait(5)
        return PREVIEW

    actions.resume_preview = slowly  # type: ignore[method-assign]
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        app.navigator.open_run(Path("/state/runs/two"))
        gate.set()
        await until(pilot, lambda: "preview resume" not in app.orders.unanswered)
        await pilot.pause()
        assert isinstance(app.screen, MonitorScreen)


async def test_a_plan_longer_than_the_screen_scrolls_and_keeps_its_answers() -> None:
    actions = FakeBackend(b.ended(Outcome.KILLED, 412))
    facts = tuple(f"Fact {number}." for number in range(60))
    actions.preview = replace(PREVIEW, facts=facts)
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "Fact 0." in screen_text(pilot))
        assert "PgUp, PgDn scroll" in screen_text(pilot)
        assert "Cancel" in screen_text(pilot)
        for _ in range(4):
            await pilot.press("pagedown")
        await until(pilot, lambda: "$ accelerate launch" in screen_text(pilot))
        assert "▌ Cancel" in screen_text(pilot)
        for _ in range(4):
            await pilot.press("pageup")
        await until(pilot, lambda: "Fact 0." in screen_text(pilot))


# --------------------------------------------------------------------------- checkpoints, zoomed


async def test_the_cursor_of_the_zoomed_table_tells_about_its_file_and_stays_on_it() -> None:
    actions = FakeBackend(b.snapshot(412))
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "path" in text_of(pilot, "#checkpoints"))
        assert "▌★    400" in text_of(pilot, "#checkpoints")
        await pilot.press("down")
        assert "▌◆    200" in text_of(pilot, "#checkpoints")
        assert "━" in text_of(pilot, "#checkpoints") and actions.reader is not None
        early = b.checkpoint(100)
        files = (early, b.checkpoint(200), b.checkpoint(400))
        actions.reader.put(b.snapshot(413, status_changes={"checkpoints": files}))
        await until(pilot, lambda: "100" in text_of(pilot, "#checkpoints"))
        assert "▌◆    200" in text_of(pilot, "#checkpoints")
        await pilot.press("pagedown")
        await until(pilot, lambda: "unet up 3" in text_of(pilot, "#checkpoints"))
        await pilot.press("z")
        await until(pilot, lambda: "gauges" in visible(app))
        assert "▌" not in text_of(pilot, "#checkpoints")
