"""What the two screens of sample images share: the grid, its cursor, its words below, and reading again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from textual import events

from tui.images.store import TerminalPictures, Wish
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.paint import Row
from tui.kit.painted import Lines
from tui.panels.sample_grid import SampleGrid, wishes_of
from tui.screens.reading import ReadingScreen
from tui.words.samples import Board, Place

READ_S, SLOW_READ_S = 2.0, 5.0
#: below this height there is no chart, and there are no words below the grid
CHART_HEIGHT = 17
#: rows above and below the images, and of the words below the grid
CHROME, GRID_WORDS = 3, 3

T = TypeVar("T")


def grid_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for the images on a screen of this size. A notice above covers some of it, and changes
    nothing."""
    return max(1, width), max(1, height - CHROME - (GRID_WORDS if height >= CHART_HEIGHT else 0))


class ImagesScreen(ReadingScreen[T]):
    """Subclasses also give `_words`, `action_go` and `action_open`."""

    store: TerminalPictures

    def __init__(self) -> None:
        super().__init__()
        self.board, self.place = Board(), Place()

    def grid(self) -> tuple[SampleGrid, Lines]:
        """With its words."""
        return SampleGrid(id="grid"), Lines(self._words, id="grid-words")

    def on_mount(self) -> None:
        self.store = TerminalPictures(self)
        self.query_one(SampleGrid).store = self.store
        self._arrange()
        self.set_interval(SLOW_READ_S if self.plasma.low_bandwidth else READ_S, self._read_again)
        self._read_again()

    def on_unmount(self) -> None:
        self.store.close()

    def on_screen_resume(self) -> None:
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    def _read_again(self) -> None:
        super()._read_again()
        self.store.refresh()

    # ----------------------------------------------------------------- showing

    def _words(self, width: int, height: int) -> Sequence[Row]:
        """About the image under the cursor."""
        raise NotImplementedError

    def _in_sight(self) -> list[Wish]:
        """The pictures that are shown."""
        return wishes_of(self.board, self.query_one(SampleGrid).tiles())

    def _wanted(self) -> list[Wish]:
        """And those that the next key may show."""
        return self._in_sight()

    def _show(self) -> None:
        """Everything that depends on the cursor or on what was read."""
        if self.query(SampleGrid):
            grid = self.query_one(SampleGrid)
            grid.board, grid.place, grid.room = self.board, self.place, grid_room(*self.size)
            self.store.wish(self._wanted())
            self.on_picture_ready()
            self.repaint_heading()
            self.query_one(KeyFooter).model = footer_of(self)

    def on_picture_ready(self) -> None:
        if self.query(SampleGrid):
            self.store.send(self._in_sight())
            self._repaint()

    def _repaint(self) -> None:
        self.query_one(SampleGrid).repaint()
        self.query_one("#grid-words", Lines).repaint()

    def _arrange(self) -> None:
        """Show, hide and measure; nothing else does."""
        if self.query(SampleGrid):
            for name, (visible, rows) in self._parts(*self.size).items():
                part = self.query_one(name)
                part.display = visible
                if rows is not None:
                    part.styles.height = rows
            self.call_after_refresh(self._show)

    def _parts(self, width: int, height: int) -> dict[str, tuple[bool, int | None]]:
        """Is it shown, and in how many rows?"""
        return {"#grid-words": (height >= CHART_HEIGHT, GRID_WORDS)}

    # ----------------------------------------------------------------- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "copy" or self.board.image_at(self.place) is not None

    def action_go(self, columns: int, rows: int) -> None:
        """Move the cursor."""
        raise NotImplementedError

    def action_open(self) -> None:
        raise NotImplementedError

    def on_sample_grid_pointed(self, message: SampleGrid.Pointed) -> None:
        columns = message.column - self.board.column(self.place)
        rows = message.row - self.board.row(self.place)
        if columns or rows:
            self.action_go(columns, rows)
        else:
            self.action_open()

    def action_copy(self) -> None:
        image = self.board.image_at(self.place)
        if image is not None:
            self.copy(image.path, 6.0)

    def action_back(self) -> None:
        self.hush()
        self.app.pop_screen()
