"""The summary of a run on the screen: reading, moving, choosing a checkpoint, exporting it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.cells import cell_len
from textual.pilot import Pilot

from runner.history.review.best import Candidate, rank
from runner.history.review.document import (
    Bullets,
    Code,
    Document,
    Paragraph,
    Points,
    Section,
    Table,
)
from runner.model import Outcome
from tests import builders as b
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.reviews import point
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tui.app import PlasmaApp
from tui.backend.results import ExportAnswer, SummarySheet
from tui.kit.paint import plain
from tui.screens.questions import ConfirmScreen, ExportScreen
from tui.screens.summary import SummaryScreen, SummaryView

SIZES = [(80, 24), (120, 40), (200, 60), (40, 10)]


def document(text: str = "spyke") -> Document:
    table = Table(
        ("file", "step", "whole", "remark"),
        ((f"{text}-step00000200.safetensors", "200", "yes", ""), (text, "400", "NO", "cut off")),
        (1,),
    )
    points = (point("Every file is there", "pass", "5 of 5"), point(text, "fail", text))
    return Document(
        f"{text}: succeeded",
        ("The model was saved.", text),
        (
            Section("checklist", "Checklist", (Points(points),)),
            Section("loss", "Loss", (Paragraph("920 exact losses."), table)),
            Section("checkpoints", "Checkpoints", (table,)),
            Section("best", "Best checkpoint", (Paragraph("This is advice."), Bullets((text,)))),
            Section("command", "Command", (Code(f"python train.py \\\n  --{text}", "sh"),)),
            Section("notes", text, (Bullets(tuple(f"{i} {text}" for i in range(30))),)),
        ),
    )


def sheet(text: str = "spyke", **changes: Any) -> SummarySheet:
    snapshot = b.ended(Outcome.SUCCEEDED)
    assert snapshot.status is not None
    found = rank(snapshot.status.checkpoints, series=snapshot.loss)
    return replace(SummarySheet(document(text), snapshot, found), **changes)


def actions(**changes: Any) -> FakeBackend:
    made = FakeBackend(b.ended(Outcome.SUCCEEDED))
    made.sheet = sheet(**changes)
    return made


async def opened(pilot: Pilot[Any]) -> SummaryView:
    await shown(pilot)
    await pilot.press("m")
    await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
    view = pilot.app.screen.query_one(SummaryView)
    await until(pilot, lambda: view.model is not None)
    return view


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_it_opens_on_an_ended_run_at_every_size(
    size: tuple[int, int], ascii_only: bool
) -> None:
    async with app_on(actions=actions(), ascii_only=ascii_only).run_test(size=size) as pilot:
        await opened(pilot)
        text = screen_text(pilot)
        assert "succeeded" in text
        assert text.isascii() or not ascii_only
        for key in ("end", "n", "n", "home", "b", "b", "pagedown", "pageup", "9", "1", "p", "a"):
            await pilot.press(key)
        assert isinstance(pilot.app.screen, SummaryScreen)


async def test_the_title_names_the_run_before_it_is_read() -> None:
    made = actions()
    made.summary_may_come = threading.Event()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("m")
        await until(pilot, lambda: "Reading the run." in screen_text(pilot))
        assert "summary of" in screen_text(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "still being read" in text_of(pilot, "#notice"))
        made.summary_may_come.set()
        await until(pilot, lambda: "Checks" in screen_text(pilot))


async def test_a_run_that_cannot_be_read_is_one_sentence() -> None:
    made = actions()
    made.summary_refusal = "spec.json is torn"
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("m")
        await until(pilot, lambda: "No summary: spec.json is torn" in screen_text(pilot))
        await pilot.press("b", "x", "o", "n", "enter", "a", "end", "escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SummaryScreen))


def unfolded(pilot: Pilot[Any]) -> list[int]:
    return sorted(pilot.app.screen.query_one(SummaryView).unfolded)


async def test_the_first_page_has_problems_and_folds_what_passed() -> None:
    async with app_on(actions=actions()).run_test(size=(80, 24)) as pilot:
        view = await opened(pilot)
        text = screen_text(pilot)
        assert view.pick is not None and view.pick.name in text
        assert "✗ spyke" in text and "Every file is there" not in text
        assert "1 passed" in text
        await pilot.press("enter")
        await until(pilot, lambda: "Every file is there" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Every file is there" not in screen_text(pilot))


async def test_a_digit_unfolds_its_section_and_a_unfolds_all() -> None:
    async with app_on(actions=actions()).run_test(size=(80, 24)) as pilot:
        view = await opened(pilot)
        await pilot.press("2")
        await until(pilot, lambda: unfolded(pilot) == [1] and view.cursor == 1)
        assert "920 exact losses." in screen_text(pilot)
        await pilot.press("a")
        await until(pilot, lambda: unfolded(pilot) == [0, 1, 2, 3, 4, 5])
        await pilot.press("a")
        await until(pilot, lambda: unfolded(pilot) == [])


async def test_down_reads_through_everything_and_stops_at_every_heading() -> None:
    async with app_on(actions=actions()).run_test(size=(80, 16)) as pilot:
        view = await opened(pilot)
        await pilot.press("a", "home")
        stops = [view.cursor]
        for _ in range(400):
            before = (view.cursor, view.fraction)
            await pilot.press("down")
            if (view.cursor, view.fraction) == before:
                break
            stops += [view.cursor] if view.cursor != stops[-1] else []
        assert view.fraction == 1.0 and stops == [0, 1, 2, 3, 4, 5]
        for _ in range(400):
            await pilot.press("k")
            if view.cursor == 0:
                break
        assert view.cursor == 0


async def test_another_size_keeps_the_section_in_sight() -> None:
    async with app_on(actions=actions()).run_test(size=(120, 40)) as pilot:
        view = await opened(pilot)
        await pilot.press("5")
        await pilot.resize_terminal(60, 14)
        await until(pilot, lambda: view.content_size.width == 60)
        await until(pilot, lambda: "5 Command" in text_of(pilot, "#document"))


async def test_b_shows_the_next_best_checkpoint() -> None:
    async with app_on(actions=actions()).run_test(size=(80, 18)) as pilot:
        view = await opened(pilot)
        assert view.model is not None
        seen = []
        for _ in view.model.picks:
            seen.append(view.pick)
            assert view.pick is not None
            name, rank = view.pick.name, view.pick.rank
            await until(
                pilot, lambda n=name, r=rank: n in screen_text(pilot) and r in screen_text(pilot)
            )
            await pilot.press("b")
        assert tuple(seen) == view.model.picks and view.pick == seen[0]
        await pilot.press("end", "b")  # scrolled away: first back to where it is shown
        assert view.pick == seen[0] and "succeeded" in text_of(pilot, "#document")


async def test_without_a_candidate_it_says_so() -> None:
    async with app_on(actions=actions(candidates=())).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "✗ No usable checkpoint" in text_of(pilot, "#document")
        for key in ("b", "o", "x"):
            await pilot.press(key)
            await until(pilot, lambda: "No usable checkpoint." in text_of(pilot, "#notice"))


async def test_first_and_nearest_sample_are_shown_side_by_side(tmp_path: Path) -> None:
    samples = []
    for step, colour in ((230, (200, 30, 30)), (690, (30, 200, 30)), (920, (30, 30, 200))):
        path = tmp_path / f"{step}.png"
        Image.new("RGB", (64, 64), colour).save(path)
        samples.append((step, str(path)))
    made = actions(samples=tuple(samples))
    async with app_on(actions=made, images="blocks").run_test(size=(80, 24)) as pilot:
        view = await opened(pilot)
        assert view.pick is not None and "step 920" in view.pick.facts
        await until(pilot, lambda: "▀" * 10 in text_of(pilot, "#document"))
        row = next(r for r in view._rows if "▀" * 10 in plain(r))
        roles = [span.role for span in row if "▀" in span.text]
        assert roles[0].startswith("#c8") and roles[-1].split("/")[0].endswith("c8")
        while "step 600" not in view.pick.facts:
            await pilot.press("b")
        await until(pilot, lambda: "step 690" in text_of(pilot, "#document"))


@pytest.mark.parametrize(("how", "size"), [({"images": "off"}, (80, 24)), ({}, (40, 15))])
async def test_no_picture_is_read_where_none_can_be_shown(
    how: dict[str, str], size: tuple[int, int]
) -> None:
    made = actions(samples=((230, "/nowhere/one.png"),))
    async with app_on(actions=made, **how).run_test(size=size) as pilot:
        view = await opened(pilot)
        assert view.store._thread is None and "one.png" not in screen_text(pilot)


# --------------------------------------------------------------------------- open


async def test_the_path_goes_to_the_clipboard() -> None:
    app = app_on(actions=actions())
    async with app.run_test(size=(80, 24)) as pilot:
        view = await opened(pilot)
        assert view.pick is not None
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert view.pick.path in screen_text(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "the terminal's clipboard" in text_of(pilot, "#notice"))
        assert app.clipboard == view.pick.path


async def test_the_folder_is_asked_for_and_the_safe_answer_does_nothing() -> None:
    made = actions()
    app = app_on(actions=made)
    async with app.run_test(size=(80, 24)) as pilot:
        view = await opened(pilot)
        assert view.pick is not None
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SummaryScreen))
        assert made.shown_folders == ()
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: made.shown_folders == (view.pick and view.pick.path,))
        await until(pilot, lambda: "xdg-open" in text_of(pilot, "#notice"))


# --------------------------------------------------------------------------- export


async def exporting(pilot: Pilot[Any]) -> ExportScreen:
    await opened(pilot)
    await pilot.press("x")
    await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
    screen = pilot.app.screen
    assert isinstance(screen, ExportScreen)
    return screen


async def test_a_checkpoint_is_exported_under_a_chosen_name() -> None:
    made = actions()
    made.folders = ("/comfy/models/loras", "/other")
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        form = await exporting(pilot)
        await until(pilot, lambda: form.folder.value == "/comfy/models/loras")
        await pilot.press("ctrl+u", *"my.v2", "enter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
        assert [one[1:] for one in made.exported] == [("/comfy/models/loras", "my.v2")]
        await until(pilot, lambda: "Copied to" in text_of(pilot, "#notice"))


async def test_a_name_that_is_taken_gets_a_free_one_which_only_enter_takes() -> None:
    made = actions()
    made.folders = ("/loras",)
    made.export_answer = ExportAnswer(False, "/loras/x exists", "x-2.safetensors")
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        form = await exporting(pilot)
        await until(pilot, lambda: form.folder.value == "/loras")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: form.name_field.value == "x-2")
        assert "Name filled in; Enter to export." in text_of(pilot, "#said")
        assert len(made.exported) == 1
        made.export_answer = ExportAnswer(True, "Copied to /loras/x-2.safetensors.")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
        assert made.exported[-1][2] == "x-2"


async def test_without_a_folder_nothing_is_exported_and_esc_changes_nothing() -> None:
    made = actions()
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        form = await exporting(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Enter the folder" in text_of(pilot, "#said"))
        assert pilot.app.screen.focused is form.folder.line
        await pilot.press(*"/l", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
        assert made.exported == ()


async def test_found_folders_are_paged_through_and_a_written_one_is_kept() -> None:
    made = actions()
    made.folders = ("/a", "/b")
    async with app_on(actions=made).run_test(size=(80, 24)) as pilot:
        form = await exporting(pilot)
        await until(pilot, lambda: form.folder.value == "/a")
        await pilot.press("up", "pagedown")
        assert form.folder.value == "/b"
        assert "2 of 2" in text_of(pilot, "#folder")
        await pilot.press("ctrl+u", *"~/c", "left", "delete")
        assert form.folder.value == "~/"


async def test_a_read_only_screen_exports_nothing() -> None:
    async with app_on(actions=actions(), read_only=True).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("x")
        await until(pilot, lambda: "read-only" in text_of(pilot, "#notice"))


# --------------------------------------------------------------------------- foreign words


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
async def test_foreign_words_break_nothing(text: str) -> None:
    one = b.checkpoint(400, name=text, path=f"/o/{text}", loss=0.1)
    found = (Candidate(one, 1, (text,), (text,), f"/o/{text}.png", "validation loss"),)
    app: PlasmaApp = app_on(actions=actions(text=text, candidates=found))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        for key in ("a", "n", "n", "b", "pagedown", "end"):
            await pilot.press(key)
            told = screen_text(pilot)
            assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in told)
            assert all(cell_len(line) <= 80 for line in told.split("\n"))
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("escape", "x")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        assert "\x1b" not in screen_text(pilot)
