"""Runs in rows, told apart by their id: the cursor stays on its run however the list changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render.paint import Row, Span
from tui.render.runs import EVERY, Column, group_head, run_columns, run_head, run_row
from tui.viewmodel.run_board import Entry, Head, Line
from tui.viewmodel.run_details import Glance
from tui.viewmodel.runs import row_of
from tui.widgets.painted import Painted


@dataclass(frozen=True, slots=True)
class ListLook:
    """What the rows depend on beside the runs: the clock, the order, the marks, the columns in use, and
    what was read of single runs."""

    now: float = 0.0
    sort: str = "when"
    down: bool = True
    marks: frozenset[str] = frozenset()
    columns: frozenset[str] = EVERY
    #: by id, of the runs that have been in sight
    glances: Mapping[str, Glance] = field(default_factory=dict)


class RunList(Painted, can_focus=True):
    """Only the rows in sight are ever made."""

    empty: reactive[str] = reactive("Reading the runs.", layout=False, repaint=False)

    class Chosen(Message):
        """Enter, or a second click, on a run."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor stands on another run, or on none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: tuple[Line, ...] = ()
        self.look = ListLook()
        self._key: str | None = None
        self._at = 0
        self._top = 0

    def watch_empty(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- the model

    def show(self, lines: tuple[Line, ...], look: ListLook, *, typed: bool = False) -> None:
        """Another list. The cursor stays on its run, and that run where it stands on the screen; is it
        gone, the cursor goes to its neighbour, or to the first one if the filter was `typed`."""
        self.look = look
        if lines is not self.lines:
            self.lines = lines
            at = self._place_of(self._key)
            if at is None:
                self._go(self._entry_at(0 if typed else self._at))
            else:
                if self._top > 0:
                    self._top += at - self._at
                self._at = at
        self.repaint()

    def _place_of(self, key: str | None) -> int | None:
        if key is None:
            return None
        found = (i for i, line in enumerate(self.lines) if line.__class__ is Entry)
        return next((i for i in found if self.lines[i].key == key), None)  # type: ignore[union-attr]

    def _entry_at(self, at: int, by: int = 1) -> int:
        """The nearest line that is a run, in the direction `by` first; heads are stepped over."""
        last = len(self.lines) - 1
        at = max(0, min(last, at))
        step = 1 if by >= 0 else -1
        for way in (step, -step):
            i = at
            while 0 <= i <= last:
                if not isinstance(self.lines[i], Head):
                    return i
                i += way
        return 0

    def _go(self, at: int) -> None:
        self._at = at
        before, self._key = self._key, None
        if self.lines:
            line = self.lines[at]
            self._key = line.key if isinstance(line, Entry) else None
        if self._key != before:
            self.post_message(self.Moved())

    def point_to(self, key: str) -> None:
        """The cursor starts on this run, if it is listed."""
        self._key = key

    @property
    def entry(self) -> Entry | None:
        """The run under the cursor."""
        line = self.lines[self._at] if self._at < len(self.lines) else None
        return line if isinstance(line, Entry) else None

    def in_sight(self) -> list[Entry]:
        """The runs whose rows are on the screen, that under the cursor first."""
        shown = self.lines[self._top : self._top + max(1, self.content_size.height - 1)]
        runs = [line for line in shown if isinstance(line, Entry)]
        return sorted(runs, key=lambda one: one.key != self._key)

    @property
    def place(self) -> str:
        """`12 of 5000`: which of the shown runs it is."""
        if self.entry is None:
            return ""
        heads = sum(line.__class__ is Head for line in self.lines[: self._at])
        total = sum(line.__class__ is Entry for line in self.lines)
        return f"{self._at - heads + 1} of {total}"

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.lines:
            return ((Span(f"   {self.empty}", "dim"),),)
        body = max(1, height - 1)
        self._top = max(0, min(self._top, self._at, len(self.lines) - body))
        self._top = max(self._top, self._at - body + 1)
        if self._top == 1 and self._at == 1 < body:
            self._top = 0  # the head over the first run
        columns = run_columns(width, self.look.columns)
        rows = [run_head(width, columns, self.look.sort, self.look.down)]
        for i, line in enumerate(self.lines[self._top : self._top + body], self._top):
            rows.append(self._row(line, width, columns, i == self._at))
        return rows

    def _row(self, line: Line, width: int, columns: tuple[Column, ...], selected: bool) -> Row:
        if isinstance(line, Head):
            return group_head(line, width)
        glance = self.look.glances.get(line.key)
        row = row_of(line.listing, self.look.now, glance.curve if glance is not None else None)
        marked = line.key in self.look.marks
        return run_row(row, width, columns, selected=selected, marked=marked)

    # ----------------------------------------------------------------- moving

    def move(self, by: int) -> None:
        if self.lines:
            self._go(self._entry_at(self._at + by, by))
            self.repaint()

    def page(self) -> int:
        return max(1, self.content_size.height - 2)

    def to_edge(self, *, end: bool) -> None:
        self.move(len(self.lines) if end else -len(self.lines))

    def choose(self) -> None:
        if self.entry is not None:
            self.post_message(self.Chosen(self.entry.key))

    # ----------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        at = self._top + event.y - 1
        if event.y < 1 or at >= len(self.lines) or isinstance(self.lines[at], Head):
            return
        again = at == self._at
        self._go(at)
        self.repaint()
        if again:
            self.choose()

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
