"""The bar under a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render.paint import Row
from tui.render.replay import replay_rows
from tui.viewmodel.replay import READING, ReplayBarModel
from tui.widgets.painted import Painted

#: cells left of the line of time
LINE_FROM = 8


class ReplayBar(Painted):
    GROUND: ClassVar[str] = "panel"

    model: reactive[ReplayBarModel] = reactive(READING, layout=False, repaint=False)

    class Chosen(Message):
        """A click on the line of time."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return replay_rows(self.model, width, height)

    def on_click(self, event: events.Click) -> None:
        room = self.content_size.width - LINE_FROM - 1
        if self.model.tail:
            room -= len(self.model.tail) + 2
        if event.y == 1 and room > 0:
            self.post_message(self.Chosen(max(0.0, min(1.0, (event.x - LINE_FROM) / room))))
