"""The verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.header import fits, verdict_rows
from tui.render.paint import Row
from tui.viewmodel.clauses import Verdict
from tui.viewmodel.verdict import verdict_of
from tui.widgets.painted import Painted


class VerdictLines(Painted):
    model: reactive[Verdict] = reactive(verdict_of(None, 0.0), layout=False, repaint=False)

    def watch_model(self) -> None:
        self._fit()
        self.repaint()

    def on_resize(self) -> None:
        self._fit()
        super().on_resize()

    def _fit(self) -> None:
        """Only an alarm, its end, and another run ever change the height."""
        width = self.content_size.width
        wanted = self.model.long or (
            self.model.urgent and width > 0 and not fits(self.model, width)
        )
        self.set_class(wanted, "-long")

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return verdict_rows(self.model, width, height)
