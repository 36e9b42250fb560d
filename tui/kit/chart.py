"""Lines, envelopes, sparklines and bars as characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.model import LossBucket
from runner.model.lean import dataclass
from tui.kit import glyphs
from tui.kit.paint import RAMP_STEPS, Row, Span, append, ramp_role

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

    def line(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """A straight line, both ends included (Bresenham)."""
        dx, dy = abs(x1 - x0), -abs(y1 - y0)
        sx, sy = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
        error = dx + dy
        while True:
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

    def rows(self) -> list[str]:
        return [
            "".join(self.character(x, y) for x in range(self.width)) for y in range(self.height)
        ]


def polyline(canvas: Canvas, points: Sequence[tuple[int, int] | None]) -> None:
    """Connect neighbouring points; None interrupts the line."""
    before: tuple[int, int] | None = None
    for point in points:
        if point is not None:
            if before is None:
                canvas.dot(*point)
            else:
                canvas.line(*before, *point)
        before = point


# ---------------------------------------------------------------------------
# Any number of buckets folded to the columns of a chart: what is drawn does not grow with the run.


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of text covers: bounds of the raw finite losses (None: no finite loss here) and
    whether a loss in it was not finite."""

    low: float | None = None
    high: float | None = None
    nonfinite: bool = False


EMPTY = Column()


def fold_columns(buckets: Sequence[LossBucket], end_step: int, width: int) -> list[Column]:
    """Columns over the steps 1..end_step, left to right; a bucket that touches several fills them."""
    lows = [math.inf] * width
    highs = [-math.inf] * width
    broken = [False] * width
    per_step = width / end_step
    for bucket in buckets:
        first = min(width - 1, int((bucket.first_step - 1) * per_step))
        last = min(width - 1, max(first, math.ceil(bucket.last_step * per_step - 1e-9) - 1))
        for x in range(max(0, first), last + 1):
            if bucket.low is not None and bucket.low < lows[x]:
                lows[x] = bucket.low
            if bucket.high is not None and bucket.high > highs[x]:
                highs[x] = bucket.high
            broken[x] = broken[x] or bucket.nonfinite > 0
    return [
        Column(low, high, nonfinite) if low <= high else Column(None, None, nonfinite)
        for low, high, nonfinite in zip(lows, highs, broken, strict=True)
    ]


def fold_line(
    buckets: Sequence[LossBucket], end_step: int, width: int
) -> list[tuple[float, float] | None]:
    """The smoothed line as points (x in columns, loss), at most one for each of `width` places; None
    is a gap: there the loss was not finite."""
    points: list[tuple[float, float] | None] = []
    place = -1
    for bucket in buckets:
        x = (bucket.last_step - 0.5) / end_step * width
        if bucket.nonfinite >= bucket.count or bucket.smooth is None:
            if points and points[-1] is not None:
                points.append(None)
            place = -1
            continue
        if not math.isfinite(bucket.smooth):
            continue
        point = (min(width - 0.001, x), bucket.smooth)
        if int(x) == place and points:
            points[-1] = point
        else:
            points.append(point)
        place = int(x)
    return points


# ---------------------------------------------------------------------------
# Thin bars in the plasma ramp: the progress of the run and the gauges.


def ramp_bar(fraction: float | None, width: int, levels: int = RAMP_STEPS) -> Row:
    """A thin bar; the colour of each cell tells its own place on the ramp, so the tip shows the value.

    `levels`: colours that the whole width is made of; each one costs some 40 bytes to send. None
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
    """The last five minutes (fractions, 0..1) as blocks, the newest at the right end: a bin or more a cell."""
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
