"""The line on top: who, what, how far, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.reactive import reactive

from tui.render.header import header_row
from tui.render.paint import Row
from tui.viewmodel.header import Header, header_of
from tui.widgets.painted import Painted


class RunHeader(Painted):
    GROUND: ClassVar[str] = "surface"

    model: reactive[Header] = reactive(header_of(None), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (header_row(self.model, width),)
