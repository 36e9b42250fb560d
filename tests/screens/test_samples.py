"""The screen of sample images: scrubbing, the grid, new images, terminals without pictures, hostile words."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.history.samples import Sample, SampleRhythm
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tests import builders as b
from tests.fakes import FakeBackend, FakeSampleReader
from tests.hostile import HOSTILE
from tests.sample_runs import png
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.images.blocks import HALF
from tui.images.kitty import PLACEHOLDER
from tui.kit.painted import Painted
from tui.panels.loss import LossChart
from tui.panels.samples import SampleStrip
from tui.screens.samples import SamplesScreen
from tui.words.samples import SampleSheet

pytest.importorskip("PIL.Image")

PROMPTS = PromptFile("/p.txt", (SamplePrompt("a red fox", seed=7), SamplePrompt("an owl")))
COLORS = {100: (250, 0, 0), 200: (0, 250, 0), 400: (0, 0, 250)}


def sheet(
    tmp_path: Path, steps: tuple[int, ...] = (100, 200, 400), prompts: int = 2
) -> SampleSheet:
    found = []
    for step in steps:
        for prompt in range(prompts):
            path = tmp_path / f"spyke_{step:06d}_{prompt:02d}_20261121183011_7.png"
            path.write_bytes(png(32, 32, COLORS.get(step, (90, 90, 90))))
            found.append(Sample(str(path), step, 1, prompt, 7, 1, path.stat().st_size, b.NOW))
    return SampleSheet(tuple(found), PROMPTS)


def app_with(found: SampleSheet, **how: Any) -> tuple[Any, FakeSampleReader]:
    actions = FakeBackend(b.snapshot(412))
    actions.sample_reader = FakeSampleReader(found)
    return app_on(actions=actions, **how), actions.sample_reader


async def opened(pilot: Pilot[Any]) -> SamplesScreen:
    await shown(pilot)
    await pilot.press("i")
    await until(pilot, lambda: isinstance(pilot.app.screen, SamplesScreen))
    screen = pilot.app.screen
    assert isinstance(screen, SamplesScreen)
    await until(pilot, lambda: screen.sheet is not None and screen.snapshot is not None)
    return screen


def pixel(pilot: Pilot[Any]) -> str:
    """The colour of the picture's first cell."""
    rows = pilot.app.screen.query_one("#picture")._rows  # type: ignore[attr-defined]
    roles = [span.role for row in rows for span in row if span.role.startswith("#")]
    return roles[0] if roles else ""


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_newest_image_is_large_with_its_words_and_the_loss_at_its_step(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await until(pilot, lambda: pixel(pilot) == "#0000fc/#0000fc")
        text = screen_text(pilot)
        assert "step 400, epoch 1, loss 0." in text
        assert "a red fox" in text
        assert "3 of 3 steps, 2 prompts" in text
        charts = [c for c in app.screen.query(LossChart) if c.display]
        assert [c.cursor for c in charts] == [400]


async def test_left_and_right_scrub_along_the_steps_with_the_cursor_of_the_loss(
    tmp_path: Path,
) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("left")
        await until(pilot, lambda: pixel(pilot) == "#00fc00/#00fc00")
        assert "step 200" in text_of(pilot, "#words")
        assert app.screen.query_one("#near-loss", LossChart).cursor == 200
        await pilot.press("home")
        await until(pilot, lambda: pixel(pilot) == "#fc0000/#fc0000")
        await pilot.press("left", "down")
        await until(pilot, lambda: "an owl" in text_of(pilot, "#words"))
        assert "step 100" in text_of(pilot, "#words")
        await pilot.press("end")
        await until(pilot, lambda: "step 400" in text_of(pilot, "#words"))


async def test_the_grid_shows_all_and_enter_opens_one(tmp_path: Path) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("g")
        await until(pilot, lambda: text_of(pilot, "#grid").count(HALF) > 6 * 60)
        grid = text_of(pilot, "#grid")
        for words in ("step 100", "step 200", "step 400", "a red fox", "an owl"):
            assert words in grid
        await pilot.press("left", "down")
        await until(pilot, lambda: "step 200" in text_of(pilot, "#grid-words"))
        await pilot.press("enter")
        await until(pilot, lambda: pixel(pilot) == "#00fc00/#00fc00")
        assert "an owl" in text_of(pilot, "#words")


async def test_escape_leaves_the_grid_then_the_screen(tmp_path: Path) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("g", "escape")
        await until(pilot, lambda: screen.query_one("#picture").display)
        assert app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)


async def test_new_images_of_a_living_run_appear_by_themselves(tmp_path: Path) -> None:
    app, reader = app_with(sheet(tmp_path, (100,)))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "step 100" in text_of(pilot, "#words"))
        reader.put(sheet(tmp_path))
        screen._read_again()
        await until(pilot, lambda: pixel(pilot) == "#0000fc/#0000fc")
        assert "step 400" in text_of(pilot, "#words")


async def test_a_half_written_image_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    found = sheet(tmp_path, (100,), 1)
    path = Path(found.samples[0].path)
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    app, _ = app_with(found)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "Being written" in text_of(pilot, "#picture"))
        path.write_bytes(whole)
        screen._read_again()
        await until(pilot, lambda: pixel(pilot) == "#fc0000/#fc0000")


async def test_o_copies_the_path(tmp_path: Path) -> None:
    found = sheet(tmp_path)
    app, _ = app_with(found)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("o")
        await until(pilot, lambda: app.clipboard == found.samples[-2].path)


@pytest.mark.parametrize("how", [{"ascii_only": True}, {"images": "off"}])
async def test_without_pictures_names_and_sizes_are_told(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    found = sheet(tmp_path)
    app, _ = app_with(found, **how)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "No pictures" in text_of(pilot, "#picture"))
        assert "spyke_000400_00" in screen_text(pilot)
        assert HALF not in screen_text(pilot)
        await pilot.press("g")
        await until(pilot, lambda: " B" in text_of(pilot, "#grid"))


async def test_no_color_means_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "no colours" in text_of(pilot, "#picture"))


async def test_with_kitty_a_picture_is_sent_once_and_named_by_its_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = app_with(sheet(tmp_path), images="kitty")
    async with app.run_test(size=(80, 24)) as pilot:
        written: list[str] = []
        monkeypatch.setattr(app._driver, "write", written.append)
        await opened(pilot)
        await until(pilot, lambda: PLACEHOLDER in text_of(pilot, "#picture"))
        await pilot.press("left")
        await until(pilot, lambda: "step 200" in text_of(pilot, "#words"))
        await until(pilot, lambda: "".join(written).count("a=T") == 2)
        await pilot.press("right")
        await until(pilot, lambda: "step 400" in text_of(pilot, "#words"))
        assert "".join(written).count("a=T") == 2
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, SamplesScreen))
        assert "".join(written).count("a=d,d=I") >= 2


async def test_low_bandwidth_draws_smaller_and_coarser(tmp_path: Path) -> None:
    app, _ = app_with(sheet(tmp_path), low_bandwidth=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: pixel(pilot) != "")
        rows = text_of(pilot, "#picture").split("\n")
        assert sum(HALF in row for row in rows) == 14


async def test_a_run_without_images_says_so(tmp_path: Path) -> None:
    app, _ = app_with(SampleSheet((), PromptFile(problem="the run has no sample_prompts")))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "No sample images yet" in screen_text(pilot))
        assert "The run has no sample_prompts." in screen_text(pilot)
        await pilot.press("left", "down", "g", "enter", "o", "home", "end", "escape", "escape")


async def test_what_cannot_be_read_is_a_sentence_and_is_tried_again(tmp_path: Path) -> None:
    app, reader = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        reader.error = OSError("the disk is [red]gone[/]")
        await pilot.press("i")
        await until(pilot, lambda: "[red]gone" in screen_text(pilot))
        reader.error = None
        screen = app.screen
        assert isinstance(screen, SamplesScreen)
        screen._read_again()
        await until(pilot, lambda: screen.sheet is not None)


async def test_images_found_while_the_run_was_unreadable_are_shown(tmp_path: Path) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        app.backend.reader.error = OSError("status.json is gone")
        await pilot.press("i")
        await until(pilot, lambda: "Status.json is gone" in screen_text(pilot))
        app.backend.reader.error = None
        app.screen._read_again()
        await until(pilot, lambda: "step 400" in text_of(pilot, "#words"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (20, 5)])
async def test_hostile_prompts_and_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    base = sheet(tmp_path)
    app, reader = app_with(base)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        for at, text in enumerate(HOSTILE):
            prompts = PromptFile(text, (SamplePrompt(text, text),), True, None)
            samples = [replace(s, path=s.path) for s in base.samples]
            samples.append(
                replace(base.samples[0], path=f"/x/{text}.png".replace("\0", ""), step=900 + at)
            )
            reader.put(SampleSheet(tuple(samples), prompts))
            screen._read_again()
            key = (0.0, float(900 + at))
            await until(
                pilot,
                lambda key=key: key in [m.key for m in screen.board.moments],  # type: ignore
            )
            await pilot.press("g", "left", "right", "g")
            assert "\x1b" not in screen_text(pilot)


async def test_the_monitor_underneath_draws_nothing_until_it_is_seen_again(tmp_path: Path) -> None:
    """Else each of its changes would send all pictures again: a whole screen of bytes."""
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: pixel(pilot) != "")
        monitor = app.screen_stack[-2]
        sent: list[object] = []
        screen.refresh = lambda *regions, **how: sent.append(regions) or screen  # type: ignore
        app.backend.reader.put(b.snapshot(413))
        await until(pilot, lambda: app.snapshot.status.step == 413)
        assert (monitor.query_one("#loss", LossChart).model.last_step, sent) == (412, [])
        await pilot.press("escape")
        await until(pilot, lambda: monitor.query_one("#loss", LossChart).model.last_step == 413)


# --------------------------------------------------------------------------- the monitor's own chart


async def test_the_focused_loss_of_the_monitor_tells_the_loss_of_a_step() -> None:
    app = app_on(b.snapshot(412))
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        chart = app.screen.query_one("#loss", LossChart)
        assert chart.cursor is None
        await pilot.press("right")
        await until(pilot, lambda: chart.cursor == 412)
        assert "step 412, epoch 2, loss 0." in text_of(pilot, "#loss")
        await pilot.press("left", "left")
        await until(pilot, lambda: chart.cursor is not None and chart.cursor < 412)
        await pilot.press("escape")
        await until(pilot, lambda: chart.cursor is None)
        assert "step 4" not in text_of(pilot, "#loss").split("\n")[0]


async def test_elsewhere_these_keys_point_at_nothing() -> None:
    app = app_on(b.snapshot(412))
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("tab", "right", "left")
        assert app.screen.query_one("#loss", LossChart).cursor is None


# --------------------------------------------------------------------------- the filmstrip of the monitor


def strip_of(pilot: Pilot[Any]) -> SampleStrip:
    return pilot.app.screen.query_one(SampleStrip)


async def test_the_newest_images_are_on_the_monitor_and_new_ones_join_them(tmp_path: Path) -> None:
    app, reader = app_with(sheet(tmp_path, (100, 200)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "200 newest" in screen_text(pilot))
        await until(pilot, lambda: HALF in text_of(pilot, "#samples"))
        assert "prompt 1 of 2" in text_of(pilot, "#samples")
        await pilot.press("tab")
        assert pilot.app.focused is strip_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SamplesScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SamplesScreen))
        reader.put(sheet(tmp_path))
        strip_of(pilot).read(app.snapshot, b.NOW + 10)
        await until(pilot, lambda: "400 newest" in screen_text(pilot))


async def test_the_strip_sends_a_kitty_picture_before_its_cells_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = app_with(sheet(tmp_path), images="kitty")
    async with app.run_test(size=(120, 40)) as pilot:
        written: list[str] = []
        driver = app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", written.append)
        await until(pilot, lambda: PLACEHOLDER in text_of(pilot, "#samples"))
        assert any("a=T" in text for text in written)
        await pilot.press("ctrl+q")
    assert any("a=d" in text for text in written)


async def test_before_the_first_image_the_next_one_is_named(tmp_path: Path) -> None:
    app, _ = app_with(SampleSheet((), PROMPTS, SampleRhythm(every_epochs=1)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "epoch 2, in 2 min" in text_of(pilot, "#samples"))


@pytest.mark.parametrize(
    "how", [{}, {"low_bandwidth": True}, {"images": "off"}, {"ascii_only": True}]
)
async def test_without_room_images_or_colours_there_is_no_strip(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    app, reader = app_with(SampleSheet() if not how else sheet(tmp_path), **how)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: reader.reads > 0)
        await pilot.pause()
        assert not strip_of(pilot).display and not strip_of(pilot).wanted
        assert (
            app.screen.query_one("#gauges").region.y
            == app.screen.query_one("#checkpoints").region.y
        )


async def test_a_small_screen_reads_no_images(tmp_path: Path) -> None:
    app, reader = app_with(sheet(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert reader.reads == 0 and not strip_of(pilot).display
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "400 newest" in screen_text(pilot))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not strip_of(pilot).display)


async def test_another_run_does_not_show_the_images_of_the_one_before(tmp_path: Path) -> None:
    app, reader = app_with(sheet(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "400 newest" in screen_text(pilot))
        reader.put(SampleSheet())
        other = replace(app.snapshot, path="/state/runs/another")
        strip_of(pilot).read(other, b.NOW)
        assert not strip_of(pilot).wanted


async def test_a_damaged_image_is_a_sentence_in_its_place(tmp_path: Path) -> None:
    found = sheet(tmp_path)
    Path(found.samples[-2].path).write_bytes(b"no image")
    os.utime(found.samples[-2].path, (1, 1))
    app, _ = app_with(found)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Not an image" in text_of(pilot, "#samples"))


async def test_ticks_do_not_paint_the_pictures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = app_with(sheet(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: HALF in text_of(pilot, "#samples"))
        await pilot.pause()
        painted: list[str] = []
        monkeypatch.setattr(Painted, "refresh", lambda self, *a, **k: painted.append(self.id or ""))
        app.screen.refresh_models()
        strip_of(pilot).repaint()
        assert "samples" not in painted
