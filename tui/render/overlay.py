"""The losses of several runs in one chart: a line each, with its letter on it, over one axis.

Lines are told apart by colour and by their letters, which stand at the end of each line and now and then on
it; in ASCII the line itself is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tui.render import glyphs
from tui.render.axis import axis_ticks
from tui.render.braille import DOTS_ACROSS, DOTS_DOWN, Canvas, polyline
from tui.render.loss import BLANK, Cell
from tui.render.overlay_scale import OverlayLine, value_place
from tui.render.paint import Row, Span, append
from tui.render.scale import Range, log_ticks, ticks

#: cells between two letters on a line
LETTER_EVERY = 26
#: rows under the body: the axis and its numbers
UNDER = 2
LEAST_WIDTH, LEAST_HEIGHT = 24, 4
#: a single row of dots is fine, but many thick lines are one stain
THICK_UP_TO, THICK_FROM_ROWS = 3, 16


@dataclass(frozen=True, slots=True)
class OverlayModel:
    """`lines`: those that are shown, the chosen one last, so that it lies over the others. `end`: the right
    edge of the axis. `label_of`: a place on the axis in words."""

    lines: tuple[OverlayLine, ...] = ()
    end: float = 0.0
    log: bool = False
    whole: bool = True
    time: bool = False
    empty: str = "no loss yet"


@dataclass(frozen=True, slots=True)
class Overlay:
    """The body without the cursor, so that moving it does not draw all lines again. `left`: cells in front of
    the body; `room`: its width."""

    grid: tuple[tuple[Cell, ...], ...]
    labels: dict[int, str]
    under: tuple[Row, ...]
    left: int
    room: int


def draw_overlay(
    model: OverlayModel, width: int, height: int, scale: Range, ascii_only: bool
) -> Overlay | None:
    """None where it is too small for a chart. `scale`: losses, or their decimal logarithms (`model.log`)."""
    under = UNDER if height >= LEAST_HEIGHT + UNDER else 0
    body = height - under
    if body < 2 or width < LEAST_WIDTH:
        return None
    marks = log_ticks(scale, body) if model.log else ticks(scale, body)
    labels = dict(marks) if model.lines else {}
    left = max((len(text) for text in labels.values()), default=4) + 2
    room = width - left
    grid = [[BLANK] * room for _ in range(body)]
    for line in model.lines:
        _draw(grid, line, model, scale, ascii_only)
    _letters(grid, model, scale)
    rows = _axis(model, left, room) if under else ()
    return Overlay(tuple(map(tuple, grid)), labels, rows, left, room)


def overlay_rows(made: Overlay, cursor: int | None) -> tuple[Row, ...]:
    """With the cursor at this column of the body."""
    rows = []
    for y, cells in enumerate(made.grid):
        label = made.labels.get(y, "")
        side = glyphs.AXIS_SIDE_TICK if y in made.labels else glyphs.AXIS_SIDE
        spans = [Span(label.rjust(made.left - 2) + " ", "dim"), Span(side, "faint")]
        for x, cell in enumerate(cells):
            here = x == cursor and cell.text == " "
            append(
                spans, glyphs.CURSOR_LINE if here else cell.text, "accent" if here else cell.role
            )
        rows.append(tuple(spans))
    return (*rows, *made.under)


# --------------------------------------------------------------------------- lines


def column_of(x: float, end: float, places: int) -> int:
    return max(0, min(places - 1, math.ceil(x / end * places - 1e-9) - 1)) if end > 0 else 0


def _dots(
    line: OverlayLine, model: OverlayModel, scale: Range, across: int, down: int
) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for x, value in line.points:
        y = value_place(value, scale, down, model.log) if value is not None else None
        if y is None:
            found.append(None)
            continue
        # what is far outside is drawn as leaving the chart there, not as running along its edge
        found.append((column_of(x, model.end, across), max(-2 * down, min(3 * down, y))))
    return found


def _draw(
    grid: list[list[Cell]], line: OverlayLine, model: OverlayModel, scale: Range, ascii_only: bool
) -> None:
    room, body = len(grid[0]), len(grid)
    canvas = Canvas(room, body)
    points = _dots(line, model, scale, room * DOTS_ACROSS, body * DOTS_DOWN)
    polyline(canvas, points)
    if len(model.lines) <= THICK_UP_TO and body >= THICK_FROM_ROWS:
        polyline(canvas, [p and (p[0], p[1] + 1) for p in points])
    for y in range(body):
        for x in range(room):
            if not canvas.bits(x, y):
                continue
            text = line.letter if ascii_only else _joined(grid[y][x], canvas.character(x, y))
            grid[y][x] = Cell(text, line.role)
    _mark_clipped(grid, line, points)
    _mark_gaps(grid, line, model)


def _mark_clipped(
    grid: list[list[Cell]], line: OverlayLine, points: Sequence[tuple[int, int] | None]
) -> None:
    """A sign at the top where the line is above the chart."""
    for column in {
        point[0] // DOTS_ACROSS for point in points if point is not None and point[1] < 0
    }:
        if grid[0][column].text == " ":
            grid[0][column] = Cell(glyphs.CLIPPED, line.role)


def _joined(under: Cell, text: str) -> str:
    """Where lines cross, the dots of both are in the cell."""
    bits = ord(under.text) - 0x2800
    return chr(0x2800 + (bits | (ord(text) - 0x2800))) if 0 < bits <= 0xFF else text


def _mark_gaps(grid: list[list[Cell]], line: OverlayLine, model: OverlayModel) -> None:
    """A cross at the foot where a loss was not finite, with the line's letter before it."""
    room, before = len(grid[0]), True
    for x, value in line.points:
        if value is None and before:
            column = column_of(x, model.end, room)
            grid[-1][column] = Cell(glyphs.NONFINITE, "bad")
            if column and grid[-1][column - 1].text == " ":
                grid[-1][column - 1] = Cell(line.letter, line.role)
        before = value is not None


def _letters(grid: list[list[Cell]], model: OverlayModel, scale: Range) -> None:
    """The ends first: they are worth most."""
    room, body = len(grid[0]), len(grid)
    taken: set[tuple[int, int]] = set()
    for line in model.lines:
        known = [(x, y) for x, y in line.points if y is not None]
        if known:
            _letter(grid, line, known[-1], model, scale, taken)
    for index, line in enumerate(model.lines):
        shift = LETTER_EVERY * (index + 1) // (len(model.lines) + 1)
        for column in range(shift, room - LETTER_EVERY // 3, LETTER_EVERY):
            value = _value_at(line, (column + 1) / room * model.end)
            row = value_place(value, scale, body, model.log) if value is not None else None
            if row is not None and 0 <= row < body and (column, row) not in taken:
                taken.add((column, row))
                grid[row][column] = Cell(line.letter, line.role)


def _letter(
    grid: list[list[Cell]],
    line: OverlayLine,
    end: tuple[float, float | None],
    model: OverlayModel,
    scale: Range,
    taken: set[tuple[int, int]],
) -> None:
    """At the end of the line; above or below it where another one ends in the same place."""
    room, body = len(grid[0]), len(grid)
    row = value_place(end[1] or 0.0, scale, body, model.log)
    if row is None:
        return
    row = max(0, min(body - 1, row))
    column = min(room - 1, column_of(end[0], model.end, room) + 1)
    for other in sorted(range(body), key=lambda y: (abs(y - row), y)):
        if (column, other) not in taken:
            taken.add((column, other))
            grid[other][column] = Cell(line.letter, line.role)
            return


def _value_at(line: OverlayLine, x: float) -> float | None:
    """Of the last point before; None beyond the end."""
    found: float | None = None
    for place, value in line.points:
        if place > x:
            return found
        found = value
    return None


# --------------------------------------------------------------------------- under the body


def _axis(model: OverlayModel, left: int, room: int) -> tuple[Row, Row]:
    line = [Cell(glyphs.AXIS, "faint")] * room
    words = [BLANK] * room
    free = 0
    for x, text in axis_ticks(model.end, room, whole=model.whole, time=model.time):
        column = column_of(x, model.end, room)
        start = min(max(0, column - len(text) + 1), room - len(text))
        if start < free:
            continue
        line[column] = Cell(glyphs.AXIS_TICK, "dim")
        for offset, character in enumerate(text):
            words[start + offset] = Cell(character, "dim")
        free = start + len(text) + 2
    first = [Span(" " * (left - 1)), Span(glyphs.AXIS_CORNER, "faint")]
    second = [Span(" " * left)]
    for spans, cells in ((first, line), (second, words)):
        for cell in cells:
            append(spans, cell.text, cell.role)
    return tuple(first), tuple(second)
