"""Lines, envelopes, sparklines and bars as characters. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from runner.model.lean import dataclass
from tui.kit import glyphs
from tui.kit.paint import RAMP_STEPS, Row, Span, append, pad, ramp_role, slice_row
from tui.kit.scale import (
    SETTLED_AFTER_POINTS,
    STEP,
    Range,
    Window,
    aligned,
    axis_ticks,
    data_range,
    place_of,
    quantile,
    shown,
    ticks,
)

# ---------------------------------------------------------------------------
# A canvas of braille dots, two across and four down in every cell.

DOTS_ACROSS = 2
DOTS_DOWN = 4
_BASE = 0x2800
#: bit of a dot by [row][column] within its cell (Unicode braille patterns)
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Canvas:
    """`width` x `height` cells; dots count from the top left. Dots outside are left out."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells = [[0] * width for _ in range(height)]

    def dot(self, x: int, y: int) -> None:
        if 0 <= x < self.width * DOTS_ACROSS and 0 <= y < self.height * DOTS_DOWN:
            self._cells[y // DOTS_DOWN][x // DOTS_ACROSS] |= _BITS[y % DOTS_DOWN][x % DOTS_ACROSS]

    def line(self, x0: int, y0: int, x1: int, y1: int, pattern: str = "#") -> None:
        """A straight line, both ends included (Bresenham); blanks of `pattern`, repeated along x, are left
        out."""
        dx, dy = abs(x1 - x0), -abs(y1 - y0)
        sx, sy = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
        error = dx + dy
        while True:
            if pattern[x0 % len(pattern)] != " ":
                self.dot(x0, y0)
            if x0 == x1 and y0 == y1:
                return
            double = 2 * error
            if double >= dy:
                error += dy
                x0 += sx
            if double <= dx:
                error += dx
                y0 += sy

    def bits(self, column: int, row: int) -> int:
        return self._cells[row][column]

    def character(self, column: int, row: int) -> str:
        """The cell's character; a cell without dots is a space."""
        bits = self._cells[row][column]
        return chr(_BASE + bits) if bits else " "


def polyline(canvas: Canvas, points: Sequence[tuple[int, int] | None], pattern: str = "#") -> None:
    """Connect neighbouring points; None interrupts the line."""
    before: tuple[int, int] | None = None
    for point in points:
        if point is not None:
            canvas.line(*(before or point), *point, pattern)
        before = point


# ---------------------------------------------------------------------------
# A chart over an axis: lines, an envelope behind them, marks on the axis and under it.
#
# Three ways to draw it: `fill` (the envelope is a tinted ground, its edges eighth blocks), `dots` (it is dim
# braille, for terminals with few colours) and `ascii`.

FILL, DOTS, ASCII = "fill", "dots", "ascii"
#: lower eighths of a cell, empty to full
_EIGHTHS = " ▁▂▃▄▅▆▇█"
#: dots of a line along x, repeated: lines differ in shape, not in colour alone
PATTERNS = ("#", "######  ", "##  ", "#######  #  ", "#   ", "####    ", "### # # ", "#  ")
#: cells between two letters on a line
LETTER_EVERY = 26
#: marks on the axis, and in the row under it
TICK, RESUME, WRITTEN, EXPECTED, SAMPLE = "tick", "resume", "written", "expected", "sample"
_UNDER = {WRITTEN: glyphs.WRITTEN, EXPECTED: glyphs.EXPECTED, SAMPLE: glyphs.SAMPLE}
#: below this there is no room for a chart
LEAST_WIDTH, LEAST_HEIGHT = 20, 2


class Cell(NamedTuple):
    text: str
    role: str


BLANK = Cell(" ", "text")


class Bin(NamedTuple):
    """The envelope from `start` to `end`: bounds of its finite values (None: there is none)."""

    start: float
    end: float
    low: float | None
    high: float | None
    nonfinite: bool = False


class Mark(NamedTuple):
    """Words or a number, from the most to the fewest, at a place of the axis."""

    x: float
    kind: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: (x, y) by rising x; None is a gap where the value is not finite. `role`: "" for the ramp by
    height; `ink`: its ASCII character; `letter`: drawn on the line and at its end; `own_scale`: it is another
    quantity, drawn from 0 to its largest value."""

    points: tuple[tuple[float, float | None], ...]
    role: str = ""
    ink: str = "*"
    letter: str = ""
    pattern: str = "#"
    thick: bool = False
    own_scale: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """`curves`: later ones are drawn over earlier ones. The axis reaches from 0 to `end`; up to `newest` it
    is solid. `numbered`: the axis has numbers besides its marks even where all of it is shown. `least`: the
    narrowest window."""

    curves: tuple[Curve, ...] = ()
    band: tuple[Bin, ...] = ()
    marks: tuple[Mark, ...] = ()
    end: float = 1.0
    newest: float = 0.0
    unit: str = STEP
    numbered: bool = True
    least: float = 10.0
    empty: str = "no loss yet"


@dataclass(frozen=True, slots=True)
class View:
    """What a person chose to see of a chart; None: all of it."""

    log: bool = False
    window: Window | None = None


ALL = View()


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn chart: `left` cells in front of the `room` columns, which show the axis from `low` to
    `high`."""

    rows: tuple[Row, ...] = ()
    left: int = 0
    room: int = 1
    low: float = 0.0
    high: float = 1.0

    def column_of(self, x: float) -> int:
        """The column whose right end is at or after `x`; outside of 0 to `room` - 1 where it is not shown."""
        return _column(x, self.low, self.high, self.room)

    def x_of(self, column: int) -> float:
        return self.low + (column + 1) / self.room * (self.high - self.low)


def _column(x: float, low: float, high: float, places: int) -> int:
    at = math.ceil((x - low) / (high - low) * places - 1e-9) - 1
    return max(0, at) if x >= low else at


def range_of(chart: Chart, view: View) -> Range | None:
    """Of the y axis: what is shown of the lines once they have settled, and of the envelope."""
    low, high = shown(view.window, chart.end, chart.newest)
    lines = []
    for curve in chart.curves:
        if curve.own_scale:
            continue
        points = curve.points[min(SETTLED_AFTER_POINTS, len(curve.points) // 3) :]
        inside = [y for x, y in points if y is not None and low <= x <= high]
        lines.append(inside or [y for x, y in curve.points if y is not None and low <= x <= high])
    settled = chart.band[min(SETTLED_AFTER_POINTS, len(chart.band) // 3) :]
    band = [
        (one.low, one.high)
        for one in settled
        if one.low is not None and one.high is not None and one.start < high and one.end > low
    ]
    return data_range(lines, band, log=view.log)


def draw_chart(
    chart: Chart, width: int, height: int, scale: Range, view: View = ALL, style: str = FILL
) -> Plot | None:
    """At a cost that depends on the size and on the number of points, never on the length of a run. None:
    there is no room for a chart."""
    marked = any(mark.kind in _UNDER for mark in chart.marks)
    under = 0 if height < 5 else 2 if height >= 8 and marked else 1
    body = height - under
    if body < LEAST_HEIGHT or width < LEAST_WIDTH:
        return None
    step = None
    if not view.log:
        scale, step = aligned(scale, body)
    labels = ticks(scale, body, step) if any(one.points for one in chart.curves) else {}
    left = max((len(text) for text in labels.values()), default=4) + 2
    drawing = _Drawing(chart, view, scale, style, width - left, body)
    rows = []
    for y, cells in enumerate(drawing.cells()):
        side = glyphs.AXIS_SIDE_TICK if y in labels else glyphs.AXIS_SIDE
        rows.append(_row(labels.get(y, "").rjust(left - 2) + " ", side, cells))
    if under:
        rows.append(_row(" " * (left - 1), glyphs.AXIS_CORNER, drawing.axis()))
    if under > 1:
        rows.append(_row(" " * (left - 1), " ", drawing.marks()))
    return Plot(tuple(rows), left, drawing.room, drawing.low, drawing.high)


def _row(label: str, side: str, cells: list[Cell]) -> Row:
    spans = [Span(label, "dim"), Span(side, "faint")]
    for cell in cells:
        append(spans, cell.text, cell.role)
    return tuple(spans)


class _Drawing:
    """One chart on its way to cells."""

    def __init__(
        self, chart: Chart, view: View, scale: Range, style: str, room: int, body: int
    ) -> None:
        self.chart, self.log, self.scale, self.style = chart, view.log, scale, style
        self.room, self.body = room, body
        self.zoomed = view.window is not None
        self.low, self.high = shown(view.window, chart.end, chart.newest)
        self.grid = [[BLANK] * room for _ in range(body)]

    def column(self, x: float) -> int:
        return _column(x, self.low, self.high, self.room)

    def inside(self, x: float) -> bool:
        return self.low <= x <= self.high and (x > self.low or x == 0)

    def height_role(self, y: int) -> str:
        """The upper part of the ramp: its dark end is lost on the envelope."""
        return ramp_role(1 - 0.6 * min(1, y / max(1, self.body - 1)))

    # --------------------------------------------------------------- body

    def cells(self) -> list[list[Cell]]:
        columns = fold_columns(self.chart.band, self.low, self.high, self.room)
        bands = [self._eighths(column) for column in columns]
        for x, band in enumerate(bands):
            if band is not None:
                for y in range(self.body - -(-band[1] // 8), self.body - band[0] // 8):
                    self.grid[y][x] = _band_cell(*_coverage(band, self.body - 1 - y), self.style)
        for curve in self.chart.curves:
            self._draw(curve, bands)
        self._letters()
        self._crop_marks(columns)
        for x, column in enumerate(columns):
            if column.nonfinite:
                self._mark_nonfinite(x, begins=x == 0 or not columns[x - 1].nonfinite)
        return self.grid

    def _eighths(self, column: Bin) -> tuple[int, int] | None:
        """The envelope of a column in eighths of a cell, from the bottom; None: nothing of it is in sight."""
        if column.low is None or column.high is None:
            return None
        total = self.body * 8
        top = place_of(column.high, self.scale, total, self.log)
        bottom = place_of(column.low, self.scale, total, self.log)
        if top is None or top >= total or (bottom is not None and bottom < 0):
            return None
        low = 0 if bottom is None else max(0, total - 1 - bottom)
        return low, max(low + 1, min(total, total - top))

    def _draw(self, curve: Curve, bands: Sequence[tuple[int, int] | None]) -> None:
        canvas = Canvas(self.room, self.body)
        path = self._path(curve)
        polyline(canvas, path, curve.pattern)
        if curve.thick and self.body >= 6 * len([one for one in self.chart.curves if one.letter]):
            # a single row of dots is lost beside the envelope; many thick lines are a stain
            bottom = self.body * DOTS_DOWN - 1
            below = [p and (p[0], p[1] + (p[1] < bottom)) for p in path]
            polyline(canvas, below, curve.pattern)
        for y, row in enumerate(self.grid):
            for x in range(self.room):
                if not canvas.bits(x, y):
                    continue
                role = curve.role or self.height_role(y)
                if self.style == ASCII:
                    row[x] = Cell(curve.ink, role)
                    continue
                bottom, top = _coverage(bands[x], self.body - 1 - y)
                tinted = self.style == FILL and top - bottom >= 4
                text = _joined(row[x], canvas.character(x, y))
                row[x] = Cell(text, f"{role}-band" if tinted else role)

    def _path(self, curve: Curve) -> list[tuple[int, int] | None]:
        """In dots; the last point of each column of dots, and the neighbours of what is shown."""
        across, down = self.room * DOTS_ACROSS, self.body * DOTS_DOWN
        scale, log = self.scale, self.log
        if curve.own_scale:
            largest = max((y for _, y in curve.points if y is not None), default=0.0)
            scale, log = Range(0.0, largest * 1.05 or 1.0), False
        per = across / (self.high - self.low)
        kept: list[tuple[int, float | None]] = []
        for x, value in _in_sight(curve.points, self.low, self.high):
            column = math.ceil((x - self.low) * per - 1e-9) - 1
            if kept and kept[-1][0] == column and (kept[-1][1] is None) == (value is None):
                kept[-1] = column, value
            else:
                kept.append((column, value))
        found: list[tuple[int, int] | None] = []
        for column, value in kept:
            y = place_of(value, scale, down, log) if value is not None else None
            # what is far outside leaves the chart there, instead of running along its edge
            x = max(-across, min(2 * across, column))
            found.append(None if y is None else (x, max(-2 * down, min(3 * down, y))))
        return found

    def _mark_nonfinite(self, x: int, *, begins: bool) -> None:
        """A cross at the foot of the column; where it begins, a line through the chart."""
        if begins:
            for row in self.grid:
                row[x] = Cell(glyphs.NONFINITE_LINE, "bad-dim")
        self.grid[-1][x] = Cell(glyphs.NONFINITE, "bad")

    def _crop_marks(self, columns: Sequence[Bin]) -> None:
        """Where a line leaves the chart, and where a value is far above it, with how far."""
        bottom, top = (10**y if self.log else y for y in self.scale)
        peaks: dict[int, float] = {}
        highs = [column.high for column in columns if column.high is not None]
        outlier = max(top, 1.5 * quantile(sorted(highs), 0.9)) if highs else top
        for at, column in enumerate(columns):
            if column.high is not None and column.high > outlier:
                self.grid[0][at] = Cell(glyphs.CLIPPED, "band-edge")
                peaks[at] = column.high
        for curve in self.chart.curves:
            if curve.own_scale or not (curve.letter or curve is self.chart.curves[-1]):
                continue
            for x, value in curve.points:
                if value is None or bottom <= value <= top or not self.inside(x):
                    continue
                at, y = self.column(x), 0 if value > top else self.body - 1
                sign = glyphs.CLIPPED if value > top else glyphs.CLIPPED_LOW
                self.grid[y][at] = Cell(sign, curve.role or self.height_role(y))
                if value > top:
                    peaks[at] = max(value, peaks.get(at, value))
        for start in (at for at in peaks if at - 1 not in peaks):  # the largest of each stretch
            stop = next(at for at in range(start, self.room + 1) if at not in peaks)
            text = f"{max(peaks[at] for at in range(start, stop)):.3g}"
            any(self.put(self.grid[0], at, text, "dim") for at in range(stop, stop + 4))

    def _letters(self) -> None:
        """At the ends of the lines first, where they are worth most; then here and there."""
        curves = [one for one in self.chart.curves if one.letter]
        taken: set[tuple[int, int]] = set()
        for curve in curves:
            seen = [(x, y) for x, y in curve.points if y is not None and self.inside(x)]
            row = place_of(seen[-1][1], self.scale, self.body, self.log) if seen else None
            if row is None:
                continue
            column = min(self.room - 1, self.column(seen[-1][0]) + 1)
            wanted = max(0, min(self.body - 1, row))
            free = [y for y in range(self.body) if (column, y) not in taken] or [wanted]
            row = min(free, key=lambda y: abs(y - wanted))
            taken.add((column, row))
            self.grid[row][column] = Cell(curve.letter, curve.role)
        for index, curve in enumerate(curves):
            self._gap_marks(curve)
            shift = LETTER_EVERY * (index + 1) // (len(curves) + 1)
            for column in range(shift, self.room - LETTER_EVERY // 3, LETTER_EVERY):
                x = self.low + (column + 1) / self.room * (self.high - self.low)
                value = value_at(curve.points, x)
                row = None if value is None else place_of(value, self.scale, self.body, self.log)
                if row is not None and 0 <= row < self.body and (column, row) not in taken:
                    taken.add((column, row))
                    self.grid[row][column] = Cell(curve.letter, curve.role)

    def _gap_marks(self, curve: Curve) -> None:
        """A cross at the foot where a loss was not finite, with the line's letter before it."""
        foot, before = self.grid[-1], True
        for x, value in curve.points:
            if value is None and before and self.inside(x):
                column = self.column(x)
                foot[column] = Cell(glyphs.NONFINITE, "bad")
                if column and foot[column - 1].text == " ":
                    foot[column - 1] = Cell(curve.letter, curve.role)
            before = value is not None

    # --------------------------------------------------------------- under the body

    def put(self, cells: list[Cell], start: int, text: str, role: str) -> bool:
        """Write where there is nothing yet but blanks or the axis itself."""
        place = cells[start : start + len(text)] if start >= 0 else []
        if len(place) < len(text) or any(one.text not in _EMPTY_CELLS for one in place):
            return False
        cells[start : start + len(text)] = [Cell(character, role) for character in text]
        return True

    def axis(self) -> list[Cell]:
        """Solid as far as trained, dotted beyond; ticks of epochs and attempts, then numbers where there is
        room."""
        done = (
            min(self.column(self.chart.newest), self.room - 1)
            if self.chart.newest > self.low
            else -1
        )
        cells = [Cell(glyphs.AXIS, "faint")] * (done + 1)
        cells += [Cell(glyphs.AXIS_FUTURE, "faint")] * (self.room - len(cells))
        seen = [mark for mark in self.chart.marks if self.inside(mark.x)]
        epochs = [mark for mark in seen if mark.kind == TICK]
        for mark in epochs:
            cells[self.column(mark.x)] = Cell(glyphs.AXIS_TICK, "dim")
        for mark in epochs:
            text = mark.words[0]
            at = self.column(mark.x) - len(text)
            if at < 2 or cells[at - 1].text in _EMPTY_CELLS:
                self.put(cells, at, text, "dim")
        for mark in seen:
            if mark.kind == RESUME:
                at = self.column(mark.x)
                cells[at] = Cell(glyphs.AXIS_RESUME, "accent")
                places = ((w, x) for w in mark.words for x in (at + 1, at - len(w)))
                any(self.put(cells, x, text, "accent") for text, x in places)
        if self.chart.numbered or self.zoomed or not epochs:
            self._numbers(cells)
        return cells

    def _numbers(self, cells: list[Cell]) -> None:
        for x, text in axis_ticks(self.low, self.high, self.room, self.chart.unit):
            at = self.column(x)
            around = cells[max(0, at - len(text) - 2) : at + 2]
            free = all(one.text in _EMPTY_CELLS for one in around)
            if free and self.put(cells, at - len(text), text, "dim"):
                cells[at] = Cell(glyphs.AXIS_TICK, "dim")

    def marks(self) -> list[Cell]:
        """Checkpoints, written ones filled and expected ones hollow, with their step where it fits;
        samples."""
        cells = [BLANK] * self.room
        seen = sorted(m for m in self.chart.marks if m.kind in _UNDER and self.inside(m.x))
        for mark in sorted(seen, key=lambda mark: mark.kind != SAMPLE):
            x = self.column(mark.x)
            role = ramp_role(x / max(1, self.room - 1)) if mark.kind == WRITTEN else "dim"
            cells[x] = Cell(_UNDER[mark.kind], role)
        free = 0
        for mark in seen:
            text, x = "".join(mark.words[:1]), self.column(mark.x)
            role = "text" if mark.kind == WRITTEN else "dim"
            for start in (x + 1, x - len(text)):
                if text and start >= free and self.put(cells, start, text, role):
                    free = start + len(text) + 1
                    break
        return cells


_EMPTY_CELLS = (" ", glyphs.AXIS, glyphs.AXIS_FUTURE)


def _in_sight(
    points: Sequence[tuple[float, float | None]], low: float, high: float
) -> Sequence[tuple[float, float | None]]:
    """Those that are shown and one on each side, so that lines reach the edges."""
    first = max(0, bisect_left(points, low, key=lambda point: point[0]) - 1)
    return points[first : bisect_right(points, high, key=lambda point: point[0]) + 1]


def value_at(points: Sequence[tuple[float, float | None]], x: float) -> float | None:
    """Of the last point up to `x`; None before the first one and beyond the end."""
    at = bisect_right(points, x, key=lambda point: point[0])
    return points[at - 1][1] if at and x <= points[-1][0] else None


def fold_columns(band: Sequence[Bin], low: float, high: float, width: int) -> list[Bin]:
    """Left to right; a bin that touches several columns fills them."""
    lows, highs, broken = [math.inf] * width, [-math.inf] * width, [False] * width
    per = width / (high - low)
    for one in band:
        first = max(0, int((one.start - low) * per + 1e-9))
        last = min(width - 1, max(first, math.ceil((one.end - low) * per - 1e-9) - 1))
        if one.end <= low or one.start >= high:
            continue
        for x in range(first, last + 1):
            if one.low is not None and one.low < lows[x]:
                lows[x] = one.low
            if one.high is not None and one.high > highs[x]:
                highs[x] = one.high
            broken[x] = broken[x] or one.nonfinite
    known = [low <= high for low, high in zip(lows, highs, strict=True)]
    return [
        Bin(x, x + 1, lows[x] if known[x] else None, highs[x] if known[x] else None, broken[x])
        for x in range(width)
    ]


def _joined(under: Cell, text: str) -> str:
    """Where lines cross, the dots of both are in the cell."""
    bits = ord(under.text) - _BASE
    line = 0 < bits <= 0xFF and under.role != "band-edge"
    return chr(_BASE + (bits | (ord(text) - _BASE))) if line else text


def _coverage(band: tuple[int, int] | None, cell_row: int) -> tuple[int, int]:
    """Which eighths of a cell the envelope covers, from its bottom (0) to its top (8)."""
    if band is None:
        return 0, 0
    return max(0, min(8, band[0] - cell_row * 8)), max(0, min(8, band[1] - cell_row * 8))


def _band_cell(bottom: int, top: int, style: str) -> Cell:
    """With `fill`, lower eighths are drawn as they are, upper ones as the ground's colour over the
    envelope's; values in the middle of a cell snap to the nearer edge."""
    if style == ASCII:
        return Cell(":", "band-edge")
    if style == DOTS:
        bits = 0
        for row, pair in enumerate(_BITS):
            if bottom < 8 - 2 * row and top > 6 - 2 * row:
                bits |= pair[row % 2]
        return Cell(chr(_BASE + bits), "band-edge")
    if bottom == 0:
        return Cell(" ", "on-band") if top == 8 else Cell(_EIGHTHS[top], "band")
    if top == 8:
        return Cell(_EIGHTHS[bottom], "ground-on-band")
    if bottom + top < 8:
        return Cell(_EIGHTHS[max(1, top)], "band") if bottom <= 1 else Cell("▂", "band")
    return Cell("─" if top - bottom <= 2 else "▬", "band") if bottom < 5 else Cell("▔", "band")


def with_cursor(plot: Plot, x: float | None, width: int) -> tuple[Row, ...]:
    """The rows, `width` cells wide, with a line at `x`: moving it does not draw the chart again."""
    if x is None or not plot.rows or not 0 <= plot.column_of(x) < plot.room:
        return plot.rows
    at = plot.left + plot.column_of(x)
    return tuple(_with_cursor(row, at, width) for row in plot.rows)


def _with_cursor(row: Row, x: int, width: int) -> Row:
    row = pad(row, width)
    here = slice_row(row, x, x + 1)
    text, role = (here[0].text, here[0].role) if here else (" ", "text")
    if text == " " or role in ("band", "on-band", "ground-on-band", "band-edge"):
        lit = Span(glyphs.CURSOR_LINE, "accent")
    elif text in (glyphs.AXIS, glyphs.AXIS_FUTURE, glyphs.AXIS_TICK):
        lit = Span(glyphs.AXIS_RESUME, "accent")
    elif role.startswith("ramp-") or 0 < ord(text[0]) - _BASE <= 0xFF:
        lit = Span(text, "strong")  # the line stays; where it is crossed, it is lit
    else:
        return row
    return (*slice_row(row, 0, x), lit, *slice_row(row, x + 1, width))


# ---------------------------------------------------------------------------
# Thin bars in the plasma ramp: the progress of the run and the gauges.


def ramp_bar(fraction: float | None, width: int, levels: int = RAMP_STEPS) -> Row:
    """A thin bar; the colour of each cell shows its own place on the ramp, so the tip shows the value.

    `levels`: colours over the full width; each one costs some 40 bytes to send. None
    draws the empty bar.
    """
    if width <= 0:
        return ()
    halves = round(max(0.0, min(1.0, fraction or 0.0)) * width * 2)
    spans: list[Span] = []
    for x in range(halves // 2):
        append(spans, glyphs.BAR, _role(x, width, levels))
    if halves % 2:
        append(spans, glyphs.BAR_TIP, _role(halves // 2, width, levels))
    rest = width - (halves + 1) // 2
    if rest > 0:
        spans.append(Span(glyphs.BAR_REST * rest, "faint"))
    return tuple(spans)


def _role(x: int, width: int, levels: int) -> str:
    place = x / max(1, width - 1)
    return ramp_role(round(place * (levels - 1)) / max(1, levels - 1))


# ---------------------------------------------------------------------------
# What was, in little room: a thin line of two samples a cell, or blocks.

_SPARK_BASE = 0x2800
#: bits of one level, lowest first, for the left and the right sample of a cell
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
SAMPLES_A_CELL = 2
#: colours of a line; few, for the sake of bytes
LEVELS = 6
#: the last five minutes, in means over 8 s
PAST_BINS = 38


def spark(history: Sequence[float | None], width: int) -> Row:
    """The newest samples (fractions, 0..1), newest at the right end; a missing one leaves a gap."""
    room = width * SAMPLES_A_CELL
    newest: list[float | None] = [None] * max(0, room - len(history))
    newest += history[max(0, len(history) - room) :]
    spans: list[Span] = []
    for x in range(width):
        pair = newest[x * SAMPLES_A_CELL : (x + 1) * SAMPLES_A_CELL]
        bits = 0
        for value, levels in zip(pair, (_LEFT, _RIGHT), strict=True):
            if value is not None:
                bits |= levels[min(3, int(max(0.0, value) * 4))]
        known = [value for value in pair if value is not None]
        role = ramp_role(round(max(known) * LEVELS) / LEVELS) if known else "faint"
        append(spans, chr(_SPARK_BASE + bits) if bits else " ", role)
    return tuple(spans)


def blocks(history: Sequence[float | None], width: int) -> Row:
    """The last five minutes (fractions, 0..1) as blocks, the newest at the right end: a bin or more a
    cell."""
    each, total = max(1.0, PAST_BINS / max(1, width)), len(history)
    spans: list[Span] = []
    for x in range(width):
        first, last = (max(0, total - round(each * (width - at))) for at in (x, x + 1))
        known = [value for value in history[first:last] if value is not None]
        if not known:
            append(spans, " ", "faint")
            continue
        mean = max(0.0, min(1.0, sum(known) / len(known)))
        append(
            spans, glyphs.SPARKS[min(7, int(mean * 8))], ramp_role(round(mean * LEVELS) / LEVELS)
        )
    return tuple(spans)
