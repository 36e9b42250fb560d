"""Pilot tests wait for conditions, never for seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot

from runner.model import RunSnapshot
from tests.builders import snapshot as make_snapshot
from tests.fakes import FakeBackend, fixed_clock
from tui.app import PlasmaApp
from tui.kit.paint import plain
from tui.kit.painted import Painted

RUN = Path("/state/runs/one")


def app_on(
    shown: RunSnapshot | None = None, *, actions: FakeBackend | None = None, **how: Any
) -> PlasmaApp:
    """An app that watches one fake run, with a clock that stands still."""
    made = actions or FakeBackend(shown or make_snapshot())
    how.setdefault("run_path", RUN)
    how.setdefault("clock", fixed_clock())
    return PlasmaApp(made, **how)


async def until(pilot: Pilot[Any], condition: Callable[[], object], limit_s: float = 15.0) -> None:
    """Let the app work until `condition` holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s for it"
        await pilot.pause(0.01)
    await pilot.pause()


async def shown(pilot: Pilot[Any]) -> None:
    """The first snapshot is on the screen."""
    app = pilot.app
    assert isinstance(app, PlasmaApp)
    await until(pilot, lambda: app.snapshot is not None)


def text_of(pilot: Pilot[Any], selector: str) -> str:
    """The rows of one widget, as text."""
    widget = pilot.app.screen.query_one(selector)
    if isinstance(widget, Painted):
        return "\n".join(plain(row) for row in widget._rows)
    area = widget.region
    rows = screen_text(pilot).split("\n")[area.y : area.bottom]
    return "\n".join(row[area.x : area.right] for row in rows)


def screen_text(pilot: Pilot[Any]) -> str:
    """Everything that the terminal would show of the screen in front."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def styled_text(pilot: Pilot[Any]) -> str:
    """The same with `[colour on ground, bold]` wherever the style changes."""
    rows = []
    for strip in pilot.app.screen._compositor.render_strips():
        row, before = "", ""
        for segment in strip:
            style = str(segment.style)
            row += segment.text if style == before else f"[{style}]{segment.text}"
            before = style
        rows.append(row)
    return "\n".join(rows)


async def burst(pilot: Pilot[Any], *keys: str) -> None:
    """Keys that arrive in one read of the terminal, as over a slow connection."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await pilot.pause()
