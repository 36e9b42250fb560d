"""The preflight checklist: a cursor, and what there is to say about the check under it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive

from tui.render.checks import area_rows, block_rows, check_row
from tui.render.paint import Row, Span
from tui.text import crop_parts
from tui.viewmodel.preflight import PreflightList, PreflightRow
from tui.widgets.panel import ScrollingPanel

#: rows of the list that stay, whatever the check under the cursor has to say
LIST_LEAST = 3


class PreflightPanel(ScrollingPanel):
    """`details`: every check with all there is to say about it (zoomed). The cursor stays on its check
    however the list is sorted anew; until a person moves it, it stands on the first row."""

    TITLE = "Preflight"

    model: reactive[PreflightList] = reactive(PreflightList((), ""), layout=False, repaint=False)
    #: what stands there without a check
    empty: reactive[str] = reactive("", layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chosen: str | None = None
        self._top = 0

    def watch_model(self) -> None:
        self.repaint()

    def watch_empty(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        role = "accent" if self.model.running else "dim"
        room = self.content_size.width - len(self.TITLE) - 9
        said = crop_parts(self.model.summary, room) if room > 8 else ""
        return (Span(said, role),) if said else ()

    # ----------------------------------------------------------------- the cursor

    @property
    def cursor(self) -> int:
        names = [row.name for row in self.model.rows]
        return names.index(self._chosen) if self._chosen in names else 0

    @property
    def selected(self) -> PreflightRow | None:
        """The check under the cursor."""
        return self.model.rows[self.cursor] if self.model.rows else None

    @property
    def moved(self) -> bool:
        """Has a person chosen a check?"""
        return self._chosen is not None

    def forget_cursor(self) -> None:
        self._chosen, self._top = None, 0
        self.repaint()

    def _go(self, at: int) -> None:
        if self.model.rows:
            at = max(0, min(len(self.model.rows) - 1, at))
            self._chosen = self.model.rows[at].name
            self.repaint()

    def scroll_rows(self, rows: int) -> None:
        self._go(self.cursor + rows)

    def scroll_to_start(self) -> None:
        self._go(0)

    def scroll_to_end(self) -> None:
        self._go(len(self.model.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        if not self.details and event.y >= 1:
            self._go(self._top + event.y - 1)

    # ----------------------------------------------------------------- drawing

    def content(self, width: int, height: int) -> Sequence[Row]:
        rows = self.model.rows
        if not rows:
            return ((Span(f" {self.empty}", "dim"),),)
        longest = max(cell_len(row.title) for row in rows)
        if self.details:
            return self._blocks(width, height, longest)
        area: list[Row] = []
        selected = self.selected
        if self.has_focus and selected is not None and height > LIST_LEAST + 2:
            area = area_rows(selected, width, min(height - LIST_LEAST, max(4, height * 3 // 5)))
        return [*self._list(width, height - len(area), longest), *area]

    def _list(self, width: int, height: int, longest: int) -> list[Row]:
        rows, cursor = self.model.rows, self.cursor
        room = height if len(rows) <= height else height - 1
        self._top = max(0, min(self._top, cursor, len(rows) - room))
        self._top = max(self._top, cursor - room + 1) if cursor >= room else 0
        shown = [
            check_row(row, width, longest, self.has_focus and self._top + i == cursor)
            for i, row in enumerate(rows[self._top : self._top + room])
        ]
        if room < height:
            hidden = len(rows) - self._top - room
            said = f" … {hidden} more" if hidden else " … the end"
            shown.append((Span(said, "dim"),))
        else:
            shown += [()] * (height - len(shown))
        return shown

    def _blocks(self, width: int, height: int, longest: int) -> list[Row]:
        """All checks with their details; the one under the cursor is in sight, as far as it fits."""
        cursor = self.cursor
        lines: list[Row] = []
        first = last = 0
        for index, row in enumerate(self.model.rows):
            block = block_rows(row, width, longest, index == cursor)
            if index == cursor:
                first, last = len(lines), len(lines) + len(block)
            lines += block
        top = self.window(len(lines), height, 0) if not self.moved else self._last_top
        top = max(min(top, first, len(lines) - height), min(first, last - height), 0)
        self._last_top = top
        return lines[top : top + height]


class SmokePanel(PreflightPanel):
    """The verdict of a smoke test, line by line."""

    TITLE = "Smoke test"
