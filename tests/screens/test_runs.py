"""The list of runs, by its keys."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events

from runner.control.remove import Removal
from runner.model import Label, Outcome, RunListing, RunState
from tests import builders as b
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.screens.helpers import app_on, burst, screen_text, shown, text_of, until
from tui.screens.compare import CompareScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.questions import ConfirmScreen, LabelScreen
from tui.screens.run_list import RunList
from tui.screens.runs import RunsScreen
from tui.words.runs import SORTS

RUNS = (
    b.listing(id="20261121-182911-spyke-aa01", name="spyke", created_at=b.NOW - 100, loss=0.31,
              tags=("good", "v2"), note="the red cape", project="/work/spyke"),
    b.listing(id="20261120-182911-fox-aa02", name="fox", created_at=b.NOW - 90_000, loss=0.11,
              outcome=Outcome.DIVERGED, project="/work/fox"),
    b.listing(id="20261119-182911-owl-aa03", name="owl", created_at=b.NOW - 200_000, loss=0.21,
              state=RunState.RUNNING, outcome=None, project="/work/fox"),
)  # fmt: skip


async def opened(pilot: object, runs: FakeBackend) -> RunsScreen:
    from textual.pilot import Pilot

    assert isinstance(pilot, Pilot)
    await shown(pilot)
    await pilot.press("h")
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
    screen = pilot.app.screen
    assert isinstance(screen, RunsScreen)
    await until(pilot, lambda: screen.board.total == len(runs.runs))
    return screen


def actions(runs: tuple[RunListing, ...] = RUNS) -> FakeBackend:
    return FakeBackend(b.snapshot(), runs)


def names(screen: RunsScreen) -> list[str]:
    """As drawn, from the top."""
    words = [line.replace("▌", " ").split() for line in text_of_list(screen).splitlines()]
    return [line[0] for line in words if line and line[0] in ("spyke", "fox", "owl")]


def text_of_list(screen: RunsScreen) -> str:
    from tui.kit.paint import plain

    return "\n".join(plain(row) for row in screen.query_one(RunList)._rows)


async def test_live_runs_stand_on_top_and_the_others_newest_first() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        assert names(screen) == ["owl", "spyke", "fox"]


async def test_a_filter_keeps_runs_with_all_words_and_escape_clears_it() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        await pilot.press("slash", *"cape red")
        await until(pilot, lambda: names(screen) == ["spyke"])
        assert "1 of 3 runs" in text_of(pilot, "#top")
        await pilot.press("escape")
        await until(pilot, lambda: len(names(screen)) == 3)
        await pilot.press("slash", *"state:diverged")
        await until(pilot, lambda: names(screen) == ["fox"])
        await pilot.press("enter", "down")  # the filter stays, and letters are commands again
        assert names(screen) == ["fox"]
        await pilot.press("escape")
        await until(pilot, lambda: len(names(screen)) == 3)


async def test_keys_typed_in_one_burst_reach_the_filter_and_then_the_list() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        await burst(pilot, "slash", *"fox", "enter", "s")
        await until(pilot, lambda: screen.board.sort is not SORTS[0])
        assert (screen.board.typed, screen.board.found) == ("fox", 2)


async def test_letters_are_text_only_while_a_filter_is_typed() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        await pilot.press("slash", *"qhx?")
        await until(pilot, lambda: "qhx?" in screen_text(pilot))
        assert pilot.app.screen is screen
        await pilot.press("escape", "h")
        await until(pilot, lambda: "esc goes back" in screen_text(pilot))
        await pilot.press("question_mark")
        await until(pilot, lambda: "Group by project" in screen_text(pilot))
        await pilot.press("escape", "q")
        await until(pilot, lambda: not pilot.app.is_running)


async def test_s_goes_through_the_orders_and_r_reverses() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        seen = {}
        for _ in SORTS:
            await pilot.press("s")
            seen[screen.board.sort.name] = names(screen)
        assert seen["loss"] == ["owl", "fox", "spyke"]  # the live one stays on top
        assert seen["name"] == ["owl", "fox", "spyke"] and seen["when"] == ["owl", "spyke", "fox"]
        await pilot.press("r")
        await until(pilot, lambda: names(screen) == ["owl", "fox", "spyke"])
        assert "by when ↑" in text_of(pilot, "#top")


async def test_groups_have_heads_that_the_cursor_passes_over() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        await pilot.press("p")
        await until(pilot, lambda: "/work/fox" in text_of_list(screen))
        assert "/work/spyke" in text_of_list(screen)
        seen = []
        await pilot.press("home")
        for _ in range(3):
            entry = screen.under_cursor()
            assert entry is not None
            seen.append(entry.listing.name)
            await pilot.press("down")
        assert sorted(seen) == ["fox", "owl", "spyke"]


async def test_two_marked_runs_are_compared() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("c")
        await until(pilot, lambda: "Mark two or more runs" in screen_text(pilot))
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


async def test_c_compares_the_group_of_the_run_under_the_cursor() -> None:
    made = actions()
    group = "spyke-sweep-a1b2"
    made.runs = [b.listing(i, group=group if i < 3 else "") for i in range(5)]
    async with app_on(actions=made).run_test(size=(120, 24)) as pilot:
        await opened(pilot, made)
        assert "a1b2" in screen_text(pilot)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        assert made.compared.group == group
        await pilot.press("escape", "end", "c")
        await until(pilot, lambda: "Mark two or more runs" in screen_text(pilot))


async def test_a_run_is_removed_only_after_the_question_was_answered() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("down", "x")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        text = screen_text(pilot)
        assert "Remove spyke" in text or "aa01" in text
        assert "5 checkpoints in /project/output" in text
        await pilot.press("enter")  # the cursor stands on the safe answer
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert made.orders == []
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: made.orders)
        assert made.orders[0] == ("remove", Path("/state/runs/20261121-182911-spyke-aa01"), False)


async def test_what_refuses_to_be_removed_says_why() -> None:
    made = actions()
    key = RUNS[2].id
    why = "owl is being trained: stop it first"
    made.removals = {key: Removal(key, "owl", f"/state/runs/{key}", 0, 0, (), (), refusal=why)}
    async with app_on(actions=made).run_test(size=(100, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("x")
        await until(pilot, lambda: "stop it first" in screen_text(pilot))
        assert isinstance(pilot.app.screen, RunsScreen)
        assert made.orders == []


async def test_name_tags_and_note_are_kept_by_the_form() -> None:
    made = actions()
    key = RUNS[2].id
    made.labels = {key: Label(None, ("old",), "")}
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScreen))
        await pilot.press(*"night owl", "tab", "ctrl+u", *"good, v3", "tab", *"note", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert made.labels[key] == Label("night owl", ("good", "v3"), "note")


@pytest.mark.parametrize("between", ["tab", "enter"])
@pytest.mark.parametrize("opens", ["e", "f2"])
async def test_keys_in_one_burst_with_the_one_that_opens_the_form_are_typed_into_it(
    opens: str, between: str
) -> None:
    made = actions()
    key = RUNS[2].id
    made.labels = {key: Label("night ", ("new",), "seen")}
    go_on = threading.Event()
    read = made.label

    def slow(run_path: Path) -> Label:
        assert go_on.wait(5)
        return read(run_path)

    made.label = slow  # type: ignore[method-assign]
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await burst(pilot, opens, *"owlx", "backspace", between, *",good", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScreen))
        assert made.orders == []
        go_on.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert made.labels[key] == Label("nightowl", ("new", "good"), "seen")


@pytest.mark.parametrize("between", ["tab", "enter"])
async def test_letters_typed_right_after_tab_belong_to_the_next_field(between: str) -> None:
    made = actions()
    key = RUNS[2].id
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScreen) and pilot.app.focused)
        await burst(pilot, *"owl", between, *"good")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: key in made.labels)
        assert made.labels[key] == Label("owl", ("good",), "")


async def test_the_form_takes_no_control_characters_and_a_refusal_keeps_what_was_typed() -> None:
    made = actions()
    key = RUNS[2].id
    before = Label("a\x1b[31mb", ("x, y", "z"), "one\r\n\ttwo")
    made.labels = {key: before}
    made.refuse = "the disk is full"
    async with app_on(actions=made, ascii_only=True).run_test(size=(40, 15)) as pilot:
        await opened(pilot, made)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScreen) and pilot.app.focused)
        pilot.app.post_message(events.Paste("\x1b]0;pwned\x07[b]漢\n\x9b2J\u202e"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Not saved: the disk is full" in screen_text(pilot))
        told = screen_text(pilot)
        assert "ab[b]??" in told and "\x1b" not in told and told.replace("\n", "").isascii()
        made.refuse = None
        await pilot.press("ctrl+s")
        await until(pilot, lambda: made.labels[key] != before)
        assert made.labels[key] == Label("ab[b]漢", before.tags, before.note)


async def test_a_form_that_is_left_changes_nothing() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabelScreen))
        await pilot.press(*"x", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert made.orders == []


async def test_read_only_shows_and_changes_nothing() -> None:
    made = actions()
    async with app_on(actions=made, read_only=True).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        for key in ("e", "x"):
            await pilot.press(key)
            await until(pilot, lambda: "read-only" in screen_text(pilot))
            assert isinstance(pilot.app.screen, RunsScreen)
        assert made.orders == []


async def test_the_cursor_stays_on_its_run_while_the_list_changes() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, made)
        await pilot.press("down")
        made.runs.insert(0, replace(RUNS[0], id="20261122-000000-new-aa09", created_at=b.NOW))
        screen.read_again()
        await until(pilot, lambda: screen.board.total == 4)
        entry = screen.under_cursor()
        assert entry is not None
        assert entry.key == RUNS[0].id


async def test_enter_opens_the_run() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await opened(pilot, made)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        assert made.opened[-1] == Path("/state/runs") / RUNS[0].id


@pytest.mark.slow
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 60)])
async def test_hostile_names_tags_and_notes_break_no_row(size: tuple[int, int]) -> None:
    runs = tuple(
        b.listing(id=f"20261121-1829{n:02}-x-aa{n:02}", name=text, tags=(text[:40],), note=text,
                  project=text, created_at=b.NOW - n)
        for n, text in enumerate(HOSTILE)
    )  # fmt: skip
    made = actions(runs)
    async with app_on(actions=made).run_test(size=size) as pilot:
        screen = await opened(pilot, made)
        for key in ("p", "s", "end", "tab", "home"):
            await pilot.press(key)
        text = screen_text(pilot)
        assert "\x1b" not in text
        assert all(len(line) <= size[0] for line in text.splitlines())
        assert screen.board.total == len(runs)


@pytest.mark.parametrize("welcome", [True, False])
async def test_without_runs_no_key_of_a_run_is_offered(welcome: bool) -> None:
    how: dict[str, Any] = {"run_path": None} if welcome else {}
    async with app_on(actions=actions(()), **how).run_test(size=(160, 40)) as pilot:
        if not welcome:
            await shown(pilot)
            await pilot.press("h")
        await until(pilot, lambda: "No runs yet" in screen_text(pilot))
        offered = {*text_of(pilot, "#footer").split()}
        assert not {*"/scepurx", "enter", "space"} & offered
        assert welcome or "h" not in offered  # the list is here
        assert "/ filter" not in screen_text(pilot)


async def test_the_first_screen_offers_the_filter_where_it_matches_nothing() -> None:
    app = app_on(actions=actions(), run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "spyke" in screen_text(pilot))
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: "No run matches" in screen_text(pilot))
        typing = text_of(pilot, "#footer")
        assert "demo" not in typing
        await pilot.press("enter")
        await until(pilot, lambda: "demo" in text_of(pilot, "#footer"))
        await pilot.press("slash", "backspace")
        await until(pilot, lambda: text_of(pilot, "#footer") == typing)
