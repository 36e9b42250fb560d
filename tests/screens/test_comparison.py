"""The comparison on the screen, with keys only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.history.samples import Sample
from runner.model import Outcome, RunSnapshot, RunState
from runner.model.refusal import Refusal
from tests import builders as b
from tests.fakes import FakeBackend, FakeComparing, FakeSampleReader
from tests.hostile import HOSTILE
from tests.screens import scenes
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.screens.compare import CompareScreen
from tui.screens.compare_samples import CompareSamplesScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.samples import SamplesScreen
from tui.words.samples import SampleSheet

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


async def test_a_long_journal_is_read_on_after_a_piece_that_came_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.screens.compare.REFRESH_S", 0.02)
    compared = FakeComparing(snapshots(2), settings(2))
    compared.fraction = 0.4
    async with an_app().run_test(size=(80, 24)) as pilot:
        await opened(pilot, compared)
        await until(pilot, lambda: compared.reads >= 2)
        compared.fraction = 1.0
        await until(pilot, lambda: "reading" not in text_of(pilot, "#top"))


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


# ----------------------------------------------------------------- the runs of a sweep


async def swept(pilot: Pilot[Any], ended: int = 2, large: bool = False) -> CompareScreen:
    await shown(pilot)
    rates = ("1e-4", "5e-5", "2e-5", "1e-5") if large else ("1e-4", "5e-5")
    runs, tables = scenes.swept(rates, (4, 8, 16, 32) if large else (16, 32), ended)
    pilot.app.backend.compared = FakeComparing(runs, tables)  # type: ignore[attr-defined]
    screen = CompareScreen(tuple(Path(run.path) for run in runs), scenes.GROUP)
    pilot.app.push_screen(screen)
    await until(pilot, lambda: screen.is_current and screen.made is not None)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 15)])
async def test_a_group_opens_as_a_list_on_its_first_run(size: tuple[int, int]) -> None:
    async with an_app().run_test(size=size) as pilot:
        await swept(pilot)
        if size[1] < 18:
            await pilot.press("tab")
        text = text_of(pilot, "#listed")
        assert "No clear best so far: both runs are" in text
        assert "▌=  B" in text and " =  A" in text
        assert "queued" in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert str(pilot.app.run_path).endswith("0001")


async def test_up_and_down_follow_the_list_and_not_the_letters() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await swept(pilot)
        await pilot.press("down")
        assert "▌=  A" in text_of(pilot, "#listed")
        await pilot.press("down")
        assert "▌   C" in text_of(pilot, "#listed")
        await pilot.press("tab", "end")
        assert "▌   D" in text_of(pilot, "#listed")


async def test_t_shows_columns_with_all_results_and_rows_again() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        screen = await swept(pilot)
        assert not screen.query_one("#results").display
        await pilot.press("t")
        assert screen.query_one("#results").display and not screen.query_one("#listed").display
        assert "loss at start" in text_of(pilot, "#results")
        await pilot.press("t")
        assert screen.query_one("#listed").display and not screen.query_one("#settings").display


async def test_of_many_runs_only_the_best_and_the_chosen_one_have_a_line() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        screen = await swept(pilot, ended=13, large=True)
        curves = screen._overlay.chart().curves
        assert len(curves) == 8
        for _ in range(9):
            await pilot.press("down")
        chosen = screen.made.runs[screen._overlay.chosen].letter if screen.made else ""
        assert len(screen._overlay.shown) == 9
        assert chosen in [one.letter for one in screen._overlay.chart().curves]
        await pilot.press("v", "up")  # it keeps its line
        assert chosen in [one.letter for one in screen._overlay.chart().curves]


async def test_the_chosen_run_of_many_stays_in_sight() -> None:
    async with an_app().run_test(size=(80, 24)) as pilot:
        await swept(pilot, ended=13, large=True)
        for _ in range(16):
            assert "▌" in text_of(pilot, "#listed")
            await pilot.press("down")
        await pilot.press("up")
        assert "▌   P" in text_of(pilot, "#listed")


async def test_the_images_of_all_runs_are_one_grid_and_enter_opens_those_of_one() -> None:
    async with an_app().run_test(size=(120, 40)) as pilot:
        await swept(pilot)
        sheet = SampleSheet(
            tuple(
                Sample(f"/o/{step}-{prompt}.png", step, 1, prompt, 7, 1, 320, b.NOW)
                for step in (200, 400)
                for prompt in (0, 1)
            )
        )
        pilot.app.backend.sample_reader = FakeSampleReader(sheet)
        await pilot.press("i")
        screen = pilot.app.screen
        await until(pilot, lambda: "newest, 2 prompts" in screen_text(pilot))
        assert isinstance(screen, CompareSamplesScreen)
        assert "B 1e-4 32" in screen_text(pilot)
        await pilot.press("comma", "comma", "right", "down")
        assert "step 200, 2 prompts" in screen_text(pilot)
        image = screen.board.image_at(screen.place)
        assert image is not None and image.path == "/o/200-1.png"
        assert "spyke-lr1e-4-dim16" in screen_text(pilot)
        await pilot.press("full_stop", "full_stop")
        assert "newest" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SamplesScreen))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (10, 3), (80, 24)])
async def test_a_list_of_hostile_runs_at_any_size(size: tuple[int, int]) -> None:
    found = [replace(one, spec=b.spec(name=HOSTILE[i])) for i, one in enumerate(snapshots(8))]
    tables = [{HOSTILE[i + 3]: HOSTILE[i], "a": HOSTILE[-1 - i]} for i in range(8)]
    async with an_app().run_test(size=size) as pilot:
        await opened(pilot, FakeComparing(found, tables))
        for key in ("tab", "end", "down", "t", "t", "z", "home", "up", "v", "i", "right", "escape"):
            await pilot.press(key)
        text = screen_text(pilot)
        assert "\x1b" not in text and "\u202e" not in text
