"""The sections of a document, beside it where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.document import STATUS
from tui.render.paint import Row, Span, cell
from tui.widgets.painted import Painted

#: sections that a digit goes to
DIGITS = 9


class SectionLine(NamedTuple):
    """`mark`: the worst status of its points, "" for none."""

    title: str
    mark: str = ""


class SectionList(Painted):
    model: reactive[tuple[SectionLine, ...]] = reactive((), layout=False, repaint=False)
    current: reactive[int] = reactive(0, layout=False, repaint=False)

    class Chosen(Message):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def watch_model(self) -> None:
        self.repaint()

    def watch_current(self) -> None:
        self.repaint()

    def _first(self, height: int) -> int:
        """The current one is always in sight."""
        return max(0, min(self.current - height // 2, len(self.model) - height))

    def draw(self, width: int, height: int) -> Sequence[Row]:
        first = self._first(height)
        return [
            self._row(index, line, width)
            for index, line in enumerate(self.model[first : first + height], start=first)
        ]

    def _row(self, index: int, line: SectionLine, width: int) -> Row:
        here = index == self.current
        number = str(index + 1) if index < DIGITS else " "
        shape, role = STATUS.get(line.mark, (" ", "text"))
        return (
            Span(f" {glyphs.CURSOR}" if here else "  ", "accent"),
            Span(f"{number} ", "key" if not here else "accent"),
            cell(line.title, max(1, width - 7), "strong" if here else "text"),
            Span(f" {shape} ", role),
        )

    def on_click(self, event: events.Click) -> None:
        index = self._first(self.content_size.height) + event.y
        if index < len(self.model):
            self.post_message(self.Chosen(index))
