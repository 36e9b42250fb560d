"""The trainer's console output."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.reactive import reactive

from tui.kit.paint import Row, Span, fit
from tui.kit.panel import ScrollingPanel
from tui.text import clean, wrap

# ---------------------------------------------------------------------------
# Console lines as rows, wrapped or cut; levels are coloured as well.

#: time and level of a rich log record, as sd-scripts prints them (facts: console output, log lines)
_RECORD = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\s{19}) (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+"
)
#: rich pads a record to the console's width (500 columns here) and ends it with its source
_SOURCE = re.compile(r"\s{2,}(\S+\.py:\d+)$")
#: a tqdm bar: the text before it, its blocks, the numbers after it
_BAR = re.compile(r"^(.*\d%\|)([^|]*)(\|.*)$")
_ROLES = {"WARNING": "warn", "ERROR": "bad", "CRITICAL": "bad"}
_TROUBLE = re.compile(r"^(Traceback \(most recent|\w*(Error|Exception)\b.*: )")


def console_rows(line: str, width: int, wrapped: bool) -> list[Row]:
    """One line of the log as rows; wrapped ones hang by two cells."""
    text = clean(line).rstrip()
    if not wrapped:
        return [fit((Span(" "), *_spans(_SOURCE.sub("", text))), width)]
    text = _SOURCE.sub(r"  \1", text)
    rows = wrap(text, max(1, width - 2), "  ")
    first: Row = (Span(" "), *_spans(rows[0]))
    return [fit(first, width), *((Span(" "), Span(part, "dim")) for part in rows[1:])]


def _spans(text: str) -> Row:
    found = _RECORD.match(text)
    if found:
        role = _ROLES.get(found["level"], "text")
        head = Span(text[: found.start("level")], "dim")
        level = Span(found["level"].ljust(9), role if role != "text" else "dim")
        return (head, level, Span(text[found.end() :], role))
    if _TROUBLE.match(text):
        return (Span(text, "bad"),)
    bar = _BAR.match(text)
    if bar:
        return (Span(bar[1], "text"), Span(bar[2], "band-edge"), Span(bar[3], "text"))
    if text.startswith("--- plasma-tui"):
        return (Span(text, "title"),)
    return (Span(text, "text"),)


# ---------------------------------------------------------------------------
# The trainer's console: follows its end until a person scrolls back.

#: lines that are laid out; the reader hands out a bounded tail anyway
MAX_LINES = 2000


class ConsolePanel(ScrollingPanel):
    """`model`: the newest lines, oldest first. `wrapped`: long lines take several rows."""

    TITLE = "Console"

    model: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)
    wrapped: reactive[bool] = reactive(False, layout=False, repaint=False)
    #: what its key does now
    hint: reactive[str] = reactive("", layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._cache: dict[tuple[str, int, bool], list[Row]] = {}

    def watch_model(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        if not self.following:
            self._keep_place(before, after)
        self.repaint()

    def watch_hint(self) -> None:
        self.repaint()

    def watch_wrapped(self) -> None:
        self._cache.clear()
        self.repaint()

    def _keep_place(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """The tail is bounded: lines that fell off its start must not move what is being read."""
        if not before or not after or self._offset is None:
            return
        dropped = _dropped(before, after)
        gone = sum(len(self._rows_of(line)) for line in before[:dropped])
        self._offset = max(0, self._offset - gone)

    def note(self) -> Row:
        if not self.following:
            return (Span("scrolled back, end follows again", "accent"),)
        return (Span(self.hint, "dim"),) if self.hint else ()

    def _rows_of(self, line: str) -> list[Row]:
        key = (line, self.content_size.width, self.wrapped)
        rows = self._cache.get(key)
        if rows is None:
            if len(self._cache) > 2 * MAX_LINES:
                self._cache.clear()
            rows = console_rows(line, self.content_size.width, self.wrapped)
            self._cache[key] = rows
        return rows

    def content(self, width: int, height: int) -> Sequence[Row]:
        if not self.model:
            return ((Span(" nothing printed yet", "dim"),),)
        if self.following:
            return self._tail(height)
        rows = [row for line in self.model[-MAX_LINES:] for row in self._rows_of(line)]
        top = self.window(len(rows), height, len(rows))
        return rows[top : top + height]

    def _tail(self, height: int) -> Sequence[Row]:
        """The end alone, so that a tick never lays out the complete log."""
        rows: list[Row] = []
        for line in reversed(self.model):
            if not self.wrapped and not line.strip():
                continue  # the strip is short: blank lines are for the drawer
            rows[:0] = self._rows_of(line)
            if len(rows) >= height:
                break
        return rows[-height:]

    def scroll_rows(self, rows: int) -> None:
        if self.following:
            if rows > 0:
                return
            total = sum(len(self._rows_of(line)) for line in self.model[-MAX_LINES:])
            height = max(1, self.content_size.height - 1)
            self._last_max = max(0, total - height)
            self._last_top = self._last_max
        super().scroll_rows(rows)


def _dropped(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many lines of `before` are no longer at the start of `after`."""
    head = after[: min(3, len(after))]
    for index in range(len(before)):
        if before[index : index + len(head)] == head:
            return index
    return 0
