"""Rows that somebody else made: headings of screens, help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tui.render.paint import Row
from tui.widgets.painted import Painted


class Lines(Painted):
    """Shows what `make(width, height)` returns; `repaint()` after what it depends on has changed."""

    def __init__(self, make: Callable[[int, int], Sequence[Row]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make = make

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return self._make(width, height)
