"""All prompts by all steps."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from tui.images.choice import Way
from tui.images.store import PictureStore, Wish
from tui.render.paint import Row
from tui.render.sample_grid import Tiles, draw_grid, tiles_of, wishes_of
from tui.viewmodel.samples import Board, Place
from tui.widgets.pictured import Pictured


class SampleGrid(Pictured):
    """The screen gives it `store`, `board`, `place` and `room` (columns and rows, whatever covers some of them
    for a moment), and calls `repaint`."""

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

    def wishes(self) -> list[Wish]:
        return wishes_of(self.board, self.tiles())

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
