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
        rows, traces = self._all_rows(width)
        if height >= len(rows) + len(traces):
            rows += traces
        top = self.window(len(rows), height, 0)
        return rows[top : top + height]

    def _all_rows(self, width: int) -> tuple[list[Row], list[Row]]:
        """The gauges, and their last minutes."""
        board = self.model
        rows = [row for gauge in board.gauges for row in gauge_rows(gauge, width, board.stale)]
        traced = [gauge for gauge in board.gauges if any(v is not None for v in gauge.history)]
        if not (traced and board.history):
            return rows, []
        head: list[Row] = [EMPTY, (Span(f" the last {board.history}", "dim"),)]
        return rows, [*head, *(spark_row(gauge, width) for gauge in traced)]

    def rows_wanted(self, width: int) -> int:
        """What it needs to show everything, its rule and a blank row included."""
        rows, traces = self._all_rows(width)
        return 2 + len(rows) + len(traces)
