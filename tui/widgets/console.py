"""The trainer's console: follows its end until a person scrolls back."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.console import console_rows
from tui.render.paint import Row, Span
from tui.widgets.panel import ScrollingPanel

#: lines that are laid out; the reader hands out a bounded tail anyway
MAX_LINES = 2000


class ConsolePanel(ScrollingPanel):
    """`model`: the newest lines, oldest first. `wrapped`: long lines take several rows."""

    TITLE = "Console"

    model: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)
    wrapped: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._cache: dict[tuple[str, int, bool], list[Row]] = {}

    def watch_model(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        if not self.following:
            self._keep_place(before, after)
        self.repaint()

    def watch_wrapped(self) -> None:
        self._cache.clear()
        self.repaint()

    def _keep_place(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """The tail is bounded: lines that fell off its start must not move what is being read."""
        if not before or not after or self._offset is None:
            return
        dropped = _dropped(before, after)
        gone = sum(len(self._rows_of(line)) for line in before[:dropped])
        self._offset = max(0, self._offset - gone)

    def note(self) -> Row:
        if not self.following:
            return (Span("scrolled back, end follows again", "accent"),)
        return (Span("l opens it", "dim"),) if not self.wrapped else (Span("l closes it", "dim"),)

    def _rows_of(self, line: str) -> list[Row]:
        key = (line, self.content_size.width, self.wrapped)
        rows = self._cache.get(key)
        if rows is None:
            if len(self._cache) > 2 * MAX_LINES:
                self._cache.clear()
            rows = console_rows(line, self.content_size.width, self.wrapped)
            self._cache[key] = rows
        return rows

    def content(self, width: int, height: int) -> Sequence[Row]:
        if not self.model:
            return ((Span(" nothing printed yet", "dim"),),)
        if self.following:
            return self._tail(height)
        rows = [row for line in self.model[-MAX_LINES:] for row in self._rows_of(line)]
        top = self.window(len(rows), height, len(rows))
        return rows[top : top + height]

    def _tail(self, height: int) -> Sequence[Row]:
        """The end alone, so that a tick never lays out the whole log."""
        rows: list[Row] = []
        for line in reversed(self.model):
            if not self.wrapped and not line.strip():
                continue  # the strip is short: blank lines are for the drawer
            rows[:0] = self._rows_of(line)
            if len(rows) >= height:
                break
        return rows[-height:]

    def scroll_rows(self, rows: int) -> None:
        if self.following:
            if rows > 0:
                return
            total = sum(len(self._rows_of(line)) for line in self.model[-MAX_LINES:])
            height = max(1, self.content_size.height - 1)
            self._last_max = max(0, total - height)
            self._last_top = self._last_max
        super().scroll_rows(rows)


def _dropped(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many lines of `before` are no longer at the start of `after`."""
    head = after[: min(3, len(after))]
    for index in range(len(before)):
        if before[index : index + len(head)] == head:
            return index
    return 0
