"""The hardware on the screen: compact, high, zoomed; and ComfyUI asked for its memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.model import Outcome, RunState
from tests import machines as m
from tests.fakes import FakeBackend
from tests.screens.helpers import RUN, app_on, screen_text, shown, text_of, until
from tui.kit.painted import Painted
from tui.panels.machine import GaugePanel
from tui.screens.monitor import MonitorScreen
from tui.screens.questions import ConfirmScreen

TO_GAUGES = ("tab", "tab")


async def test_on_a_low_screen_the_worthiest_rows_are_shown_and_the_others_come_by_scrolling() -> (
    None
):
    async with app_on(m.two_cards()).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        text = text_of(pilot, "#gauges")
        for words in ("GPU 1", "slowed: heat", "ComfyUI 6.1 GB, 40 %"):
            assert words in text
        assert " mem " not in text and text.index("VRAM") < text.index("slowed")
        await pilot.press(*TO_GAUGES, "end")
        assert " mem " in text_of(pilot, "#gauges") and "disk" in text_of(pilot, "#gauges")
        await pilot.press("home")
        assert "ComfyUI" in text_of(pilot, "#gauges")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_zoomed_it_has_the_whole_screen_and_tells_everything(size: tuple[int, int]) -> None:
    async with app_on(m.two_cards()).run_test(size=size) as pilot:
        await shown(pilot)
        await pilot.press(*TO_GAUGES, "z")
        panel = pilot.app.screen.query_one("#gauges", GaugePanel)
        await until(pilot, lambda: panel.content_size.height >= size[1] - 8)
        told = text_of(pilot, "#gauges")
        for _ in range(8):
            await pilot.press("pagedown")
            told += text_of(pilot, "#gauges")
        for words in (
            "NVIDIA GeForce RTX 4090",
            "NVIDIA GeForce RTX 3060",
            "GPU busy 87 % on average while training",
            "ComfyUI 6.1 GB (process 4242)",
        ):
            assert words in told.replace("\n", " ")
        await pilot.press("z")
        await until(pilot, lambda: panel.content_size.height < size[1] - 12)


async def test_the_end_of_the_zoomed_panel_stays_the_end() -> None:
    async with app_on(m.two_cards()).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press(*TO_GAUGES, "z")
        await pilot.pause()
        await pilot.press("end")
        last = text_of(pilot, "#gauges")
        assert "So far" in last
        await pilot.press("down")
        assert text_of(pilot, "#gauges") == last


async def test_a_reading_that_looks_the_same_paints_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    actions = FakeBackend(m.one_card())
    async with app_on(actions=actions).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        painted: list[str] = []
        monkeypatch.setattr(Painted, "refresh", lambda self, *a, **k: painted.append(self.id or ""))
        assert actions.reader is not None
        again = m.on(m.sample(m.rtx(power_w=324.0, percent=94.3)))
        actions.reader.put(again)
        await until(pilot, lambda: getattr(pilot.app, "snapshot", None) is again)
        assert "gauges" not in painted


# --------------------------------------------------------------------------- asking ComfyUI


async def test_comfy_is_asked_for_its_memory_after_a_question() -> None:
    actions = FakeBackend(m.two_cards())
    async with app_on(actions=actions).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        assert "free GPU" in text_of(pilot, "#footer")
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await until(pilot, lambda: "ComfyUI 6.1 GB (process 4242)" in screen_text(pilot))
        question = " ".join(text_of(pilot, "#question").split())
        assert (
            "No process is ended" in question and "in its queue ComfyUI is left alone" in question
        )
        assert actions.orders == []
        await pilot.press("up", "enter")
        await until(pilot, lambda: actions.orders == [("free", RUN)])


async def test_leaving_comfy_alone_is_the_safe_answer() -> None:
    actions = FakeBackend(m.two_cards())
    async with app_on(actions=actions).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert actions.orders == []


async def test_where_there_is_no_comfy_the_key_says_so() -> None:
    actions = FakeBackend(m.one_card())
    async with app_on(actions=actions).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        assert "free GPU" not in text_of(pilot, "#footer")
        await pilot.press("u")
        await until(pilot, lambda: "No ComfyUI on the GPU" in text_of(pilot, "#notice"))
        assert actions.orders == []


async def test_of_a_run_that_has_ended_nobody_is_asked() -> None:
    ended = replace(m.two_cards(), state=RunState.ENDED, outcome=Outcome.STOPPED)
    async with app_on(ended).run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        assert "free GPU" not in text_of(pilot, "#footer")
