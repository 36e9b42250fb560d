"""One line for what just happened: an order sent, an order refused, a file that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.paint import Row, Span
from tui.text import clean, wrap
from tui.widgets.painted import Painted


class NoticeLine(Painted):
    """Hidden while there is nothing to say (showing and hiding is the only layout it causes)."""

    GROUND = "panel"

    text: reactive[str] = reactive("", layout=False, repaint=False)
    role: reactive[str] = reactive("text", layout=False, repaint=False)

    def say(self, text: str, role: str = "text") -> None:
        """Show a foreign or own sentence until `hush`."""
        self.role = role
        self.text = clean(text, 600)
        self.set_class(bool(self.text), "-shown")
        self.set_class(cell_len(self.text) > self.screen.size.width - 6, "-long")
        self.repaint()

    def hush(self) -> None:
        if self.text:
            self.say("")

    def draw(self, width: int, height: int) -> Sequence[Row]:
        mark = {"bad": f"{glyphs.NO} ", "warn": f"{glyphs.WARN} "}.get(self.role, "")
        lines = wrap(mark + self.text, max(1, width - 2), "  ")
        return [(Span(" "), Span(line, self.role)) for line in lines[:height]]
