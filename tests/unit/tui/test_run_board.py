"""Runs in order: filter, sort, groups, marks."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from runner.model import Outcome, RunListing, RunState
from tests import builders as b
from tests.hostile import HOSTILE
from tui.words.runs import SORTS, Entry, Head, RunBoard, curve_of, shown_loss

RUNS = (
    b.listing(id="1-a-aa01", name="Spyke", created_at=b.NOW - 1, loss=0.9, smooth=0.3,
              tags=("good", "v2"), note="the red cape", project="/work/spyke", device="mps"),
    b.listing(id="2-b-aa02", name="fox", created_at=b.NOW - 2, device=None, loss=0.1, smooth=0.2,
              outcome=Outcome.DIVERGED, project="/work/fox", smoke=True),
    b.listing(id="3-c-aa03", name="owl", created_at=b.NOW - 3, loss=0.05, smooth=0.4,
              state=RunState.RUNNING, outcome=None, project="/work/fox", device="cpu"),
    b.listing(id="4-d-aa04", name="Füchsin", created_at=b.NOW - 4, loss=None, smooth=None,
              state=RunState.LOST, outcome=None, project="/work/fox", device="cpu"),
)  # fmt: skip


def board(*runs: RunListing, **changes: object) -> RunBoard:
    made = RunBoard(**changes)  # type: ignore[arg-type]
    made.take(runs or RUNS)
    return made


def names(made: RunBoard) -> list[str]:
    return [line.listing.name for line in made.lines() if isinstance(line, Entry)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", "owl Spyke fox Füchsin"),
        ("CAPE red", "Spyke"),
        ("fu\u0308chsin", "Füchsin"),
        ("tag:good", "Spyke"),
        ("tags:good cape", "Spyke"),
        ("state:diverged", "fox"),
        ("state:live", "owl"),
        ("live", "owl"),
        ("state:lost", "Füchsin"),
        ("kind:smoke", "fox"),
        ("device:mps", "Spyke"),
        ("note:", "Spyke"),
        ("tag:fox", ""),
        ("name:fox", "fox"),
        ("unknown:field", ""),
        ("project:fox name:o", "owl fox"),
        ("aa03", "owl"),
    ],
)
def test_a_filter_keeps_what_holds_every_word(typed: str, found: str) -> None:
    made = board(typed=typed)
    assert names(made) == found.split()
    assert (made.found, made.total) == (len(found.split()), 4)


def test_typing_letter_by_letter_finds_what_the_complete_word_finds() -> None:
    for typed in (
        "tag:good",
        "tags:good cape",
        "state:diverged",
        "unknown:f",
        "project:fox name:o",
    ):
        made = board()
        for end in (*range(len(typed) + 1), *range(len(typed), 0, -1)):
            made.type(typed[:end])
            assert names(made) == names(board(typed=typed[:end])), typed[:end]


def test_every_order_has_live_runs_first_and_unknown_values_last() -> None:
    found = {one.name: names(board(sort=one)) for one in SORTS}
    assert {names[0] for names in found.values()} == {"owl"}
    assert found["loss"] == ["owl", "fox", "Spyke", "Füchsin"]
    assert found["outcome"] == ["owl", "Spyke", "fox", "Füchsin"]
    assert names(board(sort=SORTS[2], turned=True)) == ["owl", "Spyke", "fox", "Füchsin"]


def test_live_and_ended_runs_are_sorted_by_the_same_smoothed_loss() -> None:
    """Seen: a live run was sorted by the raw loss of its last step."""
    live, ended = RUNS[2], RUNS[0]
    assert live.loss is not None and ended.loss is not None and live.loss < ended.loss
    assert (shown_loss(live), shown_loss(ended)) == (0.4, 0.3)
    assert math.isnan(shown_loss(replace(live, loss=math.nan)) or 0.0)


def test_an_order_follows_a_run_that_changes() -> None:
    made = board(sort=SORTS[2])
    assert names(made)[1] == "fox"
    assert made.take((RUNS[0], replace(RUNS[1], smooth=0.9), *RUNS[2:]))
    assert names(made)[1] == "Spyke"
    assert not made.take(made.listings or ())


def test_groups_are_in_the_order_of_their_first_run() -> None:
    lines = board(grouped="project").lines()
    heads = [line for line in lines if isinstance(line, Head)]
    assert heads == [Head("/work/fox", 3, 1), Head("/work/spyke", 1, 0)]


def test_marks_of_runs_that_are_gone_go() -> None:
    made = board()
    for key in ("1-a-aa01", "2-b-aa02", "2-b-aa02", "nothing"):
        made.mark(key)
    assert list(made.marks) == ["1-a-aa01"]
    made.take(RUNS[1:])
    assert not made.marks


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_found_and_break_nothing(text: str) -> None:
    made = board(b.listing(name=text, note=text, tags=(text,), project=text), RUNS[0])
    made.type(" ".join(text.split()[:1]))
    made.lines()
    made.type("tag:good")
    assert "Spyke" in names(made)


def test_a_curve_ignores_what_is_not_finite_and_clips_the_first_steps() -> None:
    values = [5.0] + [0.2 - i / 1000 for i in range(100)]
    curve = curve_of(b.series(values))
    assert (
        len(curve.points) == 20
        and curve.points[0] == 1.0
        and min(p or 0 for p in curve.points) == 0
    )
    assert curve_of(b.series([math.nan] * 30)).points == ()
    assert set(curve_of(b.series([0.1] * 30)).points) == {0.0}
    assert curve_of(b.series([])).points == ()


def test_thousands_of_runs_are_ordered_and_filtered_as_a_few() -> None:
    dice = random.Random(1)
    runs = [
        b.listing(id=f"{i}-x-{i:04x}", name=f"run {i}", smooth=dice.random(), created_at=b.NOW - i)
        for i in range(3000)
    ]
    made = board(*runs, sort=SORTS[2])
    losses = [line.listing.smooth or 0 for line in made.lines() if isinstance(line, Entry)]
    assert losses == sorted(losses)
    made.type("run name:299")
    assert made.found == sum("299" in one.name for one in runs)
