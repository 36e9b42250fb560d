"""Foreign words in every place that shows some: nothing crashes, nothing reaches the terminal."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import (
    Cause,
    CheckResult,
    ExpectedCheckpoint,
    HardwareSample,
    JournalEvent,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
)
from tests import builders as b
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.screens.helpers import app_on, screen_text, shown, until
from tui.backend.results import Plan
from tui.panels.header import run_name
from tui.screens.questions import ConfirmScreen
from tui.screens.runs import RunsScreen
from tui.words.questions import stop_question


def everywhere(text: str) -> list[RunSnapshot]:
    """Snapshots that hold `text` wherever a string can come from outside."""
    forecast = replace(
        b.forecast(), checkpoints=(ExpectedCheckpoint(text, 600),), final=text, warnings=(text,)
    )
    spec = b.spec(name=text, forecast=forecast, output_dir=text, command=(text,), host=text)
    file = b.checkpoint(400, name=text, path=text, problem=text, complete=False)
    common = {
        "spec": spec,
        "preflight": (CheckResult(text, "fail", text, text, text, text),),
        "console": (text, text),
        "problems": (text,),
        "hardware": (HardwareSample(b.NOW, cpu_percent=3.0, reasons={"gpu_percent": text}),),
        "events": (JournalEvent(b.NOW, "signalled", 1, None, {"signal": text}),),
    }
    status = {
        "checkpoints": (file,),
        "warnings": 1,
        "last_warning": text,
        "device": text,
        "phase_detail": text,
        "cause": Cause(text, text, text, text),
    }
    over = replace(b.ended(Outcome.FAILED, 412), **common)  # type: ignore[arg-type]
    assert over.status is not None
    return [
        b.snapshot(412, status_changes=status, **common),
        b.in_phase(Phase.CACHING, 3, text, status_changes=status, **common),
        b.snapshot(412, state=RunState.STOPPING, status_changes=status, **common),
        replace(over, status=replace(over.status, **status)),  # type: ignore[arg-type]
        replace(b.snapshot(1, **common), spec=None, id=text),
    ]


def assert_harmless(text: str) -> None:
    bad = {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cs")}
    assert not bad, bad


@pytest.mark.slow
async def test_every_snapshot_with_hostile_words_is_shown_harmlessly() -> None:
    actions = FakeBackend(b.snapshot())
    async with app_on(actions=actions).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        screen = pilot.app.screen
        for text in HOSTILE:
            for snapshot in everywhere(text):
                screen.show(snapshot)  # type: ignore[attr-defined]
                await pilot.pause()
                assert_harmless(screen_text(pilot))


@pytest.mark.slow
async def test_questions_are_harmless() -> None:
    async with app_on().run_test(size=(90, 30)) as pilot:
        await shown(pilot)
        for text in HOSTILE:
            question = stop_question(everywhere(text)[0], run_name(everywhere(text)[0]))
            pilot.app.push_screen(ConfirmScreen(question, "Keep training", text))
            await pilot.press("up", "x", "enter")
            assert_harmless(screen_text(pilot))
            pilot.app.pop_screen()


async def test_notices_and_lists_are_harmless() -> None:
    backend = FakeBackend(b.snapshot())
    async with app_on(actions=backend).run_test(size=(90, 30)) as pilot:
        await shown(pilot)
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        screen = pilot.app.screen
        assert isinstance(screen, RunsScreen)
        for text in HOSTILE:
            backend.runs = [
                b.listing(i, name=text, id=f"{i}{text}", problem=text) for i in range(3)
            ]
            screen.read_again()
            await until(pilot, lambda t=text: screen.board.entry(f"2{t}"))
            pilot.app.say(text, "bad")  # type: ignore[attr-defined]
            await pilot.pause()
            assert_harmless(screen_text(pilot))


@pytest.mark.slow
async def test_plans_are_harmless() -> None:
    actions = FakeBackend(b.snapshot(), plan=Plan("spyke"))
    app = app_on(actions=actions, run_path=None, config_path=Path("/p"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in screen_text(pilot))
        for text in HOSTILE:
            for plan in (
                Plan(text, problem=text or "no"),
                Plan(text, b.forecast(name=text), (CheckResult(text, "fail", text),)),
            ):
                actions.made_plan = plan
                app.planner.read()
                await until(pilot, lambda wanted=plan: app.planner.plan is wanted)  # type: ignore[misc]
                assert_harmless(screen_text(pilot))
