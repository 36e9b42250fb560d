"""Runs in rows, told apart by their id: the cursor stays on its run however the list changes."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render.paint import Row, Span
from tui.render.tables import run_head, run_row
from tui.viewmodel.runs import RunRow
from tui.widgets.painted import Painted


class RunList(Painted, can_focus=True):
    """`typing`: printable keys are a filter (posted as `Typed`), not commands."""

    model: reactive[tuple[RunRow, ...]] = reactive((), layout=False, repaint=False)
    empty: reactive[str] = reactive("Reading the runs.", layout=False, repaint=False)

    class Chosen(Message):
        """Enter, or a second click, on a run."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Typed(Message):
        """A character for the filter; `erase` takes one back."""

        def __init__(self, character: str, erase: bool = False) -> None:
            super().__init__()
            self.character, self.erase = character, erase

    def __init__(self, *, typing: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._typing = typing
        self._key: str | None = None
        self._top = 0

    def watch_model(self) -> None:
        self.repaint()

    def watch_empty(self) -> None:
        self.repaint()

    @property
    def cursor(self) -> int:
        """Index of the run under the cursor; of a run that is gone, the first one."""
        keys = [row.key for row in self.model]
        return keys.index(self._key) if self._key in keys else 0

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.model:
            return ((Span(f"   {self.empty}", "dim"),),)
        body = max(1, height - 1)
        cursor = self.cursor
        self._top = max(0, min(self._top, cursor, len(self.model) - body))
        self._top = max(self._top, cursor - body + 1)
        shown = self.model[self._top : self._top + body]
        rows = [run_row(row, width, self._top + i == cursor) for i, row in enumerate(shown)]
        return (run_head(width), *rows)

    def move(self, by: int) -> None:
        if self.model:
            at = max(0, min(len(self.model) - 1, self.cursor + by))
            self._key = self.model[at].key
            self.repaint()

    def page(self) -> int:
        return max(1, self.content_size.height - 2)

    def choose(self) -> None:
        if self.model:
            self.post_message(self.Chosen(self.model[self.cursor].key))

    def on_key(self, event: events.Key) -> None:
        if not self._typing:
            return
        if event.key == "backspace":
            self.post_message(self.Typed("", erase=True))
        elif event.is_printable and event.character:
            self.post_message(self.Typed(event.character))
        else:
            return
        event.stop()
        event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        at = self._top + event.y - 1
        if event.y >= 1 and at < len(self.model):
            again = self.model[at].key == self._key
            self._key = self.model[at].key
            self.repaint()
            if again:
                self.choose()

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
