"""Six pictures of the screen. A change of one of them is a change of what people see: look at the report
(`snapshot_report.html`), then `pytest tests/snapshots --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.model import RunSnapshot
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import app_on, screen_text, shown, until

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.mark.parametrize(
    ("run", "size", "theme"),
    [
        (b.snapshot(412), (80, 24), None),
        (b.snapshot(412), (120, 40), None),
        (b.snapshot(412), (120, 40), "plasma-light"),
        (b.diverged(), (80, 24), None),
    ],
    ids=["training-small", "training", "training-on-paper", "diverged"],
)
def test_monitor(
    snap_compare: Compare,
    run: RunSnapshot,
    size: tuple[int, int],
    theme: str | None,
) -> None:
    app = app_on(run, theme_name=theme)
    assert snap_compare(app, terminal_size=size, run_before=shown)


def test_the_question_of_stopping(snap_compare: Compare) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await shown(pilot)
        await pilot.press("a", "down")

    assert snap_compare(app_on(), terminal_size=(80, 24), run_before=ask)


def test_welcome(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/home/someone/loras"))
    actions = FakeBackend(b.snapshot(), runs=[b.listing(i) for i in range(4)])

    async def listed(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "v3" in screen_text(pilot) and "found:" in screen_text(pilot))

    app = app_on(actions=actions, run_path=None)
    assert snap_compare(app, terminal_size=(80, 24), run_before=listed)
