"""Runs of other machines among those of this one, on the screen of all runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.hosts.runs import HostRuns
from runner.hosts.settings import Host
from runner.model import RunState
from runner.model.refusal import Refusal
from tests import builders as b
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui import host_feed
from tui.screens.runs import RunsScreen
from tui.screens.welcome import WelcomeScreen

ID = "20261121-182911-spyke-aa01"
HERE = b.listing(id=ID, name="spyke", created_at=b.NOW - 100, project="/work/spyke")
THERE = replace(HERE, remote="gpu1", name="far", state=RunState.RUNNING, outcome=None)


class FarBackend(FakeBackend):
    """Two machines: `gpu1` has a run, `gpu2` never answers."""

    def __init__(self, *states: HostRuns) -> None:
        super().__init__(b.snapshot(), (HERE,))
        self.far = {one.host: one for one in states}
        self.known: dict[str, HostRuns] = {}
        self.asked: list[str] = []
        self.silent = threading.Event()
        self.attached: list[tuple[str, list[str]]] = []
        self.bad_config = ""

    def hosts(self) -> tuple[Host, ...]:
        if self.bad_config:
            raise Refusal(self.bad_config)
        return super().hosts()

    def remembered(self, host: str) -> HostRuns:
        return self.known.get(host, HostRuns(host))

    def ask_host(self, host: Host, before: HostRuns, cancelled: threading.Event) -> HostRuns:
        self.asked.append(host.name)
        if host.name == "gpu2":
            while not (self.silent.is_set() or cancelled.wait(0.01)):
                pass
            return before.failed("connection timed out", b.NOW - 7200)
        return super().ask_host(host, before, cancelled)

    def attach_command(self, host: str, words: Any) -> list[str]:
        self.attached.append((host, list(words)))
        return ["true"]


GPU1 = HostRuns("gpu1", (THERE,), b.NOW, 1)
GPU2 = HostRuns("gpu2")


async def opened(pilot: Pilot[Any], runs: int) -> RunsScreen:
    await shown(pilot)
    await pilot.press("h")
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
    screen = pilot.app.screen
    assert isinstance(screen, RunsScreen)
    await until(pilot, lambda: screen.board.total == runs)
    return screen


async def test_runs_of_another_machine_are_among_these_and_equal_ids_are_two_runs() -> None:
    backend = FarBackend(GPU1)
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 2)
        text = screen_text(pilot)
        assert "host" in text and "gpu1" in text and "2 runs" in text
        await pilot.press("slash", *"host:gpu1")
        await until(pilot, lambda: "1 of 2 runs" in text_of(pilot, "#top"))
        await pilot.press("escape", "p")
        await until(pilot, lambda: "gpu1: /work/spyke" in screen_text(pilot))


async def test_a_machine_that_does_not_answer_delays_nothing_and_is_one_line() -> None:
    backend = FarBackend(GPU1, GPU2)
    old = replace(THERE, remote="gpu2", name="older")
    backend.known["gpu2"] = HostRuns("gpu2", (old,), b.NOW - 7380, 1)
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, 3)  # what it last answered is shown while it is asked
        assert not screen.query_one("#hosts").display
        backend.silent.set()
        await until(pilot, lambda: screen.query_one("#hosts").display)
        line = text_of(pilot, "#hosts").strip()
        assert line.startswith("gpu2: no answer since ")
        assert "; its runs as of 2 h ago (connection timed out)" in line
        assert screen.board.total == 3
        assert screen.query_one("#hosts").size.height == 1


async def test_a_run_is_no_longer_live_once_its_machine_is_silent() -> None:
    backend = FarBackend(GPU1, GPU2)
    backend.known["gpu2"] = HostRuns("gpu2", (replace(THERE, remote="gpu2"),), b.NOW - 7380, 1)
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 3)
        await pilot.press("p")
        assert "2 live" in text_of(pilot, "#top")
        assert screen_text(pilot).count("● training") == 2
        backend.silent.set()
        await until(pilot, lambda: "? was training" in screen_text(pilot))
        assert "1 live" in text_of(pilot, "#top")
        head = next(line for line in screen_text(pilot).split("\n") if "gpu2: " in line)
        assert "1 run " in head and "live" not in head


async def test_many_silent_machines_take_three_lines() -> None:
    backend = FarBackend(*(HostRuns(f"h{n}", problem="refused") for n in range(9)))
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 1)
        await until(pilot, lambda: "and 7 more hosts" in text_of(pilot, "#hosts"))
        assert len(text_of(pilot, "#hosts").splitlines()) == 3


async def test_a_wrong_config_is_one_line() -> None:
    backend = FarBackend()
    backend.bad_config = "config.toml:2: [hosts] gpu is not a table"
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 1)
        await until(pilot, lambda: "config.toml:2" in text_of(pilot, "#hosts"))


async def test_enter_opens_the_run_there(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FarBackend(GPU1)
    async with app_on(actions=backend, read_only=True).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 2)
        await pilot.press("home", "enter")  # live runs are on top
        await until(pilot, lambda: backend.attached)
        assert backend.attached == [("gpu1", [ID, "--read-only"])]
        await until(pilot, lambda: "plasma-tui attach --host gpu1" in screen_text(pilot))


@pytest.mark.parametrize("keys", [("x",), ("e",), ("space", "space", "c")])
async def test_what_changes_a_run_of_another_machine_says_where_it_is(
    keys: tuple[str, ...],
) -> None:
    backend = FarBackend(GPU1)
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 2)
        await pilot.press("home", *keys)
        await until(pilot, lambda: "is on gpu1" in screen_text(pilot))
        assert backend.orders == []


async def test_machines_are_asked_again_only_while_the_list_is_in_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_feed, "INTERVAL_S", 0.01)
    monkeypatch.setattr(host_feed.HostFeed.__init__, "__kwdefaults__", {"interval_s": 0.01})
    backend = FarBackend(GPU1)
    async with app_on(actions=backend).run_test(size=(80, 24)) as pilot:
        await opened(pilot, 2)
        await until(pilot, lambda: len(backend.asked) > 3)
        await pilot.press("question_mark")
        await until(pilot, lambda: not isinstance(pilot.app.screen, RunsScreen))
        await pilot.pause(0.1)
        asked = len(backend.asked)
        await pilot.pause(0.2)
        assert len(backend.asked) == asked
        await pilot.press("escape")
        await until(pilot, lambda: len(backend.asked) > asked)


async def test_the_first_screen_lists_them_too() -> None:
    backend = FarBackend(GPU1)
    async with app_on(actions=backend, run_path=None).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "gpu1" in screen_text(pilot))
        assert isinstance(pilot.app.screen, WelcomeScreen)


@pytest.mark.parametrize("size", [(40, 12), (120, 40)])
async def test_hostile_text_of_another_machine_breaks_no_row(size: tuple[int, int]) -> None:
    runs = tuple(
        replace(THERE, id=f"{ID}{n}", name=text, note=text, project=text, host=text, tags=(text,))
        for n, text in enumerate(HOSTILE)
    )
    backend = FarBackend(HostRuns("gpu1", runs, b.NOW, len(runs), HOSTILE[0] + "\x1b[2J\n"))
    async with app_on(actions=backend).run_test(size=size) as pilot:
        await opened(pilot, len(runs) + 1)
        for key in ("p", "s", "end", "home"):
            await pilot.press(key)
        text = screen_text(pilot)
        assert "\x1b" not in text and "\u202e" not in text
        assert all(len(line) <= size[0] for line in text.splitlines())
