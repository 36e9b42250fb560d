"""A picture as half blocks: two pixels a cell, the upper one in the foreground. Pure but for Pillow.

Roles of such spans are colours, `#rrggbb/#rrggbb`, which `tui/kit/painted.py` draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.kit.paint import Row, Span

if TYPE_CHECKING:
    from PIL.Image import Image

HALF = "▀"
#: a change of colour costs some 40 bytes; the lowest bits are invisible in such large pixels
FINE_STEP, COARSE_STEP = 4, 24


def fit_cells(width: int, height: int, cells: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of a picture of `width` x `height` pixels that fills `cells` as far as its shape
    allows; a cell is twice as high as wide."""
    across, down = max(1, cells[0]), max(1, cells[1])
    scale = min(across / max(1, width), 2 * down / max(1, height))
    columns = max(1, min(across, round(width * scale)))
    rows = max(1, min(down, -(-round(height * scale) // 2)))
    return columns, rows


def block_rows(image: Image, columns: int, rows: int, step: int = FINE_STEP) -> tuple[Row, ...]:
    """`rows` rows of `columns` cells; neighbours of the same two colours are one span."""
    pixels = image.resize((columns, rows * 2), reducing_gap=2.0).tobytes()
    line = columns * 3
    return tuple(
        _row(pixels[y * 2 * line : (y * 2 + 1) * line], pixels[(y * 2 + 1) * line :], columns, step)
        for y in range(rows)
    )


def _row(upper: bytes, lower: bytes, columns: int, step: int) -> Row:
    spans: list[Span] = []
    run, before = 0, ""
    for x in range(0, columns * 3, 3):
        role = f"{_color(upper, x, step)}/{_color(lower, x, step)}"
        if role != before and run:
            spans.append(Span(HALF * run, before))
            run = 0
        run, before = run + 1, role
    spans.append(Span(HALF * run, before))
    return tuple(spans)


def _color(pixels: bytes, at: int, step: int) -> str:
    red, green, blue = (
        min(255, (value + step // 2) // step * step) for value in pixels[at : at + 3]
    )
    return f"#{red:02x}{green:02x}{blue:02x}"
