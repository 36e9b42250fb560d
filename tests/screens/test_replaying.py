"""A run played back on the screen, by its keys; and that no key can give an order there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.history.report import current_step
from runner.model import Cause, Outcome
from runner.store.rundir import RunDir
from tests import builders as b
from tests.fakes import FakeBackend, fixed_clock
from tests.hostile import HOSTILE
from tests.replays import AGAIN_AT, BEGAN_AT, Recorder, recorded
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.app import PlasmaApp
from tui.key import Key
from tui.screens.monitor import MonitorScreen
from tui.screens.orders import KEYS, ORDERS
from tui.screens.replay import ReplayScreen

SIZES = [(80, 24), (120, 40), (200, 60), (40, 10), (20, 5)]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return recorded(tmp_path)


def replay_of(run: RunDir, **how: Any) -> PlasmaApp:
    actions = how.pop("actions", None) or FakeBackend()
    return PlasmaApp(actions, replay_path=run.path, replay_speed=1.0, clock=fixed_clock(), **how)


async def standing(pilot: Pilot[Any], place: float = 0.0) -> ReplayScreen:
    """The recording is read, and stands at a share of the whole."""
    screen = pilot.app.screen
    assert isinstance(screen, ReplayScreen)
    await until(pilot, lambda: screen.snapshot is not None)
    assert screen.replay is not None
    screen.replay.transport.pause()
    await moved(pilot, screen, place)
    return screen


async def moved(pilot: Pilot[Any], screen: ReplayScreen, place: float) -> None:
    assert screen.replay is not None
    screen.action_place(place)
    await settled(pilot, screen)


async def settled(pilot: Pilot[Any], screen: ReplayScreen) -> None:
    """The panels show what the knobs say."""
    replay = screen.replay
    assert replay is not None

    def there() -> bool:
        snapshot = screen.snapshot
        return snapshot is not None and abs(snapshot.read_at - replay.playhead.at) < 0.01

    await until(pilot, there)


def place(screen: ReplayScreen) -> float:
    assert screen.replay is not None
    return screen.replay.playhead.fraction


async def test_it_plays_by_itself_and_says_what_it_is(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(100, 30)) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ReplayScreen)
        await until(pilot, lambda: screen.snapshot is not None)
        assert screen.replay is not None and screen.replay.transport.playing
        await until(pilot, lambda: place(screen) > 0)
        bar = text_of(pilot, "#replay")
        assert "REPLAY playing 1x" in bar and "nothing is running" in bar
        assert "attempt 1 of 2" in bar and "replay of spyke" in screen_text(pilot)


async def test_every_panel_shows_that_moment(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(120, 54)) as pilot:
        screen = await standing(pilot)
        assert screen.replay is not None
        screen.replay.transport.seek_s(42.5)
        screen._turned()
        await settled(pilot, screen)
        assert "step  30/100" in text_of(pilot, "#header")
        assert "★     20" in text_of(pilot, "#checkpoints")
        assert "steps: 30/100" in text_of(pilot, "#console")
        assert "would have lost 10 steps" in text_of(pilot, "#verdict")
        assert "0:42 of" in text_of(pilot, "#replay")


async def test_ages_are_those_of_the_recorded_time(run: RunDir) -> None:
    """The app's own clock stands years away from the recording."""
    async with replay_of(run).run_test(size=(120, 40)) as pilot:
        screen = await standing(pilot)
        assert screen.replay is not None
        screen.replay.transport.seek_s(51.0)
        screen._turned()
        await settled(pilot, screen)
        assert BEGAN_AT + 50 < screen.clock() < BEGAN_AT + 52
        assert "20 s" in text_of(pilot, "#checkpoints")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("right",), 0.51),
        (("left", "left"), 0.48),
        (("shift+right",), 0.6),
        (("pagedown", "pageup", "pageup"), 0.4),
        (("shift+left",), 0.4),
        (("home",), 0.0),
        (("end",), 1.0),
        (("g",), 0.0),
        (("G",), 1.0),
        (("0",), 0.0),
        (("3",), 0.3),
        (("9",), 0.9),
    ],
)
async def test_keys_go_to_a_place(run: RunDir, keys: tuple[str, ...], expected: float) -> None:
    async with replay_of(run).run_test(size=(80, 24)) as pilot:
        screen = await standing(pilot, 0.5)
        await pilot.press(*keys)
        assert place(screen) == pytest.approx(expected, abs=0.002)
        await settled(pilot, screen)


async def test_space_stands_still_and_goes_on_and_begins_again_at_the_end(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(80, 24)) as pilot:
        screen = await standing(pilot, 0.5)
        assert screen.replay is not None
        await pilot.press("space")
        assert screen.replay.transport.playing
        await pilot.press("space")
        assert not screen.replay.transport.playing
        await pilot.press("end")
        await until(pilot, lambda: "REPLAY the end" in text_of(pilot, "#replay"))
        await until(pilot, lambda: "Succeeded" in text_of(pilot, "#verdict"))
        await pilot.press("space")
        assert screen.replay.transport.playing and place(screen) < 0.1


async def test_speed_goes_up_and_down(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(80, 24)) as pilot:
        screen = await standing(pilot, 0.5)
        await pilot.press("plus", "equals_sign", "plus", "minus")
        assert screen.replay is not None and screen.replay.transport.speed == 5.0
        await until(pilot, lambda: "paused 5x" in text_of(pilot, "#replay"))


async def test_jumps_go_to_what_happened(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(100, 30)) as pilot:
        screen = await standing(pilot)
        await pilot.press("n")
        await settled(pilot, screen)
        await until(pilot, lambda: "saving" in text_of(pilot, "#header"))
        await pilot.press("p")
        await until(pilot, lambda: "No earlier event." in screen_text(pilot))


async def test_the_time_between_attempts_is_said_to_be_skipped(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(120, 40)) as pilot:
        screen = await standing(pilot)
        assert screen.replay is not None
        recording = screen.replay._recording  # type: ignore[attr-defined]
        screen.replay.transport.seek_s(recording.timeline.played_s((BEGAN_AT + AGAIN_AT) / 2))
        screen._turned()
        await settled(pilot, screen)
        assert "between attempts, skipped" in text_of(pilot, "#replay")
        assert "Killed. From outside, not by plasma-tui, at step 50/100" in text_of(
            pilot, "#verdict"
        )


# --------------------------------------------------------------------------- no orders


@pytest.mark.slow
async def test_no_order_can_be_given_and_none_is_shown(tmp_path: Path) -> None:
    """Of a failed run with a cure, where the monitor would offer most."""
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 50, "failed")
    cause = Cause("gpu_out_of_memory", "no memory", "less", "x=1", ("x=1",))
    run = made.write(cause=cause)
    actions = FakeBackend()
    async with replay_of(run, actions=actions).run_test(size=(200, 60)) as pilot:
        screen = await standing(pilot)
        orders = [key for key in KEYS if key.action in ORDERS]
        for where in (0.0, 0.5, 1.0):
            await moved(pilot, screen, where)
            for action in {key.action for key in orders} - {"console"}:
                assert not screen.check_action(action, ()), action
            footer = text_of(pilot, "#footer")
            for key in orders:
                if key.action != "console":
                    assert f"{key.shown} {key.label}" not in footer
            for name in {one for key in orders for one in key.key.split(",")} - {"l", "p", "n"}:
                await pilot.press(name)
                assert pilot.app.screen is screen
            await until(pilot, lambda: "This is a replay" in screen_text(pilot))
            assert "tries it again" not in screen_text(pilot)
        for action in ("start", "stop", "resume", "retry", "adopt", "smoke"):
            await pilot.app.run_action(f"screen.{action}")
        assert actions.orders == [] and pilot.app.screen is screen


async def test_the_palette_offers_no_order(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(100, 40)) as pilot:
        await standing(pilot, 0.5)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Play or pause" in screen_text(pilot))
        for word in ("Stop the", "Start the", "Resume", "Retry", "Restart"):
            assert word not in screen_text(pilot)


# --------------------------------------------------------------------------- among the screens


async def test_the_key_of_the_monitor_opens_it_and_escape_comes_back(run: RunDir) -> None:
    actions = FakeBackend(b.ended(Outcome.SUCCEEDED))
    async with app_on(actions=actions, run_path=run.path).run_test(size=(100, 30)) as pilot:
        await shown(pilot)
        monitor = pilot.app.screen
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReplayScreen))
        screen = await standing(pilot, 0.3)
        assert current_step(screen.snapshot) < 100  # type: ignore[arg-type]
        assert pilot.app.snapshot is not screen.snapshot  # type: ignore[attr-defined]
        await pilot.press("z", "l", "escape", "escape", "escape", "escape")
        await until(pilot, lambda: pilot.app.screen is monitor)
        assert type(monitor) is MonitorScreen and monitor.snapshot is not None
        assert monitor.snapshot.id != run.id


async def test_help_has_its_keys_alone(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(100, 60)) as pilot:
        await standing(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "Faster" in screen_text(pilot))
        text = screen_text(pilot)
        for key in ReplayScreen.BINDINGS:
            assert isinstance(key, Key) and key.tooltip in text
        assert "Stop the training" not in text


async def test_a_click_on_the_line_of_time_goes_there(run: RunDir) -> None:
    async with replay_of(run).run_test(size=(100, 30)) as pilot:
        screen = await standing(pilot)
        await pilot.click("#replay", offset=(8, 1))
        assert place(screen) == 0
        await pilot.click("#replay", offset=(8 + 37, 1))
        assert 0.4 < place(screen) < 0.6


async def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    app = PlasmaApp(FakeBackend(), replay_path=tmp_path / "gone", clock=fixed_clock())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, ReplayScreen))
        await pilot.press("space", "right", "n", "plus", "5", "escape", "z", "l")
        await pilot.pause(0.2)
        assert isinstance(pilot.app.screen, ReplayScreen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_any_size_shows_it(run: RunDir, size: tuple[int, int], ascii_only: bool) -> None:
    async with replay_of(run, ascii_only=ascii_only).run_test(size=size) as pilot:
        screen = await standing(pilot, 0.4)
        assert size[1] < 10 or "REPLAY" in screen_text(pilot)
        await pilot.press("tab", "z", "l", "n", "end", "home")
        await settled(pilot, screen)
        if ascii_only:
            assert screen_text(pilot).isascii()


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_names_and_words_break_nothing(tmp_path: Path, text: str) -> None:
    text = text.encode(errors="replace").decode()
    made = Recorder(tmp_path, name=text)
    made.attempt(1, BEGAN_AT, 1, 30, "killed")
    made.console += text.encode() + b"\n"
    made.tell(BEGAN_AT + 15, "warning", 1, text=text)
    made.events.sort(key=lambda one: one.at)
    async with replay_of(made.write()).run_test(size=(80, 24)) as pilot:
        screen = await standing(pilot, 0.9)
        assert "REPLAY" in screen_text(pilot) and "\x1b" not in screen_text(pilot)
        await moved(pilot, screen, 1.0)
