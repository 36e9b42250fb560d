"""The checkpoints: written, looked at, and still to come."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.paint import Row, Span
from tui.render.tables import checkpoint_head, checkpoint_row
from tui.viewmodel.checkpoints import CheckpointTable
from tui.widgets.panel import ScrollingPanel


class CheckpointPanel(ScrollingPanel):
    TITLE = "Checkpoints"

    model: reactive[CheckpointTable] = reactive(
        CheckpointTable((), 0, 0, 0), layout=False, repaint=False
    )

    def watch_model(self) -> None:
        self.repaint()

    def note(self) -> Row:
        if not self.model.rows:
            return ()
        return (Span(f"{self.model.written} of {self.model.total}", "dim"),)

    def content(self, width: int, height: int) -> Sequence[Row]:
        table = self.model
        if not table.rows:
            return ((Span(" none written, none forecast", "dim"),),)
        body = height - 1
        end = max((row.step or 0 for row in table.rows), default=1) or 1
        top = self.window(len(table.rows), body, min(len(table.rows) - 1, table.focus + 1))
        shown = table.rows[top : top + body]
        rows = [checkpoint_row(row, width, (row.step or end) / end) for row in shown]
        return (checkpoint_head(width), *rows)
