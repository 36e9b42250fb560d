"""The key that starts: what it would overwrite is asked, and a run of another project starts nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.model import Outcome, RunSnapshot
from runner.model.preview import Existing, Preview
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import RUN, app_on, screen_text, shown, text_of, until
from tui.app import PlasmaApp
from tui.backend.results import Plan
from tui.kit import glyphs
from tui.screens.questions import ConfirmScreen

CONFIG = Path("/p/plasma.toml")
OLD = tuple(Existing(f"/p/out/{n}.safetensors", 1, 2, 3) for n in ("a", "b"))
PREVIEW = Preview(
    "Start spyke",
    ("Project: /p/plasma.toml", "Output: /p/out/spyke (920 steps)"),
    ("2 existing files in /p/out would be overwritten: a.safetensors, b.safetensors.",),
    command="python train_network.py",
    existing=OLD,
)


def started_by(config: str | None, outcome: Outcome = Outcome.SUCCEEDED) -> RunSnapshot:
    ended = b.ended(outcome)
    return replace(ended, spec=b.spec(config_path=config))


def opened(
    snapshot: RunSnapshot, run_path: Path | None, preview: Preview = PREVIEW
) -> tuple[FakeBackend, PlasmaApp]:
    actions = FakeBackend(snapshot, plan=Plan("spyke", b.forecast(), b.CHECKS))
    actions.start_shown = preview
    return actions, app_on(actions=actions, run_path=run_path, config_path=CONFIG)


async def asked(pilot: Pilot[Any]) -> str:
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    return screen_text(pilot)


@pytest.mark.parametrize("answer", [("enter",), ("escape",)])
async def test_overwriting_is_asked_and_the_answer_under_the_cursor_is_no(
    answer: tuple[str, ...],
) -> None:
    actions, app = opened(b.snapshot(3), None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        await pilot.press("s")
        text = await asked(pilot)
        for words in ("Start spyke?", "/p/plasma.toml", "/p/out/spyke", "would be overwritten"):
            assert words in text
        assert "python train_network.py" in text
        assert f"{glyphs.CURSOR} Don't start" in text
        await pilot.press(*answer)
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert actions.orders == []


async def test_a_yes_passes_on_exactly_the_files_that_were_shown() -> None:
    actions, app = opened(b.snapshot(3), None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        await pilot.press("s")
        assert "Start and overwrite 2 existing files" in await asked(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.run_path == Path("/state/runs/new"))
        assert actions.orders == [("start", CONFIG, *OLD)]


async def test_s_again_after_a_finished_run_asks_even_if_nothing_is_overwritten() -> None:
    clear = replace(PREVIEW, existing=(), warnings=())
    actions, app = opened(started_by(str(CONFIG)), RUN, clear)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: app.planner.plan is not None)
        await pilot.press("s")
        assert "Start spyke?" in await asked(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert actions.orders == [] and app.run_path == RUN
        await pilot.press("s")
        await asked(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.run_path == Path("/state/runs/new"))
        assert actions.orders == [("start", CONFIG)]


async def test_after_a_smoke_test_s_starts_the_long_run_without_a_question() -> None:
    smoke = replace(b.ended(Outcome.SUCCEEDED), spec=b.spec(config_path=str(CONFIG), smoke=True))
    actions, app = opened(smoke, RUN, replace(PREVIEW, existing=(), warnings=()))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: app.planner.plan is not None)
        await pilot.press("s")
        await until(pilot, lambda: actions.orders == [("start", CONFIG)])


async def test_a_start_without_a_question_says_what_it_starts_and_where_it_writes() -> None:
    actions, app = opened(b.snapshot(3), None, replace(PREVIEW, existing=(), warnings=()))
    go_on = threading.Event()
    start = actions.start

    def slow(*what: Any, **how: Any) -> Any:
        assert go_on.wait(5)
        return start(*what, **how)

    actions.start = slow  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        await pilot.press("s")

        def said() -> str:
            return " ".join(text_of(pilot, "#notice").split())

        await until(pilot, lambda: "Output: /p/out/spyke" in said())
        assert "Project: /p/plasma.toml" in said()
        go_on.set()
        await until(pilot, lambda: app.run_path == Path("/state/runs/new"))


@pytest.mark.parametrize("key", ["s", "t"])
@pytest.mark.parametrize("config", ["/other/plasma.toml", None])
async def test_from_a_run_of_another_project_nothing_starts_and_the_screen_says_why(
    key: str, config: str | None
) -> None:
    actions, app = opened(started_by(config), RUN)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: app.planner.plan is not None)
        await pilot.press(key)
        await until(pilot, lambda: "another project" in text_of(pilot, "#notice"))
        assert not isinstance(app.screen, ConfirmScreen)
        assert actions.orders == []


async def test_a_run_reached_by_a_link_to_the_same_file_is_no_foreign_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "plasma.toml").write_text("")
    (tmp_path / "link").symlink_to("real")
    _, app = opened(started_by(str(tmp_path / "real" / "plasma.toml")), RUN)
    app.config_path = tmp_path / "link" / "plasma.toml"
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: app.planner.plan is not None)
        await pilot.press("s")
        await asked(pilot)
