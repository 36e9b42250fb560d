"""The loss chart as text: marks, gaps, ranges, and a cost that does not grow."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from runner.model import LossBucket, LossSeries
from tests import builders as b
from tests.speed import cpu_ratio
from tui.kit.chart import fold_columns, fold_line
from tui.kit.paint import Row, plain, row_width
from tui.kit.scale import Range, data_range, sticky_range, ticks
from tui.panels.loss import ASCII, DOTS, FILL, draw_loss, step_x
from tui.words.loss import ChartModel, chart_model


def drawn(model: ChartModel, width: int = 76, height: int = 12, style: str = FILL) -> list[Row]:
    scale = sticky_range(None, data_range(model.buckets))
    return list(draw_loss(model, width, height, scale, style).rows)


def model(values: list[float], total: int = 920, **changes: object) -> ChartModel:
    return ChartModel(
        buckets=b.series(values).buckets, end_step=total, last_step=len(values), **changes
    )


@pytest.mark.parametrize("style", [FILL, DOTS, ASCII])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.1],
        [0.1] * 50,
        [math.nan] * 20,
        [math.nan, *b.losses(100)],
        [math.inf, 0.1, -math.inf],
        [1e308, 1e-308] * 20,
        [-0.5, -0.2, -0.4],
        [0.0] * 30,
        b.losses(920),
    ],
    ids=["none", "one", "constant", "nan", "nan first", "inf", "1e308", "negative", "zero", "full"],
)
@pytest.mark.parametrize("size", [(76, 12), (20, 3), (160, 40), (33, 7)])
def test_every_series_draws_rows_of_the_asked_size(
    values: list[float], style: str, size: tuple[int, int]
) -> None:
    rows = drawn(model(values), *size, style)
    assert len(rows) == size[1]
    assert all(row_width(row) <= size[0] for row in rows)


@pytest.mark.parametrize("size", [(76, 12), (33, 7)])
def test_ascii_holds_only_ascii_in_its_body(size: tuple[int, int]) -> None:
    rows = drawn(model(b.losses(300)), *size, ASCII)
    body = "".join(plain(row)[10:] for row in rows[:-2])
    assert body.isascii()
    assert "*" in body and ":" in body


def test_the_x_axis_spans_the_whole_run() -> None:
    half = drawn(model(b.losses(460)))
    columns = [x for row in half[:-2] for x, c in enumerate(plain(row)) if 0x2800 < ord(c) < 0x2900]
    assert 30 < max(columns) < 45


def test_a_falling_loss_is_drawn_falling() -> None:
    rows = drawn(model([0.2 - 0.0001 * i for i in range(920)]))
    heights = {}
    for y, row in enumerate(rows[:-2]):
        for x, c in enumerate(plain(row)):
            if 0x2800 < ord(c) < 0x2900:
                heights.setdefault(x, y)
    ordered = [heights[x] for x in sorted(heights)]
    assert ordered == sorted(ordered) and ordered[-1] > ordered[0]


def test_a_non_finite_stretch_is_a_marked_gap() -> None:
    values = b.losses(600)
    values[300:400] = [math.nan] * 100
    rows = drawn(model(values))
    foot = plain(rows[-3])
    marked = [x for x, c in enumerate(foot) if c == "×"]
    assert len(marked) >= 7 and marked == list(range(marked[0], marked[-1] + 1))
    for row in rows[:-2]:  # the last marked column holds finite steps as well
        assert not any(0x2800 < ord(plain(row)[x]) < 0x2900 for x in marked[:-1])
    assert sum(plain(row)[marked[0]] == "╎" for row in rows) == len(rows) - 3


def test_one_spike_does_not_flatten_the_rest() -> None:
    calm = data_range(model(b.losses(400)).buckets)
    spiked = data_range(model(b.losses(400, spike_at=200)).buckets)
    assert calm is not None and spiked is not None
    assert spiked.high < 2 * calm.high
    assert "▴" in plain(drawn(model(b.losses(400, spike_at=200)))[0])


def test_a_high_start_does_not_flatten_the_rest() -> None:
    values = [4.0, 3.0, 2.0, 1.5] + [0.3 + 0.1 * (i % 7) / 7 for i in range(900)]
    found = data_range(model(values).buckets)
    assert found is not None and found.high < 1.0


def test_where_the_loss_stands_now_is_always_in_the_range() -> None:
    values = [0.1] * 900 + [5.0] * 20
    series = b.series(values)
    found = data_range(series.buckets)
    assert found is not None and series.smooth is not None
    assert found.low <= series.smooth <= found.high


def test_epochs_and_checkpoints_stand_at_their_steps() -> None:
    made = model(
        b.losses(412), epoch_steps=(230, 460, 690, 920), written=(200, 400), expected=(600,)
    )
    rows = drawn(made, 107, 12)
    axis, marks = plain(rows[-2]), plain(rows[-1])
    left = axis.index("└") + 1
    room = 107 - left
    for step in (230, 460, 690, 920):
        assert axis[left + step_x(step, made, room)] == "┴"
    assert axis[left + step_x(230, made, room) - 2 :][:2] == "e1"
    for step, sign in ((200, "◆"), (400, "◆"), (600, "◇")):
        at = left + step_x(step, made, room)
        assert marks[at] == sign
        assert marks[at + 1 : at + 4] == str(step)


def test_labels_of_crowded_marks_are_left_out_not_overprinted() -> None:
    made = model(b.losses(100), written=tuple(range(10, 921, 10)))
    marks = plain(drawn(made)[-1])
    assert set(marks.strip()) <= set("◆0123456789 ")
    assert marks.count("◆") > 30


def test_marks_are_coloured_like_the_line_above_them() -> None:
    made = model(b.losses(920), written=(460,))
    mark = next(span for span in drawn(made)[-1] if span.text.startswith("◆"))
    assert mark.role in {"ramp-11", "ramp-12"}


def test_the_range_keeps_still_until_the_data_leaves_it() -> None:
    first = sticky_range(None, Range(0.1, 0.2))
    assert sticky_range(first, Range(0.1, 0.19)) is first
    assert sticky_range(first, Range(0.1, 0.3)) != first
    assert sticky_range(first, Range(0.19, 0.2)) != first
    assert sticky_range(first, None) is first


def test_ticks_are_round_rising_and_apart() -> None:
    for rows in (3, 9, 20, 40):
        for scale in (Range(0.05, 0.27), Range(0.0, 1.0), Range(120.0, 4000.0), Range(1e-7, 3e-7)):
            found = ticks(scale, rows)
            assert found, (rows, scale)
            places = [row for row, _ in found]
            assert all(after - before >= 2 for before, after in pairwise(places))
            values = [float(label) for _, label in found]
            assert values == sorted(values, reverse=True)


def test_columns_hold_the_extremes_of_their_steps() -> None:
    values = [0.1] * 1000
    values[499] = 0.9
    columns = fold_columns(b.series(values).buckets, 1000, 50)
    assert [c.high for c in columns].index(0.9) == 24
    assert {c.low for c in columns} == {0.1}


def test_few_steps_fill_their_share_of_the_axis() -> None:
    columns = fold_columns(b.series([0.1, 0.2]).buckets, 4, 40)
    assert [c.high for c in columns[:10]] == [0.1] * 10
    assert [c.high for c in columns[10:20]] == [0.2] * 10
    assert all(c.high is None for c in columns[20:])


def test_the_line_breaks_where_nothing_is_finite() -> None:
    values = [0.1, 0.1, math.nan, math.nan, 0.1]
    points = fold_line(b.series(values).buckets, 5, 10)
    assert points.count(None) == 1
    assert len([p for p in points if p]) == 3


def test_drawing_a_million_steps_costs_what_their_buckets_cost() -> None:
    buckets = tuple(
        LossBucket(i * 500 + 1, i * 500 + 500, 0.05, 0.2, 0.1, 0.1, 500, 0) for i in range(2048)
    )
    made = ChartModel(buckets=buckets, end_step=1_024_000, last_step=1_024_000)
    scale = sticky_range(None, data_range(buckets))
    assert (
        min(cpu_ratio(lambda: draw_loss(made, 118, 30, scale)) for _ in range(5)) < 12
    )  # usually 2


def test_a_run_of_unknown_length_gets_an_axis_that_rarely_moves() -> None:
    ends = set()
    for step in range(10, 1000, 7):
        snapshot = b.snapshot(
            step,
            spec=b.spec(forecast=None),
            status_changes={"total_steps": None},
            loss=LossSeries(buckets=(), last_step=step, rows=step),
        )
        ends.add(chart_model(snapshot).end_step)
    assert ends == {10, 20, 50, 100, 200, 500, 1000}


def test_expected_marks_vanish_when_written() -> None:
    made = chart_model(b.snapshot(412))
    assert made.written == (200, 400)
    assert made.expected == (600, 800, 920)
    done = b.snapshot(412)
    assert done.status is not None
    more = replace(done.status, checkpoints=(*done.status.checkpoints, b.checkpoint(600)))
    assert chart_model(replace(done, status=more)).expected == (800, 920)
