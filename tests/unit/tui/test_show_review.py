"""What `show` adds: points, epochs, the loss, fitted to a terminal."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from runner.model import RunState
from tests import reviews
from tests.hostile import HOSTILE
from tui.cli import show_review


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 60 columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")


HEADS = ["checkpoint", "step", "val", ""]
ROWS = [
    ["spyke_plasma_v1-step00000200.safetensors" * 2, "200", "", "x" * 20],
    ["short", "920", "", ""],
]


def test_names_keep_their_ends_where_there_is_little_room(narrow: None) -> None:
    heads, first, second = show_review.table(HEADS, ROWS)
    assert heads.split() == ["checkpoint", "step"]
    name = first.split()[0]
    assert name.startswith("…") and name.endswith("00200.safetensors")
    assert len(name) == 31 and len(first) <= 59 and second.split() == ["short", "920"]


def test_a_pipe_gets_whole_names() -> None:
    assert show_review.table(HEADS, ROWS)[1].split()[0] == ROWS[0][0]


def test_points_are_wrapped_on_a_terminal_and_one_line_each_in_a_pipe(narrow: None) -> None:
    lines = list(show_review.point_lines(reviews.good()))
    assert max(map(len, lines)) <= 60 and len(lines) > 10


def test_points_in_a_pipe_are_a_line_each() -> None:
    assert len(list(show_review.point_lines(reviews.good()))) == 10


def test_a_live_run_shows_only_the_points_that_are_decided() -> None:
    ended = reviews.good()
    live = replace(ended, snapshot=replace(ended.snapshot, state=RunState.RUNNING))
    lines = list(show_review.point_lines(live))
    assert lines and not any(line.startswith("  - ") for line in lines)


@pytest.mark.parametrize("foreign", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_is_clean(foreign: str) -> None:
    assert all(line.isprintable() for line in show_review.point_lines(reviews.hostile(foreign)))


def test_many_epochs_are_thinned() -> None:
    review = reviews.good()
    rows = tuple(replace(review.epochs[0], epoch=n) for n in range(1, 101))
    heads, cells = show_review.epoch_cells(replace(review, epochs=rows))
    assert (
        len(cells) == 25 and cells[-1][0] == "100" and all(len(row) == len(heads) for row in cells)
    )


def test_the_drawing_fits_and_can_do_without_unicode(
    narrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert max(map(len, show_review.plot_text(reviews.good()).split("\n"))) <= 59
    monkeypatch.setenv("TERM", "linux")
    assert show_review.plot_text(reviews.good()).isascii()
    assert show_review.plot_text(replace(reviews.good(), curve=())) == ""
