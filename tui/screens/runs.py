"""All runs of this machine. Typing filters, Enter opens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from runner.model.units import count
from tui.keys import bindings, footer_keys
from tui.messages import RunsListed
from tui.render import glyphs
from tui.render.footer import FooterKey
from tui.render.header import wordmark
from tui.render.paint import Row, Span, ends, row_width
from tui.render.runs import DOWN, UP
from tui.screens.run_orders import RunOrders
from tui.text import crop_start
from tui.viewmodel.run_board import Entry, RunBoard
from tui.viewmodel.run_details import Glance, details, glance_of
from tui.viewmodel.runs import name_of
from tui.widgets.footer import KeyFooter
from tui.widgets.lines import Lines
from tui.widgets.notice import NoticeLine
from tui.widgets.run_details import RunDetails
from tui.widgets.run_list import ListLook, RunList

REFRESH_S = 2.0
#: a listing that has not come after so long is asked for again
OVERDUE_S = 30.0
#: the cursor rests so long before the files of its run are read
REST_S = 0.2
TYPED_MOST = 80


class RunGlanced(Message):
    def __init__(self, glance: Glance) -> None:
        super().__init__()
        self.glance = glance


class RunsScreen(RunOrders):
    WHERE = "runs"
    TYPING = True
    BINDINGS: ClassVar = bindings("runs")

    def __init__(self) -> None:
        super().__init__()
        self.board = RunBoard()
        self._glance: Glance | None = None
        self._rest: Timer | None = None
        self._asked_at: float | None = None

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield RunList(typing=self.TYPING, id="runs")
        yield RunDetails(id="details")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        runs = self.query_one(RunList)
        runs.focus()
        if self.plasma.run_path is not None:
            runs.point_to(self.plasma.run_path.name)
        self.query_one(KeyFooter).model = self._footer()
        self.set_interval(REFRESH_S, self._read)
        self._read()

    def on_screen_resume(self) -> None:
        self._read()

    # ----------------------------------------------------------------- reading

    def _read(self) -> None:
        """One at a time: on a slow disk listings would pile up."""
        now = time.monotonic()
        waiting = self._asked_at is not None and now - self._asked_at < OVERDUE_S
        if self.is_current and not waiting:
            self._asked_at = now
            self.plasma.read_runs(self)

    def read_again(self) -> None:
        self._asked_at = None
        self._read()

    def on_runs_listed(self, message: RunsListed) -> None:
        self._asked_at = None
        if message.problem is not None:
            self.say(message.problem, "bad", None)
        elif self.board.take(message.listings):
            empty = "No run matches." if message.listings else "No runs yet."
            self.query_one(RunList).empty = empty
        self._show()

    def _show(self, *, typed: bool = False) -> None:
        board, runs = self.board, self.query_one(RunList)
        look = ListLook(
            self.plasma.clock(), board.sort.name, board.down, frozenset(board.marks), board.columns
        )
        runs.show(board.lines(), look, typed=typed)
        self._show_details()
        self.query_one("#top", Lines).repaint()

    # ----------------------------------------------------------------- the run under the cursor

    def under_cursor(self) -> Entry | None:
        return self.query_one(RunList).entry

    def on_run_list_moved(self) -> None:
        self._show_details()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._look_closer)

    def _show_details(self) -> None:
        shown = self.query_one(RunDetails)
        if not shown.display:
            return
        entry = self.under_cursor()
        if entry is None:
            shown.model = ("", "", ())
        else:
            place = self.query_one(RunList).place
            shown.model = (name_of(entry.listing), place, details(entry, self._glance))

    def _look_closer(self) -> None:
        entry = self.under_cursor()
        known = self._glance.key if self._glance is not None else None
        if entry is not None and entry.key != known and self.query_one(RunDetails).display:
            self._read_glance(entry.key)

    @work(thread=True, exclusive=True, group="glance", exit_on_error=False)
    def _read_glance(self, key: str) -> None:
        backend = self.plasma.backend
        try:
            glance = glance_of(key, backend.glance(backend.run_path(key)))
        except (
            Exception
        ):  # border: what cannot be read is not told; the row itself says what is wrong
            glance = Glance(key)
        self.post_message(RunGlanced(glance))

    def on_run_glanced(self, message: RunGlanced) -> None:
        self._glance = message.glance
        self._show_details()

    # ----------------------------------------------------------------- the rows around the list

    def _top(self, width: int, height: int) -> Sequence[Row]:
        left: Row = (Span(" "), *wordmark(), Span("  "), Span("runs", "strong"))
        right = self._counts(width)
        if self.board.typed:
            room = max(8, width - row_width(left) - row_width(right) - 12)
            shown = crop_start(self.board.typed, room)
            left = (*left, Span("  filter ", "dim"), Span(shown + "_", "accent"))
        elif self.TYPING:
            left = (*left, Span("  type to filter", "dim"))
        return (ends(left, right, width), (Span(glyphs.RULE * width, "faint"),))

    def _counts(self, width: int) -> Row:
        """How many, of how many; marks and order where there is room."""
        board = self.board
        if board.listings is None:
            return ()
        all_runs = count(board.total, "run")
        text = all_runs if board.found == board.total else f"{board.found} of {all_runs}"
        spans = [Span(f"{text} ", "dim")]
        if board.live and width >= 60:
            spans.insert(0, Span(f"{glyphs.ACTIVE} {board.live} live  ", "good"))
        if board.marks:
            spans.insert(0, Span(f"{glyphs.WRITTEN} {len(board.marks)} marked  ", "accent"))
        if width >= 72:
            by = f"by {board.sort.name} {DOWN if board.down else UP}  "
            spans.insert(0, Span(by, "dim"))
        return tuple(spans)

    def _footer(self) -> tuple[FooterKey, ...]:
        return tuple(
            FooterKey(key.typed_display, key.label, key.action, key.worth)
            for key in footer_keys("runs", "app")
            if key.typed_display
        )

    # ----------------------------------------------------------------- keys

    def on_run_list_typed(self, message: RunList.Typed) -> None:
        typed = self.board.typed
        typed = typed[:-1] if message.erase else (typed + message.characters)[:TYPED_MOST]
        if typed != self.board.typed:
            self.board.type(typed)
            self._show(typed=True)

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        self.plasma.open_by_id(message.key)

    def action_open(self) -> None:
        self.query_one(RunList).choose()

    def action_back(self) -> None:
        self.hush()
        if self.board.typed:
            self.board.type("")
            self._show(typed=True)
        elif self.board.marks:
            self.board.marks.clear()
            self._show()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_mark(self) -> None:
        """Mark, and on to the next one."""
        entry = self.under_cursor()
        if entry is not None:
            self.board.mark(entry.key)
            self.query_one(RunList).move(1)
            self._show()

    def action_sort(self) -> None:
        self.board.sort_on()
        self._show()

    def action_turn(self) -> None:
        self.board.turn()
        self._show()

    def action_group(self) -> None:
        self.board.group()
        self._show()

    def action_cursor(self, by: int) -> None:
        self.query_one(RunList).move(by)

    def action_page(self, pages: int) -> None:
        runs = self.query_one(RunList)
        runs.move(pages * runs.page())

    def action_edge(self, which: str) -> None:
        self.query_one(RunList).to_edge(end=which == "end")
