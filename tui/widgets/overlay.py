"""The losses of several runs in one chart with a cursor, and the tables under it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render.compare import columns_of, head_row, table_rows
from tui.render.overlay import (
    Overlay,
    OverlayModel,
    column_of,
    draw_overlay,
    overlay_rows,
)
from tui.render.overlay_scale import overlay_range
from tui.render.paint import Row, Span
from tui.render.scale import Range, sticky_range
from tui.viewmodel.compare import Table
from tui.widgets.panel import Panel, ScrollingPanel


class Digit(Message):
    """1 to 8: the run whose line is to be hidden or shown again; counts from 0."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index


def _digit_of(event: events.Key) -> int | None:
    character = event.character or ""
    return int(character) - 1 if character in "12345678" and len(character) == 1 else None


class OverlayChart(Panel):
    """`cursor`: a share of the axis; `by` and `place`: the words of the rule, left and right."""

    TITLE = "Loss"

    model: reactive[OverlayModel] = reactive(OverlayModel(), layout=False, repaint=False)
    cursor: reactive[float] = reactive(1.0, layout=False, repaint=False)
    by: reactive[str] = reactive("", layout=False, repaint=False)
    place: reactive[tuple[Row, ...]] = reactive((), layout=False, repaint=False)

    class Pointed(Message):
        """A place of the chart was clicked: a share of the axis."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._scales: dict[tuple[object, ...], Range] = {}
        self._drawn: tuple[tuple[object, ...], Overlay | None] | None = None

    def watch_model(self) -> None:
        self.repaint()

    def watch_cursor(self) -> None:
        self.repaint()

    def watch_by(self) -> None:
        self.repaint()

    def watch_place(self) -> None:
        self.repaint()

    @property
    def room(self) -> int:
        """Columns of the chart itself."""
        made = self._drawn[1] if self._drawn is not None else None
        return made.room if made is not None else 1

    def moved(self, by: int) -> float:
        """The cursor's share of the axis after `by` columns."""
        column = column_of(self.cursor, 1.0, self.room) + by
        return (max(0, min(self.room - 1, column)) + 1) / self.room

    def title_value(self) -> Row:
        return (Span(self.by, "dim"),) if self.by else ()

    def note(self) -> Row:
        """The values at the cursor, else only where it is."""
        room = self.content_size.width - len(self.TITLE) - len(self.by) - 11
        fitting = (row for row in self.place if sum(len(span.text) for span in row) <= room)
        return next(fitting, ())

    def content(self, width: int, height: int) -> Sequence[Row]:
        model = self.model
        if not model.lines:
            return ((), (Span(f" {model.empty}", "dim"),))
        made = self._overlay(width, height)
        if made is None:
            return ((Span(" too small for a chart: z shows it whole", "dim"),),)
        return overlay_rows(made, column_of(self.cursor, 1.0, made.room))

    def _overlay(self, width: int, height: int) -> Overlay | None:
        """All lines, drawn again only when something but the cursor has changed."""
        ascii_only = self.plasma.ascii
        key = (self.model, width, height, ascii_only)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, draw_overlay(self.model, width, height, self._scale(), ascii_only))
        return self._drawn[1]

    def _scale(self) -> Range:
        """Steady while a run goes on; what is hidden or logarithmic has a range of its own."""
        model = self.model
        shown = (model.log, tuple(sorted(line.letter for line in model.lines)))
        scale = sticky_range(self._scales.get(shown), overlay_range(model.lines, model.log))
        self._scales[shown] = scale
        return scale

    def on_click(self, event: events.Click) -> None:
        made = self._drawn[1] if self._drawn is not None else None
        if made is not None and event.y >= 1 and event.x >= made.left:
            share = (min(made.room - 1, event.x - made.left) + 1) / made.room
            self.post_message(self.Pointed(share))

    def on_key(self, event: events.Key) -> None:
        _tell_digit(self, event)


class ComparePanel(ScrollingPanel):
    """A table with a column for each run."""

    FOLLOWS = False

    model: reactive[Table] = reactive(Table(), layout=False, repaint=False)
    said: reactive[str] = reactive("", layout=False, repaint=False)

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.TITLE = title
        self._first = 0

    def watch_model(self) -> None:
        self.repaint()

    def watch_said(self) -> None:
        self.repaint()

    def note(self) -> Row:
        return (Span(self.said, "dim"),) if self.said else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        table = self.model
        if not table.heads or height < 1:
            return ()
        columns = columns_of(table, width, self._first)
        self._first = columns.first
        rows = table_rows(table, columns, width)
        body = max(1, height - 1)
        top = self.window(len(rows), body, 0)
        shown = rows[top : top + body]
        if top + body < len(rows) and shown and body > 2:
            left = len(rows) - top - body + 1
            shown[-1] = (Span(f"   … {left} more, down shows them", "dim"),)
        return (head_row(table, columns, width), *shown)

    def on_key(self, event: events.Key) -> None:
        _tell_digit(self, event)


def _tell_digit(panel: Panel, event: events.Key) -> None:
    index = _digit_of(event)
    if index is not None:
        panel.post_message(Digit(index))
        event.stop()
        event.prevent_default()
