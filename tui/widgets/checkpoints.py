"""The checkpoints: written, looked at, and still to come."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive

from tui.render.checkpoints import checkpoint_head, checkpoint_row
from tui.render.paint import Row, Span
from tui.text import crop_parts
from tui.viewmodel.checkpoints import CheckpointRow, CheckpointTable
from tui.widgets.panel import ScrollingPanel

#: rows of the panel from which on it tells about the row under the cursor
DETAIL_HEIGHT = 12
#: from here on the table gets half of it, below that so many rows
HIGH, TABLE_LEAST = 28, 4


class CheckpointPanel(ScrollingPanel):
    """`details` (zoomed): a cursor, and all that is known of its row under the table. The cursor stays
    on its file however the rows move; until a person moves it, it is on the newest written one."""

    TITLE = "Checkpoints"

    model: reactive[CheckpointTable] = reactive(
        CheckpointTable((), 0, 0, 0), layout=False, repaint=False
    )
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chosen: str | None = None
        self._top = 0
        self._read = 0
        self._detail_room = 1

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        if not self.model.rows:
            return ()
        done = Span(f"{self.model.written} of {self.model.total}", "dim")
        room = self.content_size.width - len(self.TITLE) - len(done.text) - 11
        if not self.model.trouble or room < 5:
            return (done,)
        return (Span(crop_parts(self.model.trouble, room), "bad"), Span(", ", "dim"), done)

    # ----------------------------------------------------------------- the cursor

    @property
    def has_cursor(self) -> bool:
        return self.details and self.content_size.height >= DETAIL_HEIGHT

    @property
    def cursor(self) -> int:
        keys = [row.key for row in self.model.rows]
        if self._chosen in keys:
            return keys.index(self._chosen)
        written = [i for i, row in enumerate(self.model.rows) if row.kind == "written"]
        return written[-1] if written else 0

    def forget_cursor(self) -> None:
        self._chosen, self._top, self._read = None, 0, 0
        self._offset = None
        self.repaint()

    def scroll_rows(self, rows: int) -> None:
        if self.has_cursor:
            self._go(self.cursor + rows)
        else:
            super().scroll_rows(rows)

    def turn_page(self, pages: int) -> None:
        """With a cursor: on in what is told of its row."""
        if self.has_cursor:
            self._read = max(0, self._read + pages * self._detail_room)
            self.repaint()
        else:
            super().turn_page(pages)

    def scroll_to_start(self) -> None:
        if self.has_cursor:
            self._go(0)
        else:
            super().scroll_to_start()

    def scroll_to_end(self) -> None:
        if self.has_cursor:
            self._go(len(self.model.rows) - 1)
        else:
            super().scroll_to_end()

    def _go(self, at: int) -> None:
        if self.model.rows:
            self._chosen = self.model.rows[max(0, min(len(self.model.rows) - 1, at))].key
            self._read = 0
            self.repaint()

    def on_click(self, event: events.Click) -> None:
        if self.has_cursor and event.y >= 2:
            self._go(self._top + event.y - 2)

    # ----------------------------------------------------------------- drawing

    def content(self, width: int, height: int) -> Sequence[Row]:
        table = self.model
        if not table.rows:
            return ((Span(" none written, none forecast", "dim"),),)
        if self.has_cursor:
            return self._with_details(width, height)
        anchor = min(len(table.rows) - 1, table.focus + 1)
        top = self.window(len(table.rows), height - 1, anchor)
        return (checkpoint_head(width), *self._rows_from(top, height - 1, width))

    def _rows_from(self, top: int, number: int, width: int, cursor: int = -1) -> list[Row]:
        end = max((row.step or 0 for row in self.model.rows), default=1) or 1
        return [
            checkpoint_row(row, width, self._place(row, end), top + i == cursor)
            for i, row in enumerate(self.model.rows[top : top + number])
        ]

    def _place(self, row: CheckpointRow, end: int) -> float:
        return (row.step or end) / end

    def _with_details(self, width: int, height: int) -> list[Row]:
        """The table above, the row under the cursor in full below it. How they share the panel does not
        depend on the row, so that nothing moves with the cursor but what is told."""
        cursor, rows = self.cursor, self.model.rows
        table = min(len(rows), TABLE_LEAST if height < HIGH else height // 2)
        self._top = max(0, min(self._top, cursor, len(rows) - table))
        self._top = max(self._top, cursor - table + 1)
        shown = self._rows_from(self._top, table, width, cursor)
        return [checkpoint_head(width), *shown, (), *self._detail(width, height - 2 - table)]

    def _detail(self, width: int, height: int) -> list[Row]:
        # only when zoomed: not for the first frame
        from tui.render.checkpoint_detail import detail_rows
        from tui.viewmodel.checkpoint_detail import detail_of

        title, *rows = detail_rows(detail_of(self.model, self.cursor), width)
        room = height - 1
        if len(rows) <= room:
            self._read = 0
            return [title, *rows]
        room -= 1
        self._detail_room = room
        self._read = max(0, min(self._read, len(rows) - room))
        below = len(rows) - room - self._read
        said = f" … {below} more, pgdn" if below else " the end, pgup"
        return [title, *rows[self._read : self._read + room], (Span(said, "dim"),)]
