"""The monitor: what is shown where, which keys do what, and what they never do."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import Outcome, RunState
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import RUN, app_on, screen_text, shown, text_of, until
from tui.backend.results import Plan
from tui.panels.console import ConsolePanel
from tui.screens.monitor import MonitorScreen
from tui.screens.questions import ConfirmScreen

PANELS = ("preflight", "gauges", "loss", "checkpoints", "events", "console")


def visible(app: object) -> set[str]:
    screen = app.screen  # type: ignore[attr-defined]
    return {name for name in PANELS if screen.query_one(f"#{name}").region.area > 0}


@pytest.mark.parametrize("size", [(20, 4), (1, 1), (300, 5), (10, 80)])
async def test_odd_sizes_do_not_break_it(size: tuple[int, int]) -> None:
    async with app_on().run_test(size=size) as pilot:
        await shown(pilot)
        await pilot.press("tab", "l", "z", "l")


async def test_it_follows_a_resize() -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: visible(pilot.app) == {"loss"})
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: visible(pilot.app) == set(PANELS) - {"preflight", "console"})


async def test_a_tiny_screen_walks_through_its_panels() -> None:
    async with app_on().run_test(size=(40, 10)) as pilot:
        await shown(pilot)
        seen = []
        for _ in range(6):
            await pilot.press("tab")
            await pilot.pause()
            seen += visible(pilot.app)
        assert seen == ["checkpoints", "gauges", "events", "preflight", "console", "loss"]


async def test_zoom_gives_one_panel_the_body_and_back() -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("tab", "z")
        await until(pilot, lambda: visible(pilot.app) == {"checkpoints"})
        await pilot.press("tab")
        await until(pilot, lambda: visible(pilot.app) == {"gauges"})
        await pilot.press("escape")
        await until(pilot, lambda: len(visible(pilot.app)) == 4)


async def test_while_training_the_checks_are_a_title_line_and_p_opens_them() -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert "Preflight 8 ✓ 2 ! p opens" in text_of(pilot, "#events")
        await pilot.press("p")
        await until(pilot, lambda: visible(pilot.app) == {"preflight"})
        rows = text_of(pilot, "#preflight").splitlines()
        assert "steps" in rows[1] and "GPU users" in rows[2], "warnings first"
        assert text_of(pilot, "#notice").strip() == ""
        await pilot.press("p")
        await until(pilot, lambda: "events" in visible(pilot.app))
        assert "preflight" not in visible(pilot.app)


async def test_the_console_drawer_opens_scrolls_back_and_follows_again() -> None:
    lines = tuple(f"line {i}" for i in range(300))
    actions = FakeBackend(b.snapshot(console=lines))
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("l")
        await until(pilot, lambda: "line 299" in text_of(pilot, "#console"))
        await pilot.press("pageup", "up")
        assert "line 299" not in text_of(pilot, "#console")
        before = text_of(pilot, "#console").splitlines()[1:]
        assert actions.reader is not None
        actions.reader.put(b.snapshot(console=(*lines[50:], "line 300", "line 301")))
        await until(pilot, lambda: "line 301" in pilot.app.snapshot.console[-1])  # type: ignore[attr-defined]
        assert text_of(pilot, "#console").splitlines()[1:] == before, "what is read must not move"
        await pilot.press("end")
        await until(pilot, lambda: "line 301" in text_of(pilot, "#console"))
        await pilot.press("l")
        await until(pilot, lambda: "console" not in visible(pilot.app))


async def test_the_console_lays_out_no_more_than_it_shows() -> None:
    lines = tuple(f"line {i}" for i in range(2000))
    async with app_on(b.snapshot(console=lines)).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        assert len(pilot.app.screen.query_one(ConsolePanel)._cache) < 20


async def test_an_equal_snapshot_draws_nothing() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.pause()
        refreshed: list[str] = []
        for widget in pilot.app.screen.walk_children():

            def note(*regions: object, _id: str = str(widget.id), **how: object) -> None:
                refreshed.append(_id)

            widget.refresh = note  # type: ignore[method-assign,assignment]
        screen = pilot.app.screen
        assert isinstance(screen, MonitorScreen) and actions.reader is not None
        screen.show(replace(actions.reader.snapshot, read_at=b.NOW + 1))
        assert refreshed == []
        screen.show(b.snapshot(413))
        assert "header" in refreshed and "gauges" not in refreshed


# --------------------------------------------------------------------------- orders


async def test_stop_asks_and_the_safe_answer_does_nothing() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        text = screen_text(pilot)
        assert "Stopping now loses 12 steps (37 s)." in text
        assert "Stop after the save at step 600, in 10 min" in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert actions.orders == []
        await pilot.press("a", "down", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert actions.orders == []


async def test_stop_is_sent_and_the_screen_claims_no_more_than_that() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a", "down", "down", "enter")
        await until(pilot, lambda: actions.orders == [("stop", RUN, "default")])
        assert "● training" in text_of(pilot, "#header")
        assert actions.reader is not None
        actions.reader.put(
            b.snapshot(state=RunState.STOPPING, status_changes={"state": RunState.STOPPING})
        )
        await until(pilot, lambda: "◐ stopping" in text_of(pilot, "#header"))


async def test_the_same_order_is_not_given_twice_before_its_answer() -> None:
    gate = threading.Event()
    plan = Plan("spyke", b.forecast(), b.CHECKS)
    actions = FakeBackend(b.snapshot(3), plan=plan)
    start = actions.start
    actions.start = lambda config, **how: (gate.wait(5), start(config))[1]  # type: ignore[method-assign]
    app = app_on(actions=actions, run_path=None, config_path=Path("/p/plasma.toml"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        await pilot.press("s", "s")
        await until(pilot, lambda: "Already requested" in text_of(pilot, "#notice"))
        gate.set()
        await until(pilot, lambda: app.run_path is not None)
        assert len(actions.orders) == 1


async def test_killing_needs_the_name_typed() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a", "up", "enter")
        assert "That is not the name." in screen_text(pilot)
        await pilot.press(*"spyke_plasma_v2", "enter")
        assert actions.orders == []
        await pilot.press("backspace", "1", "enter")
        await until(pilot, lambda: actions.orders == [("stop", RUN, "now")])


async def test_letters_typed_for_the_kill_are_no_commands() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a", "up", "q", "h", "l")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert "qhl" in text_of(pilot, "#typed")


async def test_a_refusal_is_shown_in_its_own_words() -> None:
    actions = FakeBackend(b.snapshot())
    actions.refuse = "run one has already ended"
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a", "down", "enter")
        await until(pilot, lambda: "✗ Run one has already ended" in text_of(pilot, "#notice"))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one("#notice").region.area == 0)


async def test_a_key_that_can_do_nothing_says_why() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "the run is still training" in text_of(pilot, "#notice"))
        assert actions.orders == []


async def test_read_only_gives_no_orders() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions, read_only=True).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        for key in ("s", "a", "r", "o"):
            await pilot.press(key)
        assert isinstance(pilot.app.screen, MonitorScreen)
        assert actions.orders == [] and "stop" not in text_of(pilot, "#footer")
        assert "read-only" in text_of(pilot, "#header")


async def test_an_orphaned_run_can_be_adopted() -> None:
    actions = FakeBackend(b.snapshot(supervisor_alive=False))
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert "supervisor is gone" in text_of(pilot, "#verdict")
        await pilot.press("o")
        await until(pilot, lambda: actions.orders == [("adopt", RUN)])


# --------------------------------------------------------------------------- before a run


async def test_a_configuration_is_shown_and_started() -> None:
    actions = FakeBackend(b.snapshot(3), plan=Plan("spyke_plasma_v1", b.forecast(), b.CHECKS))
    app = app_on(actions=actions, run_path=None, config_path=Path("/p/plasma.toml"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "○ ready" in text_of(pilot, "#header"))
        assert "Ready. 920 steps, 5 checkpoints, 360 MB." in text_of(pilot, "#verdict")
        assert "1840, not 920" in text_of(pilot, "#preflight")
        assert "steps    920" in text_of(pilot, "#plan")
        assert "◇    800" in text_of(pilot, "#checkpoints")
        await pilot.press("s")
        await until(pilot, lambda: app.run_path == Path("/state/runs/new"))
        assert actions.orders == [("start", Path("/p/plasma.toml"))]
        await until(pilot, lambda: "3/920" in text_of(pilot, "#header"))


async def test_the_smoke_test_and_its_approval() -> None:
    plan = Plan("spyke", b.forecast(), b.CHECKS, gate="no smoke test with these settings yet")
    smoke = b.ended(Outcome.SUCCEEDED)
    assert smoke.spec is not None
    actions = FakeBackend(replace(smoke, spec=replace(smoke.spec, smoke=True)), plan=plan)
    app = app_on(actions=actions, run_path=None, config_path=Path("/p/plasma.toml"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no smoke test with these" in text_of(pilot, "#verdict"))
        await pilot.press("t")
        await until(pilot, lambda: "y approves it" in text_of(pilot, "#verdict"))
        assert actions.orders == [("smoke", Path("/p/plasma.toml"))]
        assert "y approve" in text_of(pilot, "#footer")
        await pilot.press("y", "enter")
        assert len(actions.orders) == 1, "the safe answer approves nothing"
        await pilot.press("y", "down", "enter")
        await until(pilot, lambda: actions.orders[1:] == [("approve", Path("/state/runs/new"))])


async def test_a_live_run_of_the_configuration_is_opened_instead() -> None:
    plan = Plan("spyke", b.forecast(), live_run=RUN)
    actions = FakeBackend(b.snapshot(), plan=plan)
    app = app_on(actions=actions, run_path=None, config_path=Path("/p/plasma.toml"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "412/920" in text_of(pilot, "#header"))
        assert app.run_path == RUN


# --------------------------------------------------------------------------- reading


async def test_a_reader_that_fails_is_told_and_tried_again() -> None:
    actions = FakeBackend(b.snapshot())
    assert actions.reader is not None
    actions.reader.error = OSError("stale file handle")
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "stale file handle" in text_of(pilot, "#notice"))
        actions.reader.error = None
        await until(pilot, lambda: "412/920" in text_of(pilot, "#header"))


async def test_another_run_leaves_nothing_of_the_one_before() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        actions.reader = None
        fresh = FakeBackend(b.snapshot(0, status=None, loss=b.series([]), preflight=()))
        pilot.app.backend.open_reader = fresh.open_reader  # type: ignore[attr-defined]
        pilot.app.feed._open_reader = fresh.open_reader  # type: ignore[attr-defined]
        pilot.app.navigator.open_run(Path("/state/runs/two"))  # type: ignore[attr-defined]
        await until(pilot, lambda: pilot.app.snapshot is not None)  # type: ignore[attr-defined]
        assert "412" not in text_of(pilot, "#header")
        assert "no loss yet" in text_of(pilot, "#loss")
