"""Where the parts of the screen of sample images are, by its size."""

from __future__ import annotations

from textual.screen import Screen

#: from this height on the loss stands under the picture; below the second there is none
TALL, CHART_HEIGHT = 30, 17
#: rows of what is above and below the images, and of the words under the grid
CHROME, GRID_WORDS = 3, 3


def picture_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for one picture on a screen of this size. A cell is twice as high as wide, so a square
    picture is twice as many cells wide as high. A notice above covers some of it, and changes nothing."""
    rows = max(1, height - CHROME - (_chart_rows(height) if height >= TALL else 0))
    return max(8, min(2 * rows, width * 58 // 100)), rows


def grid_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for all of them."""
    words = GRID_WORDS if height >= CHART_HEIGHT else 0
    return max(1, width), max(1, height - CHROME - words)


def _chart_rows(height: int) -> int:
    return max(10, height * 3 // 10)


def arrange_samples(screen: Screen[None], as_grid: bool) -> None:
    """Show, hide and measure; nothing else does."""
    width, height = screen.size
    tall = height >= TALL
    one, grid = screen.query_one("#one"), screen.query_one("#grid")
    wide, near = screen.query_one("#wide-loss"), screen.query_one("#near-loss")
    words, picture = screen.query_one("#grid-words"), screen.query_one("#picture")
    one.display, grid.display = not as_grid, as_grid
    words.display = as_grid and height >= CHART_HEIGHT
    words.styles.height = GRID_WORDS
    wide.display = tall and not as_grid
    near.display = not tall and height >= CHART_HEIGHT
    columns, rows = picture_room(width, height)
    wide.styles.height = _chart_rows(height)
    near.styles.height = max(8, rows * 11 // 20)
    picture.styles.width = columns
