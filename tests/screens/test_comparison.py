"""The comparison on the screen, with keys only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.model import Outcome, RunSnapshot, RunState
from runner.model.refusal import Refusal
from tests import builders as b
from tests.fakes import FakeBackend, FakeComparing
from tests.hostile import HOSTILE
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.screens.compare import CompareScreen
from tui.screens.monitor import MonitorScreen

PATHS = tuple(Path(f"/state/runs/{letter}") for letter in "abc")


def snapshots(count: int = 3) -> list[RunSnapshot]:
    return [
        replace(
            b.ended(Outcome.SUCCEEDED),
            path=f"/state/runs/{'abcdefgh'[i]}",
            loss=b.series(b.losses(920 - 100 * i, i + 1)),
            spec=b.spec(name=f"run number {i + 1}"),
        )
        for i in range(count)
    ]


def settings(count: int = 3) -> list[dict[str, str]]:
    return [{"learning_rate": f"{i + 1}e-4", "seed": "1"} for i in range(count)]


async def opened(pilot: Pilot[Any], compared: FakeComparing) -> CompareScreen:
    """The screen, as the list of runs opens it."""
    await shown(pilot)
    actions = pilot.app.backend  # type: ignore[attr-defined]
    actions.compared = compared
    screen = CompareScreen(PATHS)
    pilot.app.push_screen(screen)
    await until(pilot, lambda: screen.is_current and screen.made is not None)
    return screen


def an_app(**how: Any) -> Any:
    return app_on(actions=FakeBackend(b.snapshot()), **how)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_chart_results_and_settings_are_there(size: tuple[int, int]) -> None:
    async with an_app().run_test(size=size) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        text = screen_text(pilot)
        assert "3 runs compared" in text
        assert "run number 1" in text
        assert "loss at" in text and "succeeded" not in text
        assert "learning_rate" in text and "seed" not in text
        assert "1 of 2 differ" in text


async def test_the_cursor_reads_the_values_of_all_runs() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        assert "step 920" in text_of(pilot, "#overlay") and "B ended" in text_of(pilot, "#overlay")
        await pilot.press("home")
        assert "at step 8" in text_of(pilot, "#results")
        await pilot.press("right", "shift+right")
        assert "at step 9" in text_of(pilot, "#results")
        assert "ended" not in text_of(pilot, "#results").splitlines()[2]
        await pilot.press("end")
        assert "at step 920" in text_of(pilot, "#results")


async def test_x_goes_through_the_axes_and_l_makes_it_logarithmic() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        for words in ("by epoch", "by training time", "by images seen", "by step"):
            await pilot.press("x")
            assert words in text_of(pilot, "#overlay")
        await pilot.press("L")
        assert "by step, log" in text_of(pilot, "#overlay")


async def test_digits_hide_a_run_and_show_it_again() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        await pilot.press("1")
        assert "hidden" in text_of(pilot, "#results")
        assert "  A 0." not in text_of(pilot, "#overlay")
        await pilot.press("8", "tab", "1")
        assert "hidden" not in text_of(pilot, "#results")
        await pilot.press("1", "2", "3")
        assert "every run is hidden" in text_of(pilot, "#overlay")


async def test_d_shows_every_setting() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        await pilot.press("d")
        assert "◆learning_rate" in text_of(pilot, "#settings")
        assert " seed" in text_of(pilot, "#settings")
        assert "succeeded" in text_of(pilot, "#results")
        await pilot.press("d")
        assert " seed" not in text_of(pilot, "#settings")


async def test_enter_opens_the_chosen_run() -> None:
    async with an_app().run_test(size=(80, 24)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        await pilot.press("down")
        assert "▌B" in text_of(pilot, "#results")
        await pilot.press("tab", "right")
        assert "▌C" in text_of(pilot, "#results")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert pilot.app.run_path == Path("/state/runs/c")


async def test_tables_scroll_and_zoom_and_escape_goes_back_step_by_step() -> None:
    async with an_app().run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, FakeComparing(snapshots(), settings()))
        await pilot.press("tab")
        before = text_of(pilot, "#results")
        await pilot.press("down")
        assert text_of(pilot, "#results") != before
        await pilot.press("home")
        assert text_of(pilot, "#results") == before
        await pilot.press("z")
        assert "checkpoints" in text_of(pilot, "#results")
        assert not screen.query_one("#overlay").display
        await pilot.press("tab")
        assert screen.query_one("#settings").display and not screen.query_one("#results").display
        await pilot.press("escape")
        assert screen.query_one("#overlay").display
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))


async def test_live_runs_are_read_again_and_ended_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.screens.compare.REFRESH_S", 0.02)
    live = b.snapshot(412, path="/state/runs/live")
    compared = FakeComparing([live, *snapshots(1)], settings(2))
    async with an_app().run_test(size=(80, 24)) as pilot:
        await opened(pilot, compared)
        assert "A still training" in screen_text(pilot)
        await until(pilot, lambda: compared.reads > 3)
        compared.snapshots = snapshots(2)
        await until(pilot, lambda: "still" not in screen_text(pilot))
        reads = compared.reads
        for _ in range(5):
            await pilot.pause(0.02)
        assert compared.reads <= reads + 1


async def test_a_long_journal_is_read_in_pieces() -> None:
    compared = FakeComparing(snapshots(2), settings(2))
    compared.fraction = 0.4
    async with an_app().run_test(size=(80, 24)) as pilot:
        await opened(pilot, compared)
        assert "reading, 40 %" in screen_text(pilot)
        await until(pilot, lambda: compared.reads == 2)


@pytest.mark.parametrize("error", [Refusal("no such runs"), OSError("disk gone"), KeyError("x")])
async def test_a_failing_reading_is_one_sentence(error: Exception) -> None:
    compared = FakeComparing(snapshots(2), settings(2))
    compared.problem = error
    async with an_app().run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        pilot.app.backend.compared = compared
        pilot.app.push_screen(CompareScreen(PATHS))
        await until(pilot, lambda: pilot.app.screen.query("#notice") and text_of(pilot, "#notice"))
        await pilot.press("x", "L", "d", "1", "enter", "left", "down", "tab", "z", "escape")


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (10, 3), (80, 24)])
async def test_any_size_with_eight_hostile_runs(size: tuple[int, int]) -> None:
    found = [
        replace(one, spec=b.spec(name=HOSTILE[i]), problems=(HOSTILE[i + 8],), state=RunState.LOST)
        for i, one in enumerate(snapshots(8))
    ]
    tables = [{HOSTILE[i + 3]: HOSTILE[i], "a": HOSTILE[-1 - i]} for i in range(8)]
    async with an_app(ascii_only=size[0] == 80).run_test(size=size) as pilot:
        await opened(pilot, FakeComparing(found, tables))
        for key in ("tab", "end", "tab", "d", "end", "z", "x", "L", "right", "down", "shift+tab"):
            await pilot.press(key)
        text = screen_text(pilot)
        assert "\x1b" not in text and "\u202e" not in text
        if size[0] == 80:
            assert text.isascii()


async def test_help_tells_the_keys_of_this_screen() -> None:
    async with an_app().run_test(size=(100, 40)) as pilot:
        await opened(pilot, FakeComparing(snapshots(), settings()))
        await pilot.press("question_mark")
        await until(pilot, lambda: "X axis: step, epoch" in screen_text(pilot))
