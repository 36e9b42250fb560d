"""The bell of the screen, and the key that tests the notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import Outcome, RunSnapshot, RunState
from runner.notify.channel import Result
from tests.builders import snapshot
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.screens.helpers import RUN, app_on, shown, text_of, until
from tui.app import PlasmaApp


class Heard:
    """What the app would write to its terminal."""

    def __init__(self, app: PlasmaApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: list[str] = []
        monkeypatch.setattr(app.notices, "write", self.writes.append)


@pytest.fixture(autouse=True)
def kitty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KITTY_WINDOW_ID", "1")


def ended() -> RunSnapshot:
    made = snapshot()
    assert made.status is not None
    status = replace(made.status, state=RunState.ENDED, outcome=Outcome.SUCCEEDED)
    return replace(made, status=status, state=RunState.ENDED, outcome=Outcome.SUCCEEDED)


async def test_the_end_of_the_run_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = FakeBackend(snapshot())
    app = app_on(actions=actions)
    heard = Heard(app, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert heard.writes == []
        assert actions.reader is not None
        actions.reader.put(ended())
        await until(pilot, lambda: heard.writes)
        actions.reader.put(replace(ended(), read_at=9.0))
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.read_at == 9.0)
        (write,) = heard.writes
        assert write.startswith("\x07\x1b]99;") and "finished" in write


async def test_opening_an_ended_run_rings_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(ended())
    heard = Heard(app, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.pause()
        app.navigator.open_run(Path("/state/runs/two"))
        await shown(pilot)
        assert heard.writes == []


async def test_the_key_tries_every_channel_and_says_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    actions = FakeBackend(snapshot())
    actions.notice_results = (
        Result("command", True, "tell.sh ended well"),
        Result("ntfy", False, "ntfy.sh answered 401: the token is missing or not accepted"),
    )
    app = app_on(actions=actions)
    heard = Heard(app, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "401" in text_of(pilot, "#notice"))
        assert ("notice", RUN, None) in actions.orders
        text = " ".join(text_of(pilot, "#notice").split())
        assert text.startswith("✗ ntfy: ntfy.sh answered 401")
        (write,) = heard.writes
        assert "test notification" in write and write.startswith("\x07")


async def test_a_read_only_screen_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = FakeBackend(snapshot())
    app = app_on(actions=actions, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("n")
        await pilot.pause()
        assert actions.orders == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_foreign_words_of_a_channel_break_no_screen(size: tuple[int, int]) -> None:
    for text in HOSTILE[:8]:
        actions = FakeBackend(snapshot())
        actions.notice_results = (Result("command", False, text),)
        app = app_on(actions=actions)
        async with app.run_test(size=size) as pilot:
            await shown(pilot)
            await pilot.press("n")
            await until(pilot, lambda p=pilot: "terminal" in text_of(p, "#notice"))  # type: ignore[misc]
