"""Why the run has ended, in the place of what is worth less then."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.cause import cause_rows
from tui.render.paint import Row, Span
from tui.viewmodel.cause import CauseCard
from tui.widgets.panel import ScrollingPanel


class CausePanel(ScrollingPanel):
    TITLE = "Cause"
    FOLLOWS = False

    model: reactive[CauseCard | None] = reactive(None, layout=False, repaint=False)
    #: does the key try it again now?
    can_retry: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_can_retry(self) -> None:
        self.repaint()

    def rows_wanted(self, width: int) -> int:
        """Rows of the whole panel that hold all of it."""
        return 1 + len(cause_rows(self.model, width, self.can_retry)) if self.model else 1

    def content(self, width: int, height: int) -> Sequence[Row]:
        if self.model is None:
            return ()
        rows = cause_rows(self.model, width, self.can_retry)
        if len(rows) <= height:
            self.window(len(rows), height, 0)
            return rows
        room = height - 1
        top = self.window(len(rows), room, 0)
        hidden = len(rows) - top - room
        said = f" … {hidden} more" if hidden else " … the end"
        return [*rows[top : top + room], (Span(said, "dim"),)]
