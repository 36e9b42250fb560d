"""The name, in a place of its own: it never changes, so it is never sent again with the header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tui.render.header import wordmark
from tui.render.paint import Row, Span
from tui.widgets.painted import Painted


class Wordmark(Painted):
    GROUND: ClassVar[str] = "surface"

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return ((Span(" "), *wordmark(), Span(" ")),)
