"""The footer line. It tells the truth: `check_action` decides what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive

from tui.render.footer import FooterKey, footer_row, key_at
from tui.render.paint import Row
from tui.widgets.painted import Painted


class KeyFooter(Painted):
    GROUND = "surface"

    model: reactive[tuple[FooterKey, ...]] = reactive((), layout=False, repaint=False)
    tail: reactive[str] = reactive("", layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_tail(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (footer_row(self.model, width, self.tail),)

    async def on_click(self, event: events.Click) -> None:
        key = key_at(self.model, self.content_size.width, event.x)
        if key is not None and key.action:
            await self.screen.run_action(key.action)
