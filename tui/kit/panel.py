"""A panel: a rule with its title, content under it, and a scroll position of its own."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive

from tui.kit import glyphs
from tui.kit.paint import Row, Span, row_width
from tui.kit.painted import Painted
from tui.text import crop

UNREAD: tuple[Row, ...] = ((Span(" unknown", "dim"),),)


class Panel(Painted, can_focus=True):
    """Subclasses give `TITLE`, `note()` (right end of the rule) and `content(width, height)`."""

    TITLE = ""
    #: what it shows could not be read: it claims nothing
    unread: reactive[bool] = reactive(False, layout=False, repaint=False)

    def note(self) -> Row:
        """Shown at the right end of the rule."""
        return ()

    def title_value(self) -> Row:
        """Shown right of the title."""
        return ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        raise NotImplementedError

    def draw(self, width: int, height: int) -> Sequence[Row]:
        content = UNREAD if self.unread else self.content(width, height - 1)
        return (self._heading(width), *content)

    def watch_unread(self) -> None:
        self.repaint()

    def _heading(self, width: int) -> Row:
        """The title in the rule; a heavy rule shows the focus without colour."""
        rule = glyphs.RULE_FOCUS if self.has_focus else glyphs.RULE
        role = "title" if self.has_focus else "faint"
        head: Row = (Span(rule, role), Span(f" {crop(self.TITLE, width - 4)} ", "title"))
        value, note = ((), ()) if self.unread else (self.title_value(), self.note())
        if value and row_width(head) + row_width(value) + 2 <= width:
            head = (*head, *value, Span(" ", "text"))
        tail: Row = ()
        if note and row_width(head) + row_width(note) + 5 <= width:
            tail = (Span(" ", "text"), *note, Span(" ", "text"), Span(rule, role))
        room = width - row_width(head) - row_width(tail)
        return (*head, Span(rule * max(0, room), role), *tail)

    def watch_has_focus(self, has_focus: bool) -> None:
        """The heading shows it. (`on_focus` would come too early: Textual calls handlers of derived
        classes before its own that sets `has_focus`; its styles of a focus we have no rules for.)"""
        self.repaint()


class ScrollingPanel(Panel):
    """A panel with more rows than fit: follows on its own until a person scrolls."""

    #: what does not grow has no end to follow: it is read from its start
    FOLLOWS = True

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._offset: int | None = None
        self._last_top = 0
        self._last_max = 0

    def window(self, total: int, height: int, anchor: int) -> int:
        """The first row shown; `anchor` is the row that must be in sight while following."""
        self._last_max = max(0, total - height)
        follow = max(0, min(self._last_max, anchor - height + 1))
        top = follow if self._offset is None else max(0, min(self._last_max, self._offset))
        self._last_top = top
        return top

    @property
    def following(self) -> bool:
        return self._offset is None

    def scroll_rows(self, rows: int) -> None:
        """Move by rows; reaching the end starts to follow again."""
        wanted = self._last_top + rows
        at_end = wanted >= self._last_max and rows > 0
        self._offset = self._end() if at_end else max(0, wanted)
        self.repaint()

    def turn_page(self, pages: int) -> None:
        self.scroll_rows(pages * self.page())

    def _end(self) -> int | None:
        return None if self.FOLLOWS else self._last_max

    def scroll_to_end(self) -> None:
        self._offset = self._end()
        self.repaint()

    def scroll_to_start(self) -> None:
        self._offset = 0
        self.repaint()

    def page(self) -> int:
        return max(1, self.content_size.height - 2)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)
