"""The preflight checklist."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.reactive import reactive

from tui.render.paint import Row, Span
from tui.render.tables import preflight_row
from tui.viewmodel.preflight import PreflightList
from tui.widgets.panel import ScrollingPanel


class PreflightPanel(ScrollingPanel):
    TITLE = "Preflight"

    model: reactive[PreflightList] = reactive(PreflightList((), ""), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def note(self) -> Row:
        return (Span(self.model.summary, "dim"),) if self.model.summary else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        rows = self.model.rows
        if not rows:
            return ((Span(" no checks recorded", "dim"),),)
        longest = max(cell_len(row.title) for row in rows)
        top = self.window(len(rows), height, 0)
        shown = [preflight_row(row, width, longest) for row in rows[top : top + height]]
        hidden = len(rows) - top - height
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more", "dim"),)
        return shown
