"""All runs of this machine. Typing filters, Enter opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen

from runner.model import RunListing
from runner.units import count
from tui.keys import bindings, footer_keys
from tui.messages import RunsListed
from tui.render import glyphs
from tui.render.footer import FooterKey
from tui.render.header import wordmark
from tui.render.paint import Row, Span, ends
from tui.viewmodel.runs import run_rows
from tui.widgets.footer import KeyFooter
from tui.widgets.lines import Lines
from tui.widgets.notice import NoticeLine
from tui.widgets.run_list import RunList

if TYPE_CHECKING:
    from tui.app import PlasmaApp

REFRESH_S = 2.0


class RunsScreen(Screen[None]):
    WHERE = "runs"
    TYPING = True
    BINDINGS: ClassVar = bindings("runs")

    def __init__(self) -> None:
        super().__init__()
        self.listings: tuple[RunListing, ...] | None = None
        self.typed = ""

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield RunList(typing=self.TYPING, id="runs")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        self.query_one(RunList).focus()
        self.query_one(KeyFooter).model = self._footer()
        self.set_interval(REFRESH_S, self._read)
        self._read()

    def on_screen_resume(self) -> None:
        self._read()

    def _read(self) -> None:
        if self.is_current:
            self.plasma.read_runs(self)

    def on_runs_listed(self, message: RunsListed) -> None:
        if message.problem is not None:
            self.say(message.problem, "bad", None)
        else:
            self.listings = message.listings
        self._show()

    def _show(self) -> None:
        listings = self.listings or ()
        rows = run_rows(listings, self.plasma.clock(), self.typed)
        runs = self.query_one(RunList)
        if self.listings is not None:
            runs.empty = "No run matches." if listings else "No runs yet."
        runs.model = rows
        self.query_one("#top", Lines).repaint()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        left: Row = (Span(" "), *wordmark(), Span("  "), Span("runs", "strong"))
        if self.typed:
            left = (*left, Span("  filter ", "dim"), Span(self.typed + "_", "accent"))
        elif self.TYPING:
            left = (*left, Span("  type to filter", "dim"))
        found = len(self.query_one(RunList).model)
        right: Row = ()
        if self.listings is not None:
            total = len(self.listings)
            text = count(total, "run") if found == total else f"{found} of {count(total, 'run')}"
            right = (Span(text + " ", "dim"),)
        return (ends(left, right, width), (Span(glyphs.RULE * width, "faint"),))

    def _footer(self) -> tuple[FooterKey, ...]:
        # letters go to the filter here, so only keys that are no letters do anything
        return tuple(
            FooterKey(
                "ctrl+q" if key.id == "app.leave" else key.display, key.label, key.action, key.worth
            )
            for key in footer_keys("runs", "app")
            if key.where == "runs" or key.id == "app.leave"
        )

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        notice = self.query_one(NoticeLine)
        notice.say(text, role)
        if fade_s is not None:
            self.set_timer(fade_s, notice.hush)

    # ----------------------------------------------------------------- keys

    def on_run_list_typed(self, message: RunList.Typed) -> None:
        self.typed = self.typed[:-1] if message.erase else (self.typed + message.character)[:80]
        self._show()

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        self.plasma.open_by_id(message.key)

    def action_open(self) -> None:
        self.query_one(RunList).choose()

    def action_back(self) -> None:
        if self.query_one(NoticeLine).text:
            self.query_one(NoticeLine).hush()
        elif self.typed:
            self.typed = ""
            self._show()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_cursor(self, by: int) -> None:
        self.query_one(RunList).move(by)

    def action_page(self, pages: int) -> None:
        runs = self.query_one(RunList)
        runs.move(pages * runs.page())

    def action_edge(self, which: str) -> None:
        runs = self.query_one(RunList)
        runs.move(-len(runs.model) if which == "start" else len(runs.model))
