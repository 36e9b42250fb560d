"""What a configuration would start: in the place of the loss, before there is one."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.paint import Row, Span
from tui.render.plan import board_rows
from tui.viewmodel.plan_board import PlanBoard
from tui.widgets.panel import ScrollingPanel


class PlanPanel(ScrollingPanel):
    """`details`: with the source of every number (zoomed)."""

    TITLE = "Forecast"
    FOLLOWS = False

    model: reactive[PlanBoard] = reactive(PlanBoard(), layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        return (Span(self.model.note, "bad"),) if self.model.note else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        rows = board_rows(self.model, width, self.details)
        top = self.window(len(rows), height, 0)
        shown = rows[top : top + height]
        hidden = len(rows) - top - height
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more", "dim"),)
        return shown
