"""The loss chart as rows: a quiet band for the raw losses, the smoothed line in the plasma ramp over it,
epochs and checkpoints under the axis.

Three ways to draw the same grid: `fill` (the band is a tinted ground, its edges eighth blocks), `dots`
(the band in dim braille, for terminals with few colours) and `ascii`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from runner.model.lean import dataclass
from tui.render import glyphs
from tui.render.braille import DOTS_ACROSS, DOTS_DOWN, Canvas, polyline
from tui.render.envelope import Column, fold_columns, fold_line
from tui.render.paint import Row, Span, append, ramp_role
from tui.render.scale import Range, ticks
from tui.viewmodel.chart import ChartModel

FILL, DOTS, ASCII = "fill", "dots", "ascii"
#: lower eighths of a cell, empty to full
_EIGHTHS = " ▁▂▃▄▅▆▇█"


class Cell(NamedTuple):
    text: str
    role: str


BLANK = Cell(" ", "text")


@dataclass(frozen=True, slots=True)
class Plot:
    """The finished chart; `left` is the width of the labels, so that a click can be told its step."""

    rows: tuple[Row, ...]
    left: int


def draw_loss(model: ChartModel, width: int, height: int, scale: Range, style: str = FILL) -> Plot:
    """The whole panel content in `height` rows: the plot, the axis, one or two rows under it.

    Costs a fixed amount for a given size and number of buckets, whatever the length of the run.
    """
    under = 2 if height >= 8 else 1 if height >= 5 else 0
    body = height - under
    if body < 2 or width < 20:
        return Plot((), 0)
    labels = dict(ticks(scale, body)) if model.buckets else {}
    left = max((len(text) for text in labels.values()), default=4) + 1
    room = width - left - 1
    grid = _grid(model, room, body, scale, style)
    rows = [_body_row(labels.get(y, ""), left, grid[y], y in labels) for y in range(body)]
    if under:
        rows.append(_axis_row(model, left, room))
    if under > 1:
        rows.append(_marks_row(model, left, room))
    return Plot(tuple(rows), left)


def _body_row(label: str, left: int, cells: list[Cell], tick: bool) -> Row:
    spans = [
        Span(label.rjust(left - 1) + " ", "dim"),
        Span(glyphs.AXIS_SIDE_TICK if tick else glyphs.AXIS_SIDE, "faint"),
    ]
    for cell in cells:
        append(spans, cell.text, cell.role)
    return tuple(spans)


def step_x(step: float, model: ChartModel, room: int) -> int:
    """The column that a step's end lies in."""
    return max(0, min(room - 1, math.ceil(step / model.end_step * room - 1e-9) - 1))


# --------------------------------------------------------------------------- body


def _grid(model: ChartModel, room: int, body: int, scale: Range, style: str) -> list[list[Cell]]:
    columns = fold_columns(model.buckets, model.end_step, room)
    canvas = Canvas(room, body)
    _draw_line(canvas, model, scale)
    grid = [[BLANK] * room for _ in range(body)]
    for x, column in enumerate(columns):
        band = _band(column, scale, body)
        for y in range(body):
            grid[y][x] = _cell(canvas, x, y, band, room, style)
        if column.high is not None and column.high > scale.high:
            grid[0][x] = Cell(glyphs.CLIPPED, "band-edge")
        if column.nonfinite:
            first = x == 0 or not columns[x - 1].nonfinite
            _mark_nonfinite(grid, x, body, first)
    return grid


def _draw_line(canvas: Canvas, model: ChartModel, scale: Range) -> None:
    across, down = canvas.width * DOTS_ACROSS, canvas.height * DOTS_DOWN
    points: list[tuple[int, int] | None] = []
    for point in fold_line(model.buckets, model.end_step, across):
        if point is None:
            points.append(None)
            continue
        y = (scale.high - point[1]) / scale.span * down
        points.append((int(point[0]), max(0, min(down - 1, int(y)))))
    polyline(canvas, points)
    # two dots thick: a single row of dots is lost beside the band
    polyline(canvas, [p and (p[0], min(down - 1, p[1] + 1)) for p in points])


def _band(column: Column, scale: Range, body: int) -> tuple[int, int] | None:
    """The band of a column in eighths of a cell, counted from the bottom of the plot; None: no band."""
    if column.low is None or column.high is None or column.low > scale.high:
        return None
    total = body * 8
    low = math.floor((column.low - scale.low) / scale.span * total)
    high = math.ceil((column.high - scale.low) / scale.span * total)
    low, high = max(0, low), min(total, high)
    return (low, max(high, low + 1)) if low < total else (total - 1, total)


def _cell(
    canvas: Canvas, x: int, y: int, band: tuple[int, int] | None, room: int, style: str
) -> Cell:
    bottom, top = _coverage(band, canvas.height - 1 - y)
    if canvas.bits(x, y):
        role = ramp_role(x / max(1, room - 1))
        if style == ASCII:
            return Cell("*", role)
        tinted = style == FILL and top - bottom >= 4
        return Cell(canvas.character(x, y), f"{role}-band" if tinted else role)
    if top <= bottom:
        return BLANK
    if style == ASCII:
        return Cell(":", "band-edge")
    if style == DOTS:
        return Cell(_dots(bottom, top), "band-edge")
    return _filled(bottom, top)


def _coverage(band: tuple[int, int] | None, cell_row: int) -> tuple[int, int]:
    """Which eighths of a cell the band covers, from its bottom (0) to its top (8)."""
    if band is None:
        return 0, 0
    return max(0, min(8, band[0] - cell_row * 8)), max(0, min(8, band[1] - cell_row * 8))


def _filled(bottom: int, top: int) -> Cell:
    """Lower eighths are drawn as they are, upper ones as the ground's colour over the band's; what
    lies in the middle of a cell takes the nearer edge."""
    if bottom == 0:
        return Cell(" ", "on-band") if top == 8 else Cell(_EIGHTHS[top], "band")
    if top == 8:
        return Cell(_EIGHTHS[bottom], "ground-on-band")
    if bottom + top < 8:
        return Cell(_EIGHTHS[max(1, top)], "band") if bottom <= 1 else Cell("▂", "band")
    return Cell("─" if top - bottom <= 2 else "▬", "band") if bottom < 5 else Cell("▔", "band")


def _dots(bottom: int, top: int) -> str:
    bits = 0
    for row, pair in enumerate(((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))):
        low, high = 6 - 2 * row, 8 - 2 * row
        if bottom < high and top > low:
            bits |= pair[row % 2]
    return chr(0x2800 + bits)


def _mark_nonfinite(grid: list[list[Cell]], x: int, body: int, first: bool) -> None:
    """A cross at the foot of the column; where it begins, a line through the whole chart."""
    for y in range(body):
        if first:
            grid[y][x] = Cell(glyphs.NONFINITE_LINE, "bad-dim")
    grid[body - 1][x] = Cell(glyphs.NONFINITE, "bad")


# --------------------------------------------------------------------------- under the body


def _axis_row(model: ChartModel, left: int, room: int) -> Row:
    """The x axis: solid as far as trained, dotted beyond; a tick and its number at each epoch's end."""
    reached = step_x(model.last_step, model, room) if model.last_step else -1
    line = [Cell(glyphs.AXIS if x <= reached else glyphs.AXIS_FUTURE, "faint") for x in range(room)]
    taken = -2
    for number, step in enumerate(model.epoch_steps, start=1):
        x = step_x(step, model, room)
        line[x] = Cell(glyphs.AXIS_TICK, "dim")
        text = f"e{_epoch_number(model, number)}"
        if x - len(text) - 1 > taken:
            for offset, character in enumerate(text):
                line[x - len(text) + offset] = Cell(character, "dim")
            taken = x
    _mark_resumes(line, model, room)
    spans = [Span(" " * left, "dim"), Span(glyphs.AXIS_CORNER, "faint")]
    for cell in line:
        append(spans, cell.text, cell.role)
    return tuple(spans)


def _mark_resumes(line: list[Cell], model: ChartModel, room: int) -> None:
    """Where an attempt began: a tick of its own shape, with its number where there is room."""
    for attempt, step in model.resumes:
        x = step_x(step, model, room)
        line[x] = Cell(glyphs.AXIS_RESUME, "accent")
        words = (f"attempt {attempt}", f"a{attempt}")
        for text, start in ((w, at) for w in words for at in (x + 1, x - len(w))):
            place = line[start : start + len(text)] if start >= 0 else []
            if len(place) == len(text) and all(cell.role == "faint" for cell in place):
                for offset, character in enumerate(text):
                    line[start + offset] = Cell(character, "accent")
                break


def _epoch_number(model: ChartModel, position: int) -> int:
    """Ticks may be thinned; the first one tells by how much."""
    steps = model.epoch_steps
    if len(steps) < 2:
        return position
    per_tick = (steps[-1] - steps[0]) / (len(steps) - 1)
    thinned = max(1, round(steps[0] / per_tick)) if per_tick else 1
    return position * thinned


def _marks_row(model: ChartModel, left: int, room: int) -> Row:
    """Checkpoints: written ones filled, expected ones hollow, with their step where it fits."""
    cells = [BLANK] * room
    taken = -1
    marks = [(step, True) for step in model.written]
    marks += [(step, False) for step in model.expected]
    for step, written in sorted(marks):
        x = step_x(step, model, room)
        role = ramp_role(x / max(1, room - 1)) if written else "dim"
        cells[x] = Cell(glyphs.WRITTEN if written else glyphs.EXPECTED, role)
    for index, (step, written) in enumerate(sorted(marks)):
        x = step_x(step, model, room)
        text = str(step)
        after = step_x(sorted(marks)[index + 1][0], model, room) if index + 1 < len(marks) else room
        start = x + 1 if x + 1 + len(text) <= min(after, room) else x - len(text)
        if start <= taken or start < 0:
            continue
        if any(cells[start + i] is not BLANK for i in range(len(text))):
            continue
        for offset, character in enumerate(text):
            cells[start + offset] = Cell(character, "text" if written else "dim")
        taken = start + len(text)
    spans = [Span(" " * (left + 1), "dim")]
    for cell in cells:
        append(spans, cell.text, cell.role)
    return tuple(spans)
