"""Sample images as a grid: a row a prompt, a column a step. Pure: pictures come from `take`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.history.samples import Sample
from runner.model.units import file_size
from tui.images.store import Made, Wish
from tui.render import glyphs
from tui.render.paint import Row, Span, cell, pad, row_width
from tui.text import clean, crop, wrap
from tui.viewmodel.samples import Board, Place, column_of, row_of

Take = Callable[[Wish], Made | None]
#: rows of a tile that still shows something, and of one that needs no more
LEAST, MOST, MOST_COARSE = 6, 16, 7
#: cells of a tile without a picture
NAME_WIDTH = 14


@dataclass(frozen=True, slots=True)
class Tiles:
    """`width`, `height`: of one picture in cells; `across`, `down`: how many fit; `left`, `top`: the first of
    them."""

    width: int
    height: int
    across: int
    down: int
    left: int = 0
    top: int = 0


def tiles_of(
    board: Board,
    place: Place,
    size: tuple[int, int],
    before: tuple[int, int],
    *,
    pictures: bool,
    coarse: bool = False,
) -> Tiles:
    """How the grid is cut for `size` cells. `before`: first column and row shown until now; they move only as
    far as the cursor needs."""
    width, room = size[0], max(1, size[1] - 1)
    prompts = max(1, len(board.prompts))
    if pictures:
        most = max(1, min(MOST_COARSE if coarse else MOST, room - 1, (width // 2 - 1) // 2))
        height = max(min(LEAST, most), min(most, room // prompts - 1))
        height = _for_one_more(height, width, len(board.moments))
        tile = height * 2
    else:
        height, tile = 1, NAME_WIDTH
    across = max(1, width // (tile + 1))
    down = max(1, room // (height + 1))
    left = _first(before[0], column_of(board, place), across, len(board.moments))
    top = _first(before[1], row_of(board, place), down, len(board.prompts))
    return Tiles(tile, height, across, down, left, top)


def _for_one_more(height: int, width: int, columns: int) -> int:
    """A little less high where one more column fits then: blank space shows nothing."""
    across = width // (height * 2 + 1)
    if across < 1 or columns <= across:
        return height
    smaller = (width // (across + 1) - 1) // 2
    return smaller if smaller >= max(LEAST, height * 3 // 4) else height


def _first(before: int, cursor: int, fit: int, total: int) -> int:
    first = max(0, min(before, max(0, cursor), total - fit))
    return max(first, cursor - fit + 1)


def wishes_of(board: Board, tiles: Tiles) -> list[Wish]:
    """What is in sight, row by row, then the next column on either side."""
    shown = range(tiles.left, tiles.left + tiles.across)
    near = (tiles.left + tiles.across, tiles.left - 1)
    found = []
    for columns in (shown, near):
        for row in range(tiles.top, tiles.top + tiles.down):
            for column in columns:
                image = _image(board, row, column)
                if image is not None:
                    found.append(Wish(image.path, tiles.width, tiles.height))
    return found


def _image(board: Board, row: int, column: int) -> Sample | None:
    if not (0 <= row < len(board.prompts) and 0 <= column < len(board.moments)):
        return None
    return board.images.get((board.prompts[row], board.moments[column].key))


def draw_grid(board: Board, place: Place, tiles: Tiles, width: int, take: Take | None) -> list[Row]:
    """`take` None: sizes instead of pictures."""
    columns = range(tiles.left, min(len(board.moments), tiles.left + tiles.across))
    cursor = (row_of(board, place), column_of(board, place))
    rows: list[Row] = [_heading(board, columns, cursor[1], tiles)]
    for row in range(tiles.top, min(len(board.prompts), tiles.top + tiles.down)):
        rows.append(_label(board, row, row == cursor[0], width))
        drawn = [_tile(_image(board, row, c), tiles, take) for c in columns]
        for y in range(tiles.height):
            rows.append(_line(drawn, y, [(row, c) == cursor for c in columns], tiles))
    return rows


def _heading(board: Board, columns: range, cursor: int, tiles: Tiles) -> Row:
    spans: list[Span] = []
    for column in columns:
        moment, here = board.moments[column], column == cursor
        text = moment.words if len(moment.words) <= tiles.width else moment.short
        mark = Span(glyphs.CURSOR if here else " ", "accent")
        spans += [mark, cell(text, tiles.width, "strong" if here else "dim")]
    return tuple(spans)


def _label(board: Board, row: int, here: bool, width: int) -> Row:
    index = board.prompts[row]
    prompt = board.prompt(index)
    words = clean(prompt.text, 400) if prompt is not None else "not in the prompt file"
    text = crop(words, max(0, width - 6))
    mark = Span(glyphs.CURSOR if here else " ", "accent")
    return (mark, Span(f"{index + 1:<3} ", "dim"), Span(text, "text" if here else "dim"))


def _tile(image: Sample | None, tiles: Tiles, take: Take | None) -> list[Row]:
    """Rows of at most a tile's width."""
    if image is None:
        return [(Span(glyphs.SKIP, "faint"),)]
    if take is None:
        return [(Span(file_size(image.size_bytes)),)]
    made = take(Wish(image.path, tiles.width, tiles.height))
    if made is None:
        return [(Span(glyphs.UNKNOWN, "faint"),)]
    if made.problem:
        return [(Span(line, "dim"),) for line in wrap(made.problem, tiles.width)]
    return list(made.rows)


def _line(drawn: list[list[Row]], y: int, here: list[bool], tiles: Tiles) -> Row:
    spans: list[Span] = []
    for rows, is_here in zip(drawn, here, strict=True):
        spans.append(Span(glyphs.CURSOR if is_here else " ", "accent"))
        row = rows[y] if y < len(rows) else ()
        spans += pad(row, tiles.width) if row_width(row) > tiles.width else row
        gap = tiles.width - row_width(row)
        if gap > 0:
            spans.append(Span(" " * gap))
    return tuple(spans)
