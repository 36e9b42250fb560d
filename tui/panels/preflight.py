"""The checklist, before a start and as it stood at the start."""

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

# ---------------------------------------------------------------------------
# Rows of the preflight. Checkpoints, gauges and runs have files of their own.

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


# --------------------------------------------------------------------------- preflight


def preflight_row(row: PreflightRow, width: int, title_width: int) -> Row:
    """`title_width`: of the longest title; the evidence gets at least half of the row."""
    shape, _ = MARKS[row.mark]
    size = min(title_width, max(8, width // 2 - 3))
    evidence = "dim" if row.role in ("good", "dim") else row.role
    return (
        Span(f" {shape} ", row.role),
        cell(row.title, size),
        Span("  " if width > 40 else " "),
        Span(crop(row.evidence, max(0, width - size - (6 if width > 40 else 5))), evidence),
    )


# ---------------------------------------------------------------------------
# Rows of the preflight checklist: a line a check, and what there is to say about one.

#: where details begin, under the title
INDENT = 3


def check_row(row: PreflightRow, width: int, title_width: int, selected: bool) -> Row:
    """One line; the cursor takes the blank in front of the mark."""
    made = preflight_row(row, width, title_width)
    if not selected:
        return made
    first, *rest = made
    return (Span(glyphs.CURSOR, "accent"), Span(first.text[1:], first.role), *rest)


def detail_rows(row: PreflightRow, width: int, indent: int = INDENT) -> list[Row]:
    """The whole sentence, what can be done about it, and whether a key does it."""
    room = max(8, width - indent - 1)
    lines = [(line, "text") for line in wrap(row.detail, room)] if row.detail else []
    if row.advice:
        lines += [(line, "accent") for line in wrap(f"Cure: {row.advice}", room, "  ")]
    if row.fix:
        lines += [(line, "key") for line in wrap("f shows what the cure would do", room)]
    return [(Span(" " * indent), Span(text, role)) for text, role in lines]


def block_rows(row: PreflightRow, width: int, title_width: int, selected: bool) -> list[Row]:
    """A check with all its details; one that only says again what its line says stays a line."""
    head = check_row(row, width, title_width, selected)
    if row.detail == row.evidence and not row.advice:
        return [head]
    return [head, *detail_rows(row, width, INDENT + 2)]


def area_rows(row: PreflightRow, width: int, height: int) -> list[Row]:
    """The selected check under the list, in at most `height` rows with the rule above it."""
    title = f" {crop(row.title, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    rows += detail_rows(row, width, 1)
    if len(rows) > height:
        rows = rows[: max(0, height)]
        if rows:
            rows[-1] = (Span(" … z shows all of it", "dim"),)
    return rows or [EMPTY]


# ---------------------------------------------------------------------------
# The preflight checklist: a cursor, and what there is to say about the check under it.

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
