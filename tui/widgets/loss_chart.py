"""The loss of the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.render.loss import ASCII, DOTS, FILL, Plot, draw_loss
from tui.render.loss_cursor import with_cursor
from tui.render.paint import Row, Span
from tui.render.scale import Range, data_range, sticky_range
from tui.viewmodel.chart import ChartModel
from tui.widgets.panel import Panel


class LossChart(Panel):
    """`cursor`: a true step that is pointed at, None: none is; `pointed`: what is said of it, from the
    most words to the fewest, instead of where the losses come from."""

    TITLE = "Loss"

    model: reactive[ChartModel] = reactive(ChartModel(), layout=False, repaint=False)
    cursor: reactive[int | None] = reactive(None, layout=False, repaint=False)
    pointed: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._scale: Range | None = None
        self._drawn: dict[tuple[object, ...], Plot] = {}

    def watch_model(self) -> None:
        self._drawn.clear()
        self.repaint()

    def watch_cursor(self) -> None:
        self.repaint()

    def watch_pointed(self) -> None:
        self.repaint()

    def forget(self) -> None:
        """Another run: its y range is its own."""
        self._scale = None
        self.point(None)

    def point(self, step: int | None, words: tuple[str, ...] = ()) -> None:
        """Point at a true step; None: at nothing."""
        self.cursor, self.pointed = step, words

    @property
    def plot_width(self) -> int:
        """Columns that the steps are drawn in."""
        left = max((plot.left for plot in self._drawn.values()), default=5)
        return max(1, self.content_size.width - left - 1)

    def title_value(self) -> Row:
        return (Span(self.model.value, "strong"),) if self.model.value else ()

    def note(self) -> Row:
        if self.model.read_fraction < 1:
            return (Span(f"reading, {self.model.read_fraction * 100:.0f} %", "accent"),)
        model = self.model
        room = self.content_size.width - len(self.TITLE) - len(model.value) - 12
        if self.cursor is not None and self.pointed:
            said = next((text for text in self.pointed if len(text) <= room), "")
            return (Span(said, "accent"),) if said else ()
        source = f", {model.source}" if model.source else ""
        wanted = [*(told + source for told in model.told[:1]), *model.told, model.source]
        said = next((text for text in wanted if 0 < len(text) <= room), "")
        return (Span(said, "dim"),) if said else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        wanted = data_range(self.model.buckets)
        if self.model.buckets:
            self._scale = sticky_range(self._scale, wanted)
        scale = self._scale or Range(0.0, 1.0)
        style = ASCII if self.plasma.ascii else FILL if self.plasma.can_tint else DOTS
        # drawing takes longer than all else that a key asks for (9 ms at 120x40), and the drawer and
        # the focus come back to the same sizes
        key = (width, height, scale, style)
        if key not in self._drawn:
            self._drawn[key] = draw_loss(self.model, width, height, scale, style)
        rows = with_cursor(self._drawn[key], self.model, width, self.cursor)
        if self.model.buckets:
            return rows
        empty: Row = (Span(" no loss yet", "dim"),)
        if self.model.end_step <= 1 or len(rows) < 3:
            return (empty,)
        middle = len(rows) // 2 - 1
        said: Row = (*rows[middle][:2], *empty)
        return (*rows[:middle], said, *rows[middle + 1 :])
