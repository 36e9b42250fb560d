"""A step that is pointed at, on a finished loss chart: moving it does not draw the chart again."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.loss import Plot, step_x
from tui.render.paint import Row, Span, pad, plain, slice_row
from tui.viewmodel.chart import ChartModel

#: cells that the axis takes beside the labels
_AXIS = 1
#: what the cursor's line is drawn over: nothing, the band, and epochs' ticks; never the curve itself
_UNDER = (glyphs.AXIS, glyphs.AXIS_FUTURE, glyphs.AXIS_TICK)


def with_cursor(plot: Plot, model: ChartModel, width: int, step: int | None) -> tuple[Row, ...]:
    """The rows of `plot`, `width` cells wide, with a line at a true step; None: as they are."""
    room = width - plot.left - _AXIS
    if step is None or not plot.rows or room < 1:
        return plot.rows
    # where the axis begins is no step's column: the start is drawn in the first one
    x = plot.left + _AXIS + step_x(min(step, model.end_step), model, room)
    return tuple(_marked(row, x, width) for row in plot.rows)


def _marked(row: Row, x: int, width: int) -> Row:
    whole = pad(row, width)
    here = slice_row(whole, x, x + 1)
    role = here[0].role if here else "text"
    text = plain(here)
    if role.startswith("ramp-"):
        # the curve stays; where it is crossed, it is lit
        lit: Row = (Span(text, "strong"),)
    elif text in (" ", ":") or role in ("band", "on-band", "ground-on-band", "band-edge"):
        lit = (Span(glyphs.CURSOR_LINE, "accent"),)
    elif text in _UNDER and role in ("faint", "dim"):
        lit = (Span(glyphs.AXIS_RESUME, "accent"),)
    else:
        return row
    return (*slice_row(whole, 0, x), *lit, *slice_row(whole, x + 1, width))
