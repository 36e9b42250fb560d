"""A step that is pointed at on the loss chart."""

from __future__ import annotations

import pytest

from tests import builders as b
from tui.kit import glyphs
from tui.kit.paint import plain, row_width
from tui.kit.scale import data_range, sticky_range
from tui.panels.loss import draw_loss, step_x, with_cursor
from tui.words.loss import chart_model

MODEL = chart_model(b.snapshot(412))
SCALE = sticky_range(None, data_range(MODEL.buckets))


def test_without_a_step_the_rows_are_the_same() -> None:
    plot = draw_loss(MODEL, 70, 14, SCALE)
    assert with_cursor(plot, MODEL, 70, None) is plot.rows


@pytest.mark.parametrize("step", [0, 1, 200, 412, 900, 920, 5000])
@pytest.mark.parametrize("size", [(70, 14), (36, 9), (20, 4)])
def test_one_column_is_marked_and_nothing_moves(step: int, size: tuple[int, int]) -> None:
    width, height = size
    plot = draw_loss(MODEL, width, height, SCALE)
    rows = with_cursor(plot, MODEL, width, step)
    x = plot.left + 1 + step_x(min(step, MODEL.end_step), MODEL, width - plot.left - 1)
    marked = 0
    for before, after in zip(plot.rows, rows, strict=True):
        old, new = plain(before).ljust(width), plain(after)
        assert row_width(after) == width
        assert (old[:x], old[x + 1 :]) == (new[:x], new[x + 1 :])
        marked += new[x] in (glyphs.CURSOR_LINE, glyphs.AXIS_RESUME)
    assert marked >= 1


def test_the_curve_shines_through() -> None:
    plot = draw_loss(MODEL, 70, 14, SCALE)
    rows = with_cursor(plot, MODEL, 70, 200)
    assert any(span.role == "strong" for row in rows for span in row)
