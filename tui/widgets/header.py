"""The two lines on top: who, what, how far, and the progress of the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.header import header_row, progress_row
from tui.render.paint import Row
from tui.viewmodel.header import Header, header_of
from tui.widgets.painted import Painted


class RunHeader(Painted):
    GROUND = "surface"

    model: reactive[Header] = reactive(header_of(None), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (header_row(self.model, width), progress_row(self.model, width))

    def ground_of(self, y: int) -> str:
        return "surface" if y == 0 else "background"
