"""A summary as one flowing document, with a place in it and a chosen checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render.document import Drawn, draw_document
from tui.render.loss import ASCII, DOTS, FILL
from tui.render.paint import Row, Span
from tui.text import clean, wrap
from tui.viewmodel.summary import Pick, SummaryModel
from tui.widgets.painted import Painted


class DocumentView(Painted, can_focus=True):
    """`model` None: nothing is there yet, and `told` says why."""

    model: reactive[SummaryModel | None] = reactive(None, layout=False, repaint=False)
    told: reactive[str] = reactive("Reading the run.", layout=False, repaint=False)

    class Moved(Message):
        """It shows another place."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._top = 0
        self._chosen = 0
        self._drawn = Drawn((), ())
        self._drawn_for: tuple[object, ...] = ()

    def watch_model(self) -> None:
        self.repaint()

    def watch_told(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- what is where

    @property
    def section(self) -> int:
        """The one at the top of the window."""
        starts = self._drawn.starts
        return max((i for i, start in enumerate(starts) if start <= self._top), default=0)

    @property
    def fraction(self) -> float:
        """How much of it lies above the lower edge of the window."""
        total = len(self._drawn.rows)
        return min(1.0, (self._top + self.content_size.height) / total) if total else 0.0

    @property
    def pick(self) -> Pick | None:
        picks = self.model.picks if self.model is not None else ()
        return picks[min(self._chosen, len(picks) - 1)] if picks else None

    # ----------------------------------------------------------------- moving

    def scroll_rows(self, by: int) -> None:
        self._go(self._top + by, self._last_top())

    def turn_page(self, pages: int) -> None:
        self.scroll_rows(pages * max(1, self.content_size.height - 2))

    def to_edge(self, start: bool) -> None:
        self._go(0 if start else self._last_top(), self._last_top())

    def to_section(self, index: int) -> None:
        """Its heading stands at the top then, even if what follows does not fill the window."""
        starts = self._drawn.starts
        if starts:
            index = max(0, min(len(starts) - 1, index))
            self._go(starts[index] if index else 0, starts[-1])

    def choose(self, index: int) -> None:
        """That pick has the cursor, and is in sight."""
        if self.model is None or not self.model.picks:
            return
        self._chosen = index % len(self.model.picks)
        self._draw_again()
        first, last = self._drawn.picks[self._chosen]
        height = self.content_size.height
        section = self.model.best_section
        start = self._drawn.starts[section] if section is not None else first
        # the heading stays in sight as long as the pick does, too
        top = start if last - start < height else min(first, max(0, last - height + 1))
        self._go(top, max(top, self._last_top()))

    def choose_next(self) -> None:
        self.choose(self._chosen + 1)

    def choose_again(self) -> None:
        self.choose(self._chosen)

    @property
    def pick_in_sight(self) -> bool:
        spans = self._drawn.picks
        if not spans or self._chosen >= len(spans):
            return False
        return self._top <= spans[self._chosen][0] < self._top + self.content_size.height

    def _last_top(self) -> int:
        return max(0, len(self._drawn.rows) - self.content_size.height)

    def _go(self, top: int, most: int) -> None:
        self._top = max(0, min(top, max(most, self._last_top())))
        self.repaint()
        self.post_message(self.Moved())

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if self.model is None:
            lines = wrap(clean(self.told, 600), max(4, width - 4))
            return [(), *((Span("   "), Span(line, "dim")) for line in lines)]
        self._draw_again()
        return self._drawn.rows[self._top : self._top + height]

    def _draw_again(self) -> None:
        """Only if something it depends on has changed; another width keeps the section in sight."""
        width, height = self.content_size
        if self.model is None or width <= 0:
            return
        style = ASCII if self.plasma.ascii else FILL if self.plasma.can_tint else DOTS
        wanted = (self.model, width, height, self._chosen, style)
        if wanted == self._drawn_for:
            return
        before, section = self._drawn, self.section
        resized = bool(self._drawn_for) and self._drawn_for[1] != width
        self._drawn = draw_document(self.model, width, height, self._chosen, style)
        self._drawn_for = wanted
        if resized and section < len(before.starts):
            offset = self._top - before.starts[section]
            self._top = max(0, self._drawn.starts[section] + min(offset, 0))
        self._top = min(self._top, max(self._last_top(), (*self._drawn.starts, 0)[-2]))

    # ----------------------------------------------------------------- keys and mouse

    def on_key(self, event: events.Key) -> None:
        """A digit goes to its section; a line in the table of keys stands for all of them."""
        if event.key in "123456789":
            event.stop()
            event.prevent_default()
            self.to_section(int(event.key) - 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        """A click on a checkpoint chooses it."""
        row = self._top + event.y
        for index, (first, last) in enumerate(self._drawn.picks):
            if first <= row <= last:
                self._chosen = index
                self.repaint()
