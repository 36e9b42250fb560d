"""The preflight checklist: before a start in full, during a run as it was at the start."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive

from tui.kit import glyphs
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.panel import ScrollingPanel
from tui.text import crop, crop_parts, wrap
from tui.words.checklist import PreflightList, PreflightRow

MARKS = {
    "yes": (glyphs.YES, "good"),
    "no": (glyphs.NO, "bad"),
    "unknown": (glyphs.UNKNOWN, "dim"),
    "none": (glyphs.SKIP, "faint"),
    "warn": (glyphs.WARN, "warn"),
    "skip": (glyphs.SKIP, "dim"),
    "running": (glyphs.WAITING, "accent"),
    "": (" ", "dim"),
}
#: where details begin, under the title
INDENT = 3
#: rows of the list that stay, however long the details of the selected check are
LIST_LEAST = 3


def check_row(row: PreflightRow, width: int, title_width: int, selected: bool = False) -> Row:
    """One line. `title_width`: of the longest title; the evidence gets at least half of the row."""
    shape, _ = MARKS[row.mark]
    size = min(title_width, max(8, width // 2 - 3))
    gap = "  " if width > 40 else " "
    evidence = "dim" if row.role in ("good", "dim") else row.role
    return (
        Span(glyphs.CURSOR, "accent") if selected else Span(" "),
        Span(f"{shape} ", row.role),
        cell(row.title, size),
        Span(gap),
        Span(crop(row.evidence, max(0, width - size - 4 - len(gap))), evidence),
    )


def list_rows(row: PreflightRow, width: int, title_width: int, selected: bool) -> list[Row]:
    """A failed check has its fix under it."""
    rows = [check_row(row, width, title_width, selected)]
    if row.role == "bad" and (row.fix or row.advice):
        key = Span("f: ", "key") if row.fix else Span("")
        text = crop(row.advice or "show the fix", width - INDENT - len(key.text) - 1)
        rows.append((Span(" " * INDENT), key, Span(text, "accent")))
    return rows


def detail_rows(row: PreflightRow, width: int, indent: int = INDENT) -> list[Row]:
    """What was found, what to do about it, and whether a key does it."""
    room = max(8, width - indent - 1)
    lines = [(line, "text") for line in wrap(row.detail, room)] if row.detail else []
    if row.advice:
        lines += [(line, "accent") for line in wrap(f"Fix: {row.advice}", room, "  ")]
    if row.fix:
        lines += [(line, "key") for line in wrap("f shows the fix before it applies it", room)]
    return [(Span(" " * indent), Span(text, role)) for text, role in lines]


def block_rows(row: PreflightRow, width: int, title_width: int, selected: bool) -> list[Row]:
    """A check with its details, where they add something to its line."""
    head = check_row(row, width, title_width, selected)
    if row.detail == row.evidence and not row.advice:
        return [head]
    return [head, *detail_rows(row, width, INDENT + 2)]


def area_rows(row: PreflightRow, width: int, height: int) -> list[Row]:
    """The selected check under the list, in at most `height` rows including the rule above it."""
    title = f" {crop(row.title, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    rows += detail_rows(row, width, 1)
    if len(rows) > height:
        rows = [*rows[: max(0, height - 1)], (Span(" … z shows more", "dim"),)][: max(0, height)]
    return rows or [EMPTY]


class PreflightPanel(ScrollingPanel):
    """`details`: every check with its details (zoomed). The cursor stays on its check when the order changes;
    until a person moves it, it is on the first row."""

    TITLE = "Preflight"

    model: reactive[PreflightList] = reactive(PreflightList((), ""), layout=False, repaint=False)
    #: shown without checks
    empty: reactive[str] = reactive("", layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chosen: str | None = None
        self._top = 0
        #: of each line shown, the index of its check
        self._owners: list[int] = []

    def watch_model(self) -> None:
        self.repaint()

    watch_empty = watch_details = watch_model

    def note(self) -> Row:
        role = "accent" if self.model.running else "dim"
        room = self.content_size.width - len(self.TITLE) - 9
        text = crop_parts(self.model.summary, room) if room > 8 else ""
        return (Span(text, role),) if text else ()

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
        """Has a person selected a check?"""
        return self._chosen is not None

    def forget_cursor(self) -> None:
        self._chosen, self._top = None, 0
        self.repaint()

    def _go(self, at: int) -> None:
        if self.model.rows:
            self._chosen = self.model.rows[max(0, min(len(self.model.rows) - 1, at))].name
            self.repaint()

    def scroll_rows(self, rows: int) -> None:
        self._go(self.cursor + rows)

    def scroll_to_start(self) -> None:
        self._go(0)

    def scroll_to_end(self) -> None:
        self._go(len(self.model.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        if 1 <= event.y <= len(self._owners):
            self._go(self._owners[event.y - 1])

    # ----------------------------------------------------------------- drawing

    def content(self, width: int, height: int) -> Sequence[Row]:
        selected = self.selected
        if selected is None:
            return ((Span(f" {self.empty}", "dim"),),)
        area: list[Row] = []
        if not self.details and self.has_focus and height > LIST_LEAST + 2:
            area = area_rows(selected, width, min(height - LIST_LEAST, max(4, height * 3 // 5)))
        return [*self._list(width, height - len(area)), *area]

    def _list(self, width: int, height: int) -> list[Row]:
        """The check under the cursor is in sight, as far as it fits."""
        longest = max(cell_len(row.title) for row in self.model.rows)
        lines: list[Row] = []
        owners: list[int] = []
        first = last = 0
        for index, row in enumerate(self.model.rows):
            here = index == self.cursor
            made = block_rows if self.details else list_rows
            block = made(row, width, longest, here and (self.has_focus or self.details))
            if here:
                first, last = len(lines), len(lines) + len(block)
            lines += block
            owners += [index] * len(block)
        room = height if len(lines) <= height else max(1, height - 1)
        top = min(self._top, first, len(lines) - room)
        self._top = max(top, min(first, last - room), 0)
        shown = lines[self._top : self._top + room]
        self._owners = owners[self._top : self._top + room]
        if room < height:
            hidden = owners[-1] - self._owners[-1]
            shown.append((Span(f" … {hidden} more" if hidden else " … the end", "dim"),))
        return [*shown, *[EMPTY] * (height - len(shown))]


class SmokePanel(PreflightPanel):
    """The verdict of a smoke test, line by line."""

    TITLE = "Smoke test"
