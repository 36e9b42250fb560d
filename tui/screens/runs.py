"""All runs of this machine: letters are commands, `/` filters, Enter opens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer
from textual.worker import get_current_worker

from runner.model import RunListing
from runner.model.units import count
from tui.asking import ask
from tui.keys import bindings, footer_keys
from tui.render import glyphs
from tui.render.footer import FooterKey
from tui.render.header import wordmark
from tui.render.paint import Row, Span, ends
from tui.render.runs import DOWN, UP
from tui.screens.run_orders import RunOrders
from tui.viewmodel.run_board import Entry, RunBoard
from tui.viewmodel.run_details import Glance, details, glance_of
from tui.viewmodel.runs import name_of
from tui.widgets.filter_line import TYPING_FOOTER, FilterLine
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
#: a live run's losses are read again no sooner
LIVE_S = 10.0


class RunGlanced(Message):
    def __init__(self, entry: Entry, glance: Glance) -> None:
        super().__init__()
        self.entry, self.glance = entry, glance


class RunsScreen(RunOrders):
    WHERE = "runs"
    BINDINGS: ClassVar = bindings("runs")

    def __init__(self) -> None:
        super().__init__()
        self.board = RunBoard()
        self._glances: dict[str, Glance] = {}
        #: by id: the entry that was read, and when
        self._read_at: dict[str, tuple[Entry, float]] = {}
        self._rest: Timer | None = None
        self._asked_at: float | None = None

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield FilterLine("#runs", "words, or tag:good state:failed project:fox")
        yield RunList(id="runs")
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
            backend = self.plasma.backend
            ask(self, lambda: tuple(backend.list_runs()), self.take, self._not_listed, alone="runs")

    def read_again(self) -> None:
        self._asked_at = None
        self._read()

    def _not_listed(self, problem: str) -> None:
        self._asked_at = None
        self.say(problem, "bad", None)
        self._show()

    def take(self, listings: tuple[RunListing, ...]) -> None:
        """Show these runs."""
        self._asked_at = None
        if self.board.take(listings):
            self.query_one(RunList).empty = "No run matches." if listings else "No runs yet."
        self._show()

    def _show(self, *, typed: bool = False) -> None:
        board, runs = self.board, self.query_one(RunList)
        look = ListLook(
            self.plasma.clock(), board.sort.name, board.down, frozenset(board.marks), board.columns,
            self._glances,
        )  # fmt: skip
        runs.show(board.lines(), look, typed=typed)
        self._show_details()
        self.query_one("#top", Lines).repaint()
        self._look_closer_soon()

    # ----------------------------------------------------------------- the run under the cursor

    def under_cursor(self) -> Entry | None:
        return self.query_one(RunList).entry

    def on_run_list_moved(self) -> None:
        self._show_details()
        self._look_closer_soon()

    def _look_closer_soon(self) -> None:
        """Once the keys rest."""
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
            shown.model = (
                name_of(entry.listing),
                place,
                details(entry, self._glances.get(entry.key)),
            )

    def _look_closer(self) -> None:
        """Read the runs in sight whose files have changed."""
        wanted = [one for one in self.query_one(RunList).in_sight() if self._stale(one)]
        if wanted and self.is_current:
            self._read_glances(wanted)

    def _stale(self, entry: Entry) -> bool:
        seen, at = self._read_at.get(entry.key, (None, 0.0))
        waited = not entry.live or time.monotonic() - at >= LIVE_S
        return seen is None or (seen is not entry and waited)

    @work(thread=True, exclusive=True, group="glance", exit_on_error=False)
    def _read_glances(self, entries: Sequence[Entry]) -> None:
        backend, worker = self.plasma.backend, get_current_worker()
        for entry in entries:
            if worker.is_cancelled:
                return
            try:
                glance = glance_of(entry.key, backend.glance(backend.run_path(entry.key)))
            except Exception:  # border: the row itself says what is wrong with the run
                glance = Glance(entry.key)
            self.post_message(RunGlanced(entry, glance))

    def on_run_glanced(self, message: RunGlanced) -> None:
        key = message.entry.key
        self._read_at[key] = (message.entry, time.monotonic())
        if message.glance != self._glances.get(key):
            self._glances[key] = message.glance
            self._show_details()
            self.query_one(RunList).repaint()

    # ----------------------------------------------------------------- the rows around the list

    def _top(self, width: int, height: int) -> Sequence[Row]:
        left: Row = (Span(" "), *wordmark(), Span("  "), Span("runs", "strong"))
        right = self._counts(width)
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
            FooterKey(key.display, key.label, key.action, key.worth)
            for key in footer_keys("runs", "app")
        )

    def on_descendant_focus(self) -> None:
        """While a filter is typed, letters are text."""
        typing = self.query_one(FilterLine).typing
        self.query_one(KeyFooter).model = TYPING_FOOTER if typing else self._footer()

    # ----------------------------------------------------------------- keys

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        self.board.type(message.text)
        self._show(typed=True)

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        self.plasma.open_by_id(message.key)

    def action_open(self) -> None:
        self.query_one(RunList).choose()

    def action_back(self) -> None:
        self.hush()
        if self.query_one(FilterLine).clear():
            return
        if self.board.marks:
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
