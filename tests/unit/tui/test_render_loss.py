"""The loss chart as text: marks, gaps, ranges, and a cost that does not grow."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from runner.model import LossBucket, LossSeries
from tests import builders as b
from tests.speed import cpu_ratio
from tui.kit import glyphs
from tui.kit.chart import (
    ALL,
    ASCII,
    DOTS,
    FILL,
    Bin,
    Chart,
    Curve,
    Plot,
    View,
    draw_chart,
    fold_columns,
    range_of,
    with_cursor,
)
from tui.kit.paint import Row, plain, row_width
from tui.kit.scale import Range, Window, aligned, sticky_range, ticks
from tui.words.loss import ChartModel, Look, chart_model, loss_chart, smoothed


def plotted(
    chart: Chart, width: int = 76, height: int = 12, style: str = FILL, view: View = ALL
) -> Plot:
    scale = sticky_range(None, range_of(chart, view))
    plot = draw_chart(chart, width, height, scale, view, style)
    assert plot is not None
    return plot


def drawn(
    model: ChartModel, width: int = 76, height: int = 12, style: str = FILL, **look: object
) -> list[Row]:
    made = Look(**look)  # type: ignore[arg-type]
    return list(plotted(loss_chart(model, made), width, height, style, made.view).rows)


def loss_range(values: list[float]) -> Range:
    found = range_of(loss_chart(model(values), Look()), ALL)
    assert found is not None
    return found


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
    foot = plain(rows[-2])
    marked = [x for x, c in enumerate(foot) if c == "×"]
    assert len(marked) >= 7 and marked == list(range(marked[0], marked[-1] + 1))
    for row in rows[:-1]:  # the last marked column holds finite steps as well
        assert not any(0x2800 < ord(plain(row)[x]) < 0x2900 for x in marked[:-1])
    assert sum(plain(row)[marked[0]] == "╎" for row in rows) == len(rows) - 2


def test_one_spike_does_not_flatten_the_rest() -> None:
    assert loss_range(b.losses(400, spike_at=200)).high < 2 * loss_range(b.losses(400)).high
    assert "▴0.9" in plain(drawn(model(b.losses(400, spike_at=200)))[0])


def test_a_high_start_does_not_flatten_the_rest() -> None:
    values = [4.0, 3.0, 2.0, 1.5] + [0.3 + 0.1 * (i % 7) / 7 for i in range(900)]
    assert loss_range(values).high < 1.0
    assert "▴" in plain(drawn(model(values))[0])


def test_where_the_loss_stands_now_is_always_in_the_range() -> None:
    values = [0.1] * 900 + [5.0] * 20
    found, smooth = loss_range(values), b.series(values).smooth
    assert smooth is not None and found.low <= smooth <= found.high


def test_epochs_and_checkpoints_stand_at_their_steps() -> None:
    made = model(
        b.losses(412),
        epochs=((1, 230), (2, 460), (3, 690), (4, 920)),
        written=(200, 400),
        expected=(600,),
        samples=(230, 400),
    )
    plot = plotted(loss_chart(made, Look()), 107, 12)
    axis, marks = plain(plot.rows[-2]), plain(plot.rows[-1])
    for step in (230, 460, 690, 920):
        assert axis[plot.left + plot.column_of(step)] == "┴"
    assert axis[plot.left + plot.column_of(230) - 2 :][:2] == "e1"
    assert marks[plot.left + plot.column_of(230)] == "□"
    for step, sign in ((200, "◆"), (400, "◆"), (600, "◇")):
        at = plot.left + plot.column_of(step)
        assert marks[at] == sign
        assert marks[at + 1 : at + 4] == str(step)


def test_labels_of_crowded_marks_are_left_out_not_overprinted() -> None:
    made = model(b.losses(100), written=tuple(range(10, 921, 10)))
    marks = plain(drawn(made)[-1])
    assert set(marks.strip()) <= set("◆0123456789 ")
    assert marks.count("◆") > 30


def test_the_range_keeps_still_until_the_data_leaves_it() -> None:
    first = sticky_range(None, Range(0.1, 0.2))
    assert sticky_range(first, Range(0.1, 0.19)) is first
    assert sticky_range(first, Range(0.1, 0.3)) != first
    assert sticky_range(first, Range(0.19, 0.2)) != first
    assert sticky_range(first, None) is first


@pytest.mark.parametrize("rows", [3, 7, 9, 20, 40])
@pytest.mark.parametrize(
    "data", [(0.05, 0.27), (0.45, 1.05), (0.0, 1.0), (120.0, 4000.0), (1e-4, 3e-4)]
)
def test_labels_are_evenly_apart_and_stand_at_their_values(
    data: tuple[float, float], rows: int
) -> None:
    scale, step = aligned(Range(*data), rows)
    found = ticks(scale, rows, step)
    assert scale.low <= data[0] and data[1] <= scale.high
    assert (data[1] - data[0]) / scale.span > 0.4
    assert len({after - before for before, after in pairwise(found)}) <= 1
    for row, label in found.items():
        middle = scale.high - (row + 0.5) * scale.span / rows
        assert float(label) == pytest.approx(middle, abs=scale.span / rows / 20)


def test_columns_hold_the_extremes_of_their_steps() -> None:
    values = [0.1] * 1000
    values[499] = 0.9
    columns = fold_columns(loss_chart(model(values), Look()).band, 0, 1000, 50)
    assert [c.high for c in columns].index(0.9) == 24
    assert {c.low for c in columns} == {0.1}


def test_few_steps_fill_their_share_of_the_axis() -> None:
    band = (Bin(0, 1, 0.1, 0.1), Bin(1, 2, 0.2, 0.2))
    columns = fold_columns(band, 0, 4, 40)
    assert [c.high for c in columns[:10]] == [0.1] * 10
    assert [c.high for c in columns[10:20]] == [0.2] * 10
    assert all(c.high is None for c in columns[20:])


def test_the_line_breaks_where_nothing_is_finite() -> None:
    values = [0.1, 0.1, math.nan, math.nan, 0.1]
    points = smoothed(b.series(values).buckets, 0.97)
    assert [step for step, value in points if value is None] == [3]
    assert len(points) == 4


def test_drawing_a_million_steps_costs_what_their_buckets_cost() -> None:
    buckets = tuple(
        LossBucket(i * 500 + 1, i * 500 + 500, 0.05, 0.2, 0.1, 0.1, 500, 0) for i in range(2048)
    )
    made = ChartModel(buckets=buckets, end_step=1_024_000, last_step=1_024_000)
    ratios = [cpu_ratio(lambda: plotted(loss_chart(made, Look()), 118, 30)) for _ in range(5)]
    assert min(ratios) < 12  # usually 2


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


# ----------------------------------------------------------------- the cursor


@pytest.mark.parametrize("step", [1, 200, 412, 900, 920])
@pytest.mark.parametrize("size", [(70, 14), (36, 9), (20, 4)])
def test_the_cursor_marks_one_column_and_nothing_moves(step: int, size: tuple[int, int]) -> None:
    plot = plotted(loss_chart(chart_model(b.snapshot(412)), Look()), *size)
    rows = with_cursor(plot, step, size[0])
    x, marked = plot.left + plot.column_of(step), 0
    for before, after in zip(plot.rows, rows, strict=True):
        old, new = plain(before).ljust(size[0]), plain(after)
        assert row_width(after) == size[0]
        assert (old[:x], old[x + 1 :]) == (new[:x], new[x + 1 :])
        marked += new[x] in (glyphs.CURSOR_LINE, glyphs.AXIS_RESUME)
    assert marked >= 1
    if step == 200:
        assert any(span.role == "strong" for row in rows for span in row)  # the line is lit


def test_no_cursor_and_one_out_of_sight_leave_the_rows_as_they_are() -> None:
    view = View(window=Window(100, 200))
    plot = plotted(loss_chart(chart_model(b.snapshot(412)), Look()), view=view)
    assert with_cursor(plot, None, 76) is plot.rows
    assert with_cursor(plot, 300, 76) is plot.rows


# ----------------------------------------------------------------- other looks


def test_a_zoomed_chart_shows_the_part_and_numbers_its_axis() -> None:
    made = chart_model(b.snapshot(412))
    plot = plotted(loss_chart(made, Look()), view=View(window=Window(300, 400)))
    assert (plot.low, plot.high) == (300, 400)
    axis = plain(plot.rows[-2])
    assert "320┴" in axis and "380┴" in axis and "e" not in axis
    assert "◆" in plain(plot.rows[-1]) and "600" not in plain(plot.rows[-1])
    line = [x for row in plot.rows for x, c in enumerate(plain(row)) if 0x2800 < ord(c) < 0x2900]
    assert min(line) == plot.left and max(line) == plot.left + plot.room - 1


def test_epochs_and_time_are_axes_too() -> None:
    made = chart_model(b.snapshot(412))
    epochs = loss_chart(made, Look(axis="epoch"))
    assert (epochs.end, round(epochs.newest, 2)) == (4.0, 1.79)
    seconds = loss_chart(made, Look(axis="time"))
    assert round(seconds.newest) == round(412 * 3.1) and round(seconds.end) == round(920 * 3.1)
    assert "20 min┴" in plain(plotted(seconds).rows[-2])


def test_other_strengths_of_smoothing_are_made_of_the_steps() -> None:
    buckets = b.series(b.losses(400)).buckets
    usual = smoothed(buckets, 0.97)
    again = smoothed(buckets, 0.97000001)
    assert all(abs((x or 0) - (y or 0)) < 1e-6 for (_, x), (_, y) in zip(usual, again, strict=True))
    assert [y for _, y in smoothed(buckets, 0.0)] == pytest.approx(b.losses(400))
    wiggle = [
        sum(abs((q or 0) - (p or 0)) for (_, p), (_, q) in pairwise(smoothed(buckets, s)))
        for s in (0.9, 0.97, 0.999)
    ]
    assert wiggle == sorted(wiggle, reverse=True)


def test_an_earlier_run_and_the_learning_rate_lie_behind_the_line() -> None:
    rated = tuple(replace(x, rate=1e-4) for x in b.series(b.losses(412)).buckets)
    made = replace(chart_model(b.snapshot(412)), buckets=rated)
    ghost = chart_model(b.snapshot(920))
    chart = loss_chart(made, Look(rate=True), ghost)
    assert [curve.pattern for curve in chart.curves] == ["####  ", "#   ", "#"]
    assert [curve.own_scale for curve in chart.curves] == [False, True, False]
    rows = plotted(chart, style=ASCII).rows
    text = "\n".join(map(plain, rows[:-2]))
    assert "*" in text and "." in text.split("┤", 1)[1] and "-" in text


def test_a_curve_without_points_in_sight_has_no_effect() -> None:
    chart = Chart((Curve(((1.0, 0.5), (2.0, 0.4))),), end=100.0, newest=2.0)
    plot = plotted(chart, view=View(log=True, window=Window(50, 60)))
    assert len(plot.rows) == 12
