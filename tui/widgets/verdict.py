"""The verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.header import verdict_rows
from tui.render.paint import Row
from tui.viewmodel.clauses import Verdict
from tui.viewmodel.verdict import verdict_of
from tui.widgets.painted import Painted


class VerdictLines(Painted):
    model: reactive[Verdict] = reactive(verdict_of(None, 0.0), layout=False, repaint=False)

    def watch_model(self) -> None:
        # only a run's end, and another run, ever change the height
        self.set_class(self.model.long, "-long")
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return verdict_rows(self.model, width, height)
