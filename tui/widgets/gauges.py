"""The machine: gauges with their last five minutes; zoomed, everything that is known."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.gauges import board_row, section_rows
from tui.render.paint import EMPTY, Row, Span
from tui.viewmodel.gauge_model import GaugeBoard
from tui.viewmodel.gauges import NOTHING
from tui.widgets.panel import ScrollingPanel


class GaugePanel(ScrollingPanel):
    """Where not all rows fit, the least worthy give way; scrolled down, or zoomed (`details`), all come in
    their order."""

    TITLE = "Machine"
    FOLLOWS = False

    model: reactive[GaugeBoard] = reactive(NOTHING, layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        role = "warn" if self.model.silent else "dim"
        return (Span(self.model.age, role),) if self.model.age else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        blocks = self._blocks(width)
        rows = [row for _, block in blocks for row in block]
        if self.details:
            rows += self._sections(width)
        top = self.window(len(rows), height, 0)
        if top == 0 and not self.details and len(rows) > height:
            return _worthiest(blocks, height)
        return rows[top : top + height]

    def _blocks(self, width: int) -> list[tuple[int, list[Row]]]:
        """The rows of each gauge, with their worth."""
        board = self.model
        return [(row.worth, board_row(row, width, board.stale)) for row in board.rows]

    def _sections(self, width: int) -> list[Row]:
        return [EMPTY, *section_rows(self.model.sections, width)]


def _worthiest(blocks: Sequence[tuple[int, list[Row]]], height: int) -> list[Row]:
    """The worthiest blocks that fit, in their own order."""
    chosen, left = set(), height
    for index in sorted(range(len(blocks)), key=lambda i: -blocks[i][0]):
        size = len(blocks[index][1])
        if size <= left:
            chosen.add(index)
            left -= size
    return [row for index, (_, block) in enumerate(blocks) if index in chosen for row in block]
