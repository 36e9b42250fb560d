"""The machine: gauges, and their last minutes where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.paint import EMPTY, Row, Span
from tui.render.tables import gauge_rows, spark_row
from tui.viewmodel.gauges import GaugeBoard
from tui.widgets.panel import ScrollingPanel


class GaugePanel(ScrollingPanel):
    TITLE = "Hardware"

    model: reactive[GaugeBoard] = reactive(
        GaugeBoard((), "", False, ""), layout=False, repaint=False
    )

    def watch_model(self) -> None:
        self.repaint()

    def note(self) -> Row:
        role = "warn" if self.model.stale else "dim"
        return (Span(self.model.age, role),) if self.model.age else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        board = self.model
        if not board.gauges:
            return ()
        rows = [row for gauge in board.gauges for row in gauge_rows(gauge, width, board.stale)]
        traced = [gauge for gauge in board.gauges if any(v is not None for v in gauge.history)]
        if traced and board.history and height >= len(rows) + 2 + len(traced):
            rows += [EMPTY, (Span(f" the last {board.history}", "dim"),)]
            rows += [spark_row(gauge, width) for gauge in traced]
        top = self.window(len(rows), height, 0)
        return rows[top : top + height]
