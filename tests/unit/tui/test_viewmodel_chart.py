"""The chart over resumes: one line, a mark where an attempt began, and words for what was replaced."""

from __future__ import annotations

from dataclasses import replace

from runner.model import AttemptStatus, RunSnapshot
from tests import builders as b
from tests import stories as s
from tui.kit.chart import ALL, draw_chart, range_of
from tui.kit.paint import plain
from tui.kit.scale import sticky_range
from tui.words.loss import Look, chart_model, loss_chart, replaced_steps


def attempts(*spans: tuple[int | None, int | None]) -> tuple[AttemptStatus, ...]:
    return tuple(
        AttemptStatus(number, b.NOW, first, last)
        for number, (first, last) in enumerate(spans, start=1)
    )


def axis(snapshot: RunSnapshot, width: int = 76) -> str:
    chart = loss_chart(chart_model(snapshot), Look())
    plot = draw_chart(chart, width, 12, sticky_range(None, range_of(chart, ALL)))
    assert plot is not None
    return plain(plot.rows[-2])


def test_replaced_steps_are_those_that_a_later_attempt_trained_again() -> None:
    assert replaced_steps(attempts((1, 412), (401, 520))) == ((401, 412),)
    assert replaced_steps(attempts((1, 400), (401, 520))) == ()
    assert replaced_steps(attempts((1, 412), (None, None), (231, 600))) == ((231, 412),)
    assert replaced_steps(attempts((1, 412), (401, 405), (401, 405), (401, 500))) == (
        (401, 412), (401, 405), (401, 405),
    )  # fmt: skip
    assert replaced_steps(()) == ()


def test_an_attempt_is_a_mark_on_the_axis_with_its_number() -> None:
    assert "attempt 2┼" in axis(s.resumed()) and "┼attempt 2" in axis(s.resumed(), 200)
    assert "┼" not in axis(b.snapshot(412))


def test_a_mark_too_near_to_the_next_epoch_stands_without_words() -> None:
    shown = s.resumed()
    assert shown.status is not None
    late = replace(shown.status, attempts=attempts((1, 470), (455, 520)))
    text = axis(replace(shown, status=late), 40)
    assert "┼" in text and "attempt" not in text


def test_replaced_steps_are_told_in_words_that_get_fewer_with_the_room() -> None:
    assert chart_model(s.resumed()).attempts == (
        "attempt 2 from 401, 401-412 trained again",
        "401-412 trained again",
    )
    assert chart_model(b.snapshot(412)).attempts == ()


def test_the_axis_stays_the_whole_run_over_a_resume() -> None:
    before, after = chart_model(b.snapshot(412)), chart_model(s.resumed())
    assert before.end_step == after.end_step == 920
    assert [bucket.first_step for bucket in after.buckets] == list(range(1, 521))


def test_files_that_are_gone_have_no_mark() -> None:
    files = (b.checkpoint(200, missing=True), b.checkpoint(400))
    shown = b.snapshot(412, status_changes={"checkpoints": files})
    assert chart_model(shown).written == (400,)
