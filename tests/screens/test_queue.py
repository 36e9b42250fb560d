"""The queue on the screen: a key that queues, the places in the list of runs, and a queued run's verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from runner.model import RunSnapshot, RunState, Status, Waiting
from tests import builders as b
from tests.fakes import FakeBackend
from tests.screens.helpers import app_on, screen_text, shown, text_of, until
from tests.screens.test_runs import opened as opened_list
from tests.screens.test_runs import text_of_list
from tests.screens.test_starting import CONFIG, PREVIEW, asked, opened
from tui.backend.door import Sent
from tui.panels.verdict import verdict_of
from tui.screens.questions import ConfirmScreen
from tui.words.clauses import Kind, Verdict
from tui.words.orders import Around, why_not
from tui.words.questions import stop_question

RUNS = tuple(
    b.listing(id=f"20261121-18291{n}-{name}-aa0{n}", name=name, created_at=b.NOW - n, state=state,
              outcome=None, waiting=waiting, ends_at=b.NOW + 3600 * n, step=0, loss=None)
    for n, (name, state, waiting) in enumerate((
        ("spyke", RunState.RUNNING, None),
        ("fox", RunState.QUEUED, Waiting(place=2, places=2)),
        ("owl", RunState.QUEUED, Waiting("check failed: Disk: full", held=True, place=1, places=2)),
    ))
)  # fmt: skip


def queued(waiting: Waiting) -> RunSnapshot:
    status = Status(RunState.QUEUED, 1, b.NOW, waiting=waiting)
    return replace(b.snapshot(), state=RunState.QUEUED, status=status, outcome=None, events=())


async def test_b_queues_the_training_and_opens_the_run() -> None:
    actions, app = opened(b.snapshot(3), None, replace(PREVIEW, existing=(), warnings=()))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        assert "b queue" in " ".join(text_of(pilot, "#footer").split())
        await pilot.press("b")
        await until(pilot, lambda: app.run_path == Path("/state/runs/new"))
        assert actions.orders == [("queue", CONFIG)]


async def test_b_asks_before_files_are_overwritten_as_a_start_does() -> None:
    actions, app = opened(b.snapshot(3), None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "ready" in text_of(pilot, "#header"))
        await pilot.press("b")
        await asked(pilot)
        await until(pilot, lambda: "Queue and overwrite 2 existing files" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert actions.orders == []


async def test_the_list_shows_the_queue_in_its_order_and_moves_a_run() -> None:
    backend = FakeBackend(b.snapshot(), RUNS)
    app = app_on(actions=backend)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened_list(pilot, backend)
        lines = [line for line in text_of_list(screen).splitlines() if "aa0" in line]
        assert [("spyke" in lines[0]), ("held" in lines[1]), ("2 of 2" in lines[2])] == [True] * 3
        await pilot.press("home", "K")
        await until(pilot, lambda: "not queued" in text_of(pilot, "#notice"))
        await pilot.press("down", "u")
        await until(pilot, lambda: len(backend.orders) == 1)
        await pilot.press("down", "K")
        await until(pilot, lambda: len(backend.orders) == 2)
        assert [order[0] for order in backend.orders] == ["release", "up"]


async def test_keys_typed_faster_than_the_queue_changes_all_count_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = FakeBackend(b.snapshot(), RUNS)
    moved, quick = backend.move_in_queue, Event()

    def slow(path: Path, where: str) -> Sent:
        quick.wait(10)
        return moved(path, where)

    monkeypatch.setattr(backend, "move_in_queue", slow)
    app = app_on(actions=backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened_list(pilot, backend)
        await pilot.press("home", "down", *"JKKJK")
        quick.set()
        await until(pilot, lambda: len(backend.orders) == 5)
        assert [order[0] for order in backend.orders] == ["down", "up", "up", "down", "up"]


async def test_removing_a_queued_run_offers_to_stay_in_the_queue() -> None:
    app = app_on(queued(Waiting(place=1, places=1)))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("a")
        await until(pilot, lambda: "Remove it from the queue" in screen_text(pilot))
        assert "▌ Stay in the queue" in screen_text(pilot)
        assert "Keep training" not in screen_text(pilot)


def words(verdict: Verdict) -> str:
    return " ".join(clause.text for clause in (*verdict.first, *verdict.second))


def test_a_queued_run_shows_its_place_and_its_expected_start() -> None:
    found = verdict_of(queued(Waiting(place=2, places=5, expected_start_at=b.NOW + 600)), b.NOW)
    assert found.kind is Kind.QUEUED
    assert "number 2 of 5 in the queue" in words(found)
    assert "starts about" in words(found)
    waiting = Waiting("GPU 0 is used by run x", place=2, places=5, expected_start_at=b.NOW + 600)
    second = [clause.text for clause in verdict_of(queued(waiting), b.NOW).second]
    assert len(second) == 1 and second[0].startswith("number 2 of 5 in the queue, starts about ")


def test_a_held_run_shows_why_and_what_helps() -> None:
    found = verdict_of(queued(Waiting("check failed: Disk: full", held=True)), b.NOW)
    assert found.kind is Kind.HELD
    assert "check failed: Disk: full" in words(found)
    assert "--release" in words(found)


def test_a_queued_run_whose_process_is_gone_says_so() -> None:
    found = verdict_of(replace(queued(Waiting(place=1, places=1)), supervisor_alive=False), b.NOW)
    assert "o restarts it" in words(found)


@pytest.mark.parametrize("order", ["resume", "retry", "approve", "free_gpu"])
def test_a_queued_run_can_only_be_removed_from_the_queue(order: str) -> None:
    run = queued(Waiting(place=1, places=1))
    assert why_not("stop", run, Around()) is None
    assert "queued" in (why_not(order, run, Around()) or "")
    question = stop_question(run, "spyke")
    assert [choice.label for choice in question.choices] == ["Remove it from the queue"]
    assert "step" not in " ".join(question.facts)
