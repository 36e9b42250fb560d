"""One picture as large as fits, or the sentence that stands for it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.images.store import Made
from tui.render.paint import Row, Span, row_width
from tui.text import wrap
from tui.widgets.pictured import Pictured


class Picture(Pictured):
    """`model` None: not there yet. `instead`: lines that are shown when there are to be no pictures."""

    model: reactive[Made | None] = reactive(None, layout=False, repaint=False)
    instead: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_instead(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if self.instead:
            said = [line for text in self.instead for line in wrap(text, max(8, width - 2))]
            return [(Span(f" {line}", "dim"),) for line in said]
        made = self.model
        if made is None:
            return ()
        if made.problem:
            lines = wrap(made.problem, max(8, width - 2))
            return [(), *((Span(f" {line}", "warn"),) for line in lines)]
        return _middle(made.rows, width)


def _middle(rows: Sequence[Row], width: int) -> list[Row]:
    """At the top, so that the eye finds it where it was; in the middle from left to right."""
    left = max(0, (width - (row_width(rows[0]) if rows else 0)) // 2)
    return [(Span(" " * left), *row) if left else row for row in rows]
