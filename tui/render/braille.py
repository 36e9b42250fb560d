"""A canvas of braille dots, two across and four down in every cell."""

from __future__ import annotations

from collections.abc import Sequence

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
