"""The loss: line, envelope, axis with epochs and checkpoints, the step under the cursor."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from textual.reactive import reactive

from runner.model.lean import dataclass
from runner.model.units import loss
from tui.kit import glyphs
from tui.kit.chart import DOTS_ACROSS, DOTS_DOWN, Canvas, Column, fold_columns, fold_line, polyline
from tui.kit.paint import Row, Span, append, pad, plain, ramp_role, slice_row
from tui.kit.panel import Panel
from tui.kit.scale import Range, data_range, sticky_range, ticks
from tui.words.loss import ChartModel, loss_at

# ---------------------------------------------------------------------------
# A step of the loss chart that is pointed at: where the next one is, and what is said of it. Pure.


def next_step(model: ChartModel, step: int | None, by: int, room: int) -> int:
    """`by` columns of `room` further, among the steps that were trained; from nowhere: the newest."""
    newest = max(1, model.last_step)
    if step is None:
        return newest
    per_column = max(1.0, model.end_step / max(1, room))
    return max(1, min(newest, round(step + by * per_column)))


def pointed_words(model: ChartModel, step: int) -> tuple[str, ...]:
    """From the most words to the fewest."""
    said = f"step {step}"
    epoch = _epoch_of(model, step)
    if epoch is not None:
        said += f", epoch {epoch}"
    value = loss_at(model.buckets, step)
    if value is not None:
        said += f", loss {loss(value)}"
    nearest = min(model.written, key=lambda written: abs(written - step), default=None)
    short = f"{step}: {loss(value)}" if value is not None else f"step {step}"
    if nearest is None:
        return said, short
    return f"{said}, nearest checkpoint {nearest}", said, short


def _epoch_of(model: ChartModel, step: int) -> int | None:
    """Only where every epoch has its tick: in a long run the ticks are thinned."""
    if len(model.epoch_steps) < 2:
        return None
    per_epoch = model.epoch_steps[1] - model.epoch_steps[0]
    if abs(model.epoch_steps[0] - per_epoch) > 1:
        return None
    return bisect_left(model.epoch_steps, step) + 1


# ---------------------------------------------------------------------------
# The loss chart as rows: a quiet band for the raw losses, the smoothed line in the plasma ramp over it,
# epochs and checkpoints under the axis.
#
# Three ways to draw the same grid: `fill` (the band is a tinted ground, its edges eighth blocks), `dots`
# (the band in dim braille, for terminals with few colours) and `ascii`.

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


# ---------------------------------------------------------------------------
# A step that is pointed at, on a finished loss chart: moving it does not draw the chart again.

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


# ---------------------------------------------------------------------------
# The loss of the whole run.


class LossChart(Panel):
    """`cursor`: a true step that is pointed at, None: none is; `pointed`: what is said of it, from the
    most words to the fewest, instead of where the losses come from."""

    TITLE = "Loss"

    model: reactive[ChartModel] = reactive(ChartModel(), layout=False, repaint=False)
    cursor: reactive[int | None] = reactive(None, layout=False, repaint=False)
    pointed: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._scale: Range | None = None
        self._drawn: dict[tuple[object, ...], Plot] = {}

    def watch_model(self) -> None:
        self._drawn.clear()
        self.repaint()

    def watch_cursor(self) -> None:
        self.repaint()

    def watch_pointed(self) -> None:
        self.repaint()

    def forget(self) -> None:
        """Another run: its y range is its own."""
        self._scale = None
        self.point(None)

    def point(self, step: int | None, words: tuple[str, ...] = ()) -> None:
        """Point at a true step; None: at nothing."""
        self.cursor, self.pointed = step, words

    @property
    def plot_width(self) -> int:
        """Columns that the steps are drawn in."""
        left = max((plot.left for plot in self._drawn.values()), default=5)
        return max(1, self.content_size.width - left - 1)

    def title_value(self) -> Row:
        return (Span(self.model.value, "strong"),) if self.model.value else ()

    def note(self) -> Row:
        if self.model.read_fraction < 1:
            return (Span(f"reading, {self.model.read_fraction * 100:.0f} %", "accent"),)
        model = self.model
        room = self.content_size.width - len(self.TITLE) - len(model.value) - 12
        if self.cursor is not None and self.pointed:
            said = next((text for text in self.pointed if len(text) <= room), "")
            return (Span(said, "accent"),) if said else ()
        source = f", {model.source}" if model.source else ""
        wanted = [*(told + source for told in model.told[:1]), *model.told, model.source]
        said = next((text for text in wanted if 0 < len(text) <= room), "")
        return (Span(said, "dim"),) if said else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        wanted = data_range(self.model.buckets)
        if self.model.buckets:
            self._scale = sticky_range(self._scale, wanted)
        scale = self._scale or Range(0.0, 1.0)
        style = ASCII if self.plasma.ascii else FILL if self.plasma.looks.can_tint else DOTS
        # drawing takes longer than all else that a key asks for (9 ms at 120x40), and the drawer and
        # the focus come back to the same sizes
        key = (width, height, scale, style)
        if key not in self._drawn:
            self._drawn[key] = draw_loss(self.model, width, height, scale, style)
        rows = with_cursor(self._drawn[key], self.model, width, self.cursor)
        if self.model.buckets:
            return rows
        empty: Row = (Span(" no loss yet", "dim"),)
        if self.model.end_step <= 1 or len(rows) < 3:
            return (empty,)
        middle = len(rows) // 2 - 1
        said: Row = (*rows[middle][:2], *empty)
        return (*rows[:middle], said, *rows[middle + 1 :])
