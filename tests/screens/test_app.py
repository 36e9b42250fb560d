"""The app around the monitor: leaving, interrupting, lists, help, palette, themes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runner.model import Outcome, RunListing, RunState
from runner.model.refusal import Refusal
from runner.trainers.sd_scripts.importers.find import Found, FoundCheckout
from scripts.docs.screens import keys_in, places
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.backend.results import Sent
from tui.key import applies, keys_of
from tui.screens.help import HelpScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.welcome import WelcomeScreen
from tui.themes import ThemeProblem


async def test_leaving_says_that_the_training_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    app = app_on()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("q")
    assert app.return_code == 0
    assert capsys.readouterr().err == (
        f"Training of spyke_plasma_v1 continues.\nCome back with: plasma-tui attach {b.RUN_ID}\n"
    )


async def test_leaving_an_ended_run_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    app = app_on(b.ended(Outcome.SUCCEEDED))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("q")
    assert capsys.readouterr().err == ""


async def test_ctrl_c_stops_nothing_and_leaves_when_repeated() -> None:
    actions = FakeBackend(b.snapshot())
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "doesn't stop training" in text_of(pilot, "#notice"))
        assert app.return_code is None
        await pilot.press("ctrl+c")
    assert app.return_code == 0 and actions.orders == []


async def test_ctrl_c_names_a_key_only_where_it_stops_a_run() -> None:
    async with app_on(b.snapshot()).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+c")
        await until(
            pilot, lambda: "again to quit, or a to stop the run." in text_of(pilot, "#notice")
        )
    async with app_on(b.ended(Outcome.SUCCEEDED)).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Press again to quit." in text_of(pilot, "#notice"))
        assert "stop the run" not in text_of(pilot, "#notice")


async def test_a_run_that_can_be_read_again_takes_the_error_away() -> None:
    actions = FakeBackend(b.snapshot(10))
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert actions.reader is not None
        actions.reader.error = OSError("no such device")
        actions.reader.put(b.snapshot(11))
        await until(pilot, lambda: "cannot be read" in text_of(pilot, "#notice"))
        actions.reader.error = None
        await until(pilot, lambda: not pilot.app.screen.query_one("#notice").has_class("-shown"))


async def test_an_error_of_reading_takes_nothing_else_away() -> None:
    actions = FakeBackend(b.snapshot(10))
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert actions.reader is not None
        actions.reader.error = OSError("no such device")
        actions.reader.put(b.snapshot(11))
        await until(pilot, lambda: "cannot be read" in text_of(pilot, "#notice"))
        app.feed.stop()
        app.say("Stop requested.")
        app.read_again()
        assert "Stop requested." in text_of(pilot, "#notice")


async def test_ctrl_c_works_the_same_over_a_question() -> None:
    actions = FakeBackend(b.snapshot())
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a", "ctrl+c", "ctrl+c")
    assert app.return_code == 0 and actions.orders == []


async def test_the_list_of_runs_filters_by_typing_and_opens() -> None:
    actions = FakeBackend(b.snapshot(), runs=[b.listing(i) for i in range(12)])
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: "12 runs" in screen_text(pilot))
        await pilot.press("slash", *"v1")
        await until(pilot, lambda: "3 of 12 runs" in screen_text(pilot))
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        await until(pilot, lambda: len(actions.opened) == 2)
        assert actions.opened[-1].name == b.listing(10).id


async def test_the_cursor_stays_on_its_run_when_the_list_changes() -> None:
    actions = FakeBackend(b.snapshot(), runs=[b.listing(i) for i in range(5)])
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: "5 runs" in screen_text(pilot))
        await pilot.press("down", "down")
        assert "▌spyke_plasma_v2" in screen_text(pilot)
        newer = b.listing(9, created_at=b.NOW, state=RunState.RUNNING, outcome=None)
        actions.runs.insert(0, newer)
        pilot.app.screen.read_again()  # type: ignore[attr-defined]
        await until(pilot, lambda: "6 runs" in screen_text(pilot))
        assert "▌spyke_plasma_v2" in screen_text(pilot)


async def test_a_failing_list_is_told() -> None:
    actions = FakeBackend(b.snapshot())

    def broken(*, at_leisure: bool = False) -> list[object]:
        raise PermissionError("runs: not yours")

    actions.list_runs = broken  # type: ignore[method-assign,assignment]
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: "not yours" in text_of(pilot, "#notice"))


async def test_the_welcome_offers_demo_and_runs() -> None:
    actions = FakeBackend(b.snapshot(2), runs=[b.listing(0)])
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        assert isinstance(pilot.app.screen, WelcomeScreen)
        await until(pilot, lambda: "spyke_plasma_v0" in screen_text(pilot))
        assert "No plasma.toml in" in screen_text(pilot)
        await pilot.press("d")
        await until(pilot, lambda: actions.orders == [("demo",)])
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        await until(pilot, lambda: "2/920" in text_of(pilot, "#header"))
        assert app.run_path == Path("/state/runs/demo")
        assert app.config_path == Path("/p/plasma-demo/plasma.toml")
        await pilot.press("s")
        await until(pilot, lambda: "still training" in text_of(pilot, "#notice"))


async def test_a_demo_that_cannot_start_says_why_on_the_welcome() -> None:
    actions = FakeBackend(b.snapshot())
    actions.refuse = "the demo needs torch: pip install 'plasma-tui[embedded]'"
    async with app_on(actions=actions, run_path=None).run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        await until(pilot, lambda: "The demo needs torch" in text_of(pilot, "#notice"))


async def test_while_the_demo_is_made_its_time_is_shown_until_the_answer() -> None:
    actions, gate = FakeBackend(b.snapshot()), threading.Event()

    def start_demo() -> Sent:
        gate.wait(5)
        raise Refusal("the demo needs torch")

    actions.start_demo = start_demo  # type: ignore[method-assign]
    async with app_on(actions=actions, run_path=None).run_test(size=(80, 24)) as pilot:
        await pilot.press("d", "d")
        # the second `d` is answered until the time is shown again: on a busy machine that may be at once
        answers = ("Already requested", "Preparing the demo… 1 s")
        await until(pilot, lambda: any(a in text_of(pilot, "#notice") for a in answers))
        await until(pilot, lambda: answers[1] in text_of(pilot, "#notice"))
        gate.set()
        await until(pilot, lambda: "The demo needs torch" in text_of(pilot, "#notice"))
        await pilot.pause(0.6)
        assert "The demo needs torch" in text_of(pilot, "#notice")


@pytest.mark.parametrize(
    ("runs", "found", "first"),
    [
        ([b.listing(0)], Found(), "enter  Open spyke_plasma_v0 (succeeded)"),
        (
            [],
            Found(sd_scripts=(FoundCheckout(Path("/t/sd-scripts")),)),
            "n      Set up a project here",
        ),
        ([], Found(), "d      Try the demo"),
    ],
)
async def test_the_welcome_has_one_first_action(
    runs: list[RunListing], found: Found, first: str
) -> None:
    actions = FakeBackend(b.snapshot(), runs=runs)
    actions.found = found
    async with app_on(actions=actions, run_path=None).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: f"▌ {first}" in screen_text(pilot))


async def test_the_welcome_without_runs() -> None:
    async with app_on(actions=FakeBackend(), run_path=None).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No runs yet." in screen_text(pilot))
        await until(pilot, lambda: "mark" not in text_of(pilot, "#footer"))
        await pilot.press("enter", "down", "end", "space", "c", "x")


async def test_help_shows_every_key_and_why_one_does_nothing() -> None:
    async with app_on().run_test(size=(100, 80)) as pilot:
        await shown(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        text, below = screen_text(pilot), pilot.app.screen_stack[0]
        for key in keys_of(below):
            assert key.shown in text
            assert not applies(below, key) or key.tooltip in text
        assert "r resume     Nothing to resume: the run is still training." in text
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_help_scrolls_where_the_screen_is_small() -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "more lines: down" in screen_text(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "not finite" in screen_text(pilot))
        assert "more lines" not in screen_text(pilot)


@pytest.mark.slow
async def test_the_palette_holds_what_can_be_done_now() -> None:
    async with app_on().run_test(size=(100, 40)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Stop the training" in screen_text(pilot))
        assert "Resume from" not in screen_text(pilot)
        await pilot.press(*"console", "enter")
        await until(pilot, lambda: "l closes it" in text_of(pilot, "#console"))


@pytest.mark.slow
async def test_the_palette_shows_a_theme_while_the_cursor_is_on_it() -> None:
    app = app_on()
    async with app.run_test(size=(100, 40)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+p", *"plasma-light")
        await until(pilot, lambda: "Theme plasma-light" in screen_text(pilot))
        await pilot.press("down")
        await until(pilot, lambda: app.theme == "plasma-light")
        await pilot.press("escape")
        await until(pilot, lambda: app.theme == "plasma-dark")
        await pilot.press("ctrl+p", *"plasma-light")
        await until(pilot, lambda: "Theme plasma-light" in screen_text(pilot))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: app.theme == "plasma-light")


@pytest.mark.slow
async def test_the_palette_opens_a_run() -> None:
    runs = [b.listing(1, id="20261121-140311-spyke-aaaa"), b.listing(2, id="20261121-1-other-bbbb")]
    app = app_on(actions=FakeBackend(b.snapshot(), runs))
    async with app.run_test(size=(100, 40)) as pilot:
        await shown(pilot)
        await pilot.press("ctrl+p", *"bbbb")
        await until(pilot, lambda: "bbbb, succeeded, 3 h ago" in screen_text(pilot))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: app.run_path == Path("/state/runs/20261121-1-other-bbbb"))


@pytest.mark.parametrize("place", sorted(places() - {"app"}))
def test_a_key_is_bound_once_on_a_screen(place: str) -> None:
    keys = (*keys_in(place), *keys_in("app"))
    used = [name for key in keys for name in key.key.split(",")]
    # y retries a failed run or approves a smoke test, whichever the run is
    assert not {name for name in used if used.count(name) > 1} - {"y"}
    assert all(key.tooltip and (key.label or not key.worth) for key in keys)


def test_a_theme_that_is_none_is_refused_before_the_screen_opens() -> None:
    with pytest.raises(ThemeProblem, match="no theme 'blurple'"):
        app_on(theme_name="blurple")


async def test_a_broken_user_theme_is_told_once(isolated_home: Path) -> None:
    folder = isolated_home / "config" / "plasma-tui" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("name = 3")
    async with app_on().run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "mine.toml" in text_of(pilot, "#notice"))


@pytest.mark.parametrize("theme", ["plasma-light", "high-contrast", "ansi-dark", "nord"])
async def test_themes_can_be_changed_while_it_runs(theme: str) -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        before = pilot.app.export_screenshot()
        await until(pilot, lambda: theme in pilot.app.available_themes)
        pilot.app.theme = theme
        await pilot.pause()
        await pilot.pause()
        assert pilot.app.export_screenshot() != before
        assert "● training" in screen_text(pilot)


async def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app_on(theme_name="plasma-light").run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                color = segment.style.color if segment.style else None
                assert color is None or color.is_default


async def test_an_empty_no_color_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    app = app_on()
    assert app.no_color is False


async def test_ascii_mode_sends_ascii_alone() -> None:
    async with app_on(b.snapshot(), ascii_only=True).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        for key in (None, "l", "question_mark", "escape", "a"):
            if key:
                await pilot.press(key)
            await pilot.pause()
            text = screen_text(pilot)
            assert text.isascii(), {c for c in text if not c.isascii()}


async def test_a_crash_of_the_screen_prints_no_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = "hf_" + "s3cret" * 4
    app = app_on(b.snapshot(spec=b.spec(env={"HF_TOKEN": secret})))

    def broken(snapshot: object) -> None:
        token = secret  # noqa: F841 (a local that a traceback would print)
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError):
        async with app.run_test(size=(80, 24)) as pilot:
            await shown(pilot)
            screen = pilot.app.screen
            assert isinstance(screen, MonitorScreen)
            screen._show_run = broken  # type: ignore[method-assign,assignment]
            screen.call_later(screen.refresh_models)
            await pilot.pause(0.1)
    told = capsys.readouterr().err
    assert "drawing failed" in told and secret not in told


async def test_the_mouse_does_what_the_keys_do() -> None:
    actions = FakeBackend(b.snapshot(), runs=[b.listing(i) for i in range(5)])
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.click("#checkpoints", offset=(5, 2))
        assert pilot.app.focused is not None and pilot.app.focused.id == "checkpoints"
        footer = text_of(pilot, "#footer")
        await pilot.click("#footer", offset=(footer.index("runs"), 0))
        await until(pilot, lambda: "5 runs" in screen_text(pilot))
        await pilot.click("#runs", offset=(8, 3))
        assert "▌spyke_plasma_v2" in screen_text(pilot)
        await pilot.click("#runs", offset=(8, 3))
        await until(pilot, lambda: len(actions.opened) == 2)
        assert actions.opened[-1].name == b.listing(2).id


async def test_a_click_in_a_question_only_moves_the_cursor() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a")
        rows = text_of(pilot, "#question").splitlines()
        at = next(y for y, row in enumerate(rows) if "Stop now" in row)
        await pilot.click("#question", offset=(6, at))
        await pilot.click("#question", offset=(6, at))
        assert actions.orders == []
        assert "▌ Stop now" in text_of(pilot, "#question")


async def test_a_question_can_be_read_on_the_terminals_own_colours() -> None:
    async with app_on(theme_name="ansi-dark").run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert "Stop spyke_plasma_v1?" in screen_text(pilot)
        assert "Preflight" not in screen_text(pilot), "what lies behind would shine through"


async def test_a_tick_while_the_app_closes_draws_nothing() -> None:
    """Closing removes the widgets one by one, from another task than the one that runs the timers."""
    app = app_on()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        await app._prune(monitor)  # the first thing that closing does
        assert monitor in app.screen_stack and not monitor.query("#header")
        app._tick()


async def test_a_tick_while_the_head_of_the_screen_is_still_composed_draws_nothing() -> None:
    """The containers of a screen compose side by side: the panels may be there before the head is."""
    app = app_on()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        await monitor.query_one("#header").remove()
        monitor._whole = False  # as before the first arrangement
        app._tick()
