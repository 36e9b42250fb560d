"""Sample images in a grid: a row for each prompt, a column for each step, or run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from runner.history.samples import Sample
from runner.model.units import file_size
from tui.images.choice import Way
from tui.images.store import Made, PictureStore, Wish
from tui.kit import glyphs
from tui.kit.paint import Row, Span, cell, first_shown, pad, row_width
from tui.kit.painted import Pictured
from tui.text import clean, crop, wrap
from tui.words.samples import Board, Place

Take = Callable[[Wish], Made | None]
#: rows of a tile: of the lowest one, of the highest one, of the highest one where bytes are saved
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
    height, tile = 1, NAME_WIDTH
    if pictures:
        most = max(1, min(MOST_COARSE if coarse else MOST, room - 1, (width // 2 - 1) // 2))
        height = max(min(LEAST, most), min(most, room // max(1, len(board.prompts)) - 1))
        height = _for_one_more(height, width, len(board.moments))
        tile = height * 2
    across, down = max(1, width // (tile + 1)), max(1, room // (height + 1))
    left = first_shown(before[0], board.column(place), across, len(board.moments))
    top = first_shown(before[1], board.row(place), down, len(board.prompts))
    return Tiles(tile, height, across, down, left, top)


def _for_one_more(height: int, width: int, columns: int) -> int:
    """A little lower where one more column fits then, instead of blank space."""
    across = width // (height * 2 + 1)
    if across < 1 or columns <= across:
        return height
    smaller = (width // (across + 1) - 1) // 2
    return smaller if smaller >= max(LEAST, height * 3 // 4) else height


def wishes_of(board: Board, tiles: Tiles) -> list[Wish]:
    """What is in sight, row by row, then the next column on either side."""
    right = tiles.left + tiles.across
    places = [
        (row, column)
        for columns in (range(tiles.left, right), (right, tiles.left - 1))
        for row in range(tiles.top, tiles.top + tiles.down)
        for column in columns
    ]
    found = (board.image(*place) for place in places)
    return [Wish(image.path, tiles.width, tiles.height) for image in found if image is not None]


def draw_grid(board: Board, place: Place, tiles: Tiles, width: int, take: Take | None) -> list[Row]:
    """`take` None: sizes instead of pictures."""
    columns = range(tiles.left, min(len(board.moments), tiles.left + tiles.across))
    cursor = (board.row(place), board.column(place))
    heads: list[Span] = []
    for column in columns:
        moment, here = board.moments[column], column == cursor[1]
        text = moment.words if len(moment.words) <= tiles.width else moment.short
        heads += [_cursor(here), cell(text, tiles.width, "strong" if here else "dim")]
    rows: list[Row] = [tuple(heads)]
    for row in range(tiles.top, min(len(board.prompts), tiles.top + tiles.down)):
        here, prompt = row == cursor[0], board.prompt(board.prompts[row])
        words = clean(prompt.text, 400) if prompt is not None else "not in the prompt file"
        number = Span(f"{board.prompts[row] + 1:<3} ", "dim")
        prompted = Span(crop(words, max(0, width - 6)), "text" if here else "dim")
        rows.append((_cursor(here), number, prompted))
        drawn = [_tile(board.image(row, column), tiles, take) for column in columns]
        for y in range(tiles.height):
            spans: list[Span] = []
            for column, tile in zip(columns, drawn, strict=True):
                spans += [_cursor((row, column) == cursor), *_cut(tile, y, tiles.width)]
            rows.append(tuple(spans))
    return rows


def _cursor(here: bool) -> Span:
    return Span(glyphs.CURSOR if here else " ", "accent")


def _cut(tile: Sequence[Row], y: int, width: int) -> Row:
    """Row `y` of a tile in exactly `width` cells."""
    row = tile[y] if y < len(tile) else ()
    gap = width - row_width(row)
    return pad(row, width) if gap < 0 else (*row, Span(" " * gap)) if gap else row


def _tile(image: Sample | None, tiles: Tiles, take: Take | None) -> Sequence[Row]:
    if image is None:
        return [(Span(glyphs.SKIP, "faint"),)]
    if take is None:
        return [(Span(file_size(image.size_bytes)),)]
    made = take(Wish(image.path, tiles.width, tiles.height))
    if made is None:
        return [(Span(glyphs.UNKNOWN, "faint"),)]
    if made.problem:
        return [(Span(line, "dim"),) for line in wrap(made.problem, tiles.width)]
    return made.rows


class SampleGrid(Pictured):
    """The screen sets `store`, `board`, `place` and `room` (columns and rows, even while a notice covers
    some of them), and calls `repaint`."""

    class Pointed(Message):
        """A tile was clicked: index of its column and its row."""

        def __init__(self, column: int, row: int) -> None:
            super().__init__()
            self.column, self.row = column, row

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.store: PictureStore | None = None
        self.board, self.place = Board(), Place()
        self.room = (1, 1)
        self._first = (0, 0)

    def tiles(self) -> Tiles:
        shown = self.store.shown if self.store is not None else None
        made = tiles_of(
            self.board, self.place, self.room, self._first,
            pictures=shown is not None and shown.way is not Way.OFF,
            coarse=shown is not None and shown.coarse,
        )  # fmt: skip
        self._first = (made.left, made.top)
        return made

    def draw(self, width: int, height: int) -> Sequence[Row]:
        store = self.store
        take = store.take if store is not None and store.shown.way is not Way.OFF else None
        return draw_grid(self.board, self.place, self.tiles(), width, take)

    def on_click(self, event: events.Click) -> None:
        tiles = self.tiles()
        column = tiles.left + event.x // (tiles.width + 1)
        row = tiles.top + (event.y - 1) // (tiles.height + 1)
        if event.y >= 1 and column < len(self.board.moments) and row < len(self.board.prompts):
            self.post_message(self.Pointed(column, row))
