"""The verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.header import rows_wanted, verdict_rows
from tui.render.paint import Row
from tui.viewmodel.clauses import Verdict
from tui.viewmodel.verdict import verdict_of
from tui.widgets.painted import Painted

#: rows that an alarm may take
MOST = 4


class VerdictLines(Painted):
    model: reactive[Verdict] = reactive(verdict_of(None, 0.0), layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows_given = 2

    def watch_model(self) -> None:
        self._fit()
        self.repaint()

    def on_resize(self) -> None:
        self._fit()
        super().on_resize()

    def _fit(self) -> None:
        """Only an alarm, its end, and another run ever change the height."""
        self.set_class(self.model.long, "-long")
        width = self.content_size.width
        rows = min(MOST, rows_wanted(self.model, width)) if self.model.urgent and width else 2
        if rows == self._rows_given:
            return
        self._rows_given = rows
        if rows > 2:
            self.styles.height = rows
        else:
            self.styles.clear_rule("height")

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return verdict_rows(self.model, width, height)
