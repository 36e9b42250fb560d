"""The keys of the loss chart, while a run trains and in a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.model import Outcome
from tests import builders as b
from tests.fakes import FakeBackend
from tests.replays import recorded
from tests.screens.helpers import app_on, shown, text_of, until
from tests.screens.test_replaying import replay_of, standing
from tui.panels.loss import LossChart


def title(pilot: Pilot[Any]) -> str:
    return text_of(pilot, "#loss").split("\n")[0]


def chart_of(pilot: Pilot[Any]) -> LossChart:
    return pilot.app.screen.query_one("#loss", LossChart)


async def show_step(pilot: Pilot[Any], backend: FakeBackend, step: int) -> None:
    assert backend.reader is not None
    backend.reader.put(b.snapshot(step))
    await until(pilot, lambda: chart_of(pilot).model.last_step == step)


async def test_a_zoomed_chart_follows_the_newest_step_until_it_is_moved() -> None:
    backend = FakeBackend(b.snapshot(412))
    async with app_on(actions=backend).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("plus", "plus")
        assert "steps 206–412" in title(pilot)
        await show_step(pilot, backend, 450)
        assert "steps 244–450" in title(pilot)
        await pilot.press("comma")
        assert "steps 192–398" in title(pilot)
        await show_step(pilot, backend, 460)
        assert "steps 192–398" in title(pilot)
        await pilot.press("full_stop", "full_stop")
        assert "steps 254–460" in title(pilot)
        await pilot.press("0")
        assert "steps" not in title(pilot)


async def test_zooming_with_a_cursor_keeps_its_step_in_sight_and_escape_takes_back_both() -> None:
    async with app_on(b.snapshot(412)).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("right", "shift+left", "shift+left", "shift+left")
        step = chart_of(pilot).cursor
        assert step is not None and f"step {step:.0f}, epoch 1, loss 0." in title(pilot)
        await pilot.press("plus", "plus", "plus")
        assert chart_of(pilot).plot.low < step < chart_of(pilot).plot.high
        await pilot.press("escape")
        assert chart_of(pilot).cursor is None and "steps" in title(pilot)
        await pilot.press("escape")
        assert "steps" not in title(pilot)


async def test_log_smoothing_axis_and_rate_are_named_in_the_title_and_taken_back() -> None:
    rated = b.snapshot(412)
    buckets = tuple(replace(bucket, rate=7.1e-5) for bucket in rated.loss.buckets)
    rated = replace(rated, loss=replace(rated.loss, buckets=buckets))
    async with app_on(rated).run_test(size=(160, 40)) as pilot:
        await shown(pilot)
        usual = title(pilot)
        assert "last step 0.0914   lowest 0.1081 at 406   lr 7.1e-5" in usual
        await pilot.press("L", "S", "R", "x")
        for words in ("log", "smoothing 0.99", "lr 0–7.1e-5", "by epoch"):
            assert words in title(pilot)
        await pilot.press("x")
        assert "by time" in title(pilot)
        await pilot.press("L", "S", "S", "S", "S", "R", "x")
        assert title(pilot) == usual


async def test_earlier_runs_one_after_the_other_and_then_none() -> None:
    backend = FakeBackend(b.snapshot(412))
    backend.earlier = [
        replace(b.ended(Outcome.SUCCEEDED), path=f"/state/runs/{name}") for name in ("aaaa", "bbbb")
    ]
    async with app_on(actions=backend).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        for name in ("aaaa", "bbbb"):
            await pilot.press("c")
            await until(pilot, lambda: f"dashed: spyke_plasma_v1 {name}" in title(pilot))  # noqa: B023
        await pilot.press("right")
        assert "earlier run 0." in title(pilot)
        await pilot.press("escape", "c")
        await until(pilot, lambda: "dashed" not in title(pilot))


@pytest.mark.parametrize(
    ("refused", "words"), [(None, "No earlier run"), ("disk gone", "disk gone")]
)
async def test_without_an_earlier_run_the_key_says_so(refused: str | None, words: str) -> None:
    backend = FakeBackend(b.snapshot(412))
    async with app_on(actions=backend).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        backend.refuse = refused
        await pilot.press("c")
        await until(pilot, lambda: words in text_of(pilot, "#notice"))


async def test_an_equal_snapshot_draws_nothing() -> None:
    backend = FakeBackend(b.snapshot(412))
    async with app_on(actions=backend).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        chart, reader = chart_of(pilot), backend.reader
        assert reader is not None
        rows, plot, reads = chart._rows, chart.plot, reader.reads
        reader.put(replace(b.snapshot(412), read_at=b.NOW + 1))
        await until(pilot, lambda: reader.reads > reads + 1)
        assert chart._rows is rows and chart.plot is plot


async def test_a_replay_zooms_too_while_plus_is_its_speed(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    async with replay_of(run).run_test(size=(120, 40)) as pilot:
        screen = await standing(pilot, 0.9)
        assert screen.replay is not None
        speed = screen.replay.transport.speed
        await pilot.press("plus")
        assert screen.replay.transport.speed > speed and "steps" not in title(pilot)
        await pilot.press("shift+up", "shift+up")
        assert "steps" in title(pilot)
        await pilot.press("backspace", "L")
        assert "steps" not in title(pilot) and "log" in title(pilot)


@pytest.mark.parametrize("size", [(40, 15), (20, 5)])
async def test_every_key_works_on_a_tiny_screen(size: tuple[int, int]) -> None:
    async with app_on(b.snapshot(412)).run_test(size=size) as pilot:
        await shown(pilot)
        keys = "plus plus comma L S R x x c right shift+left minus full_stop 0 backspace"
        await pilot.press(*keys.split(" "))
        assert len(title(pilot)) <= size[0]
