"""All flags of the trainer's script, in its own words. Typing filters; nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult

from runner.model.units import count
from tui.asking import ask
from tui.backend.results import FlagSheet
from tui.keys import bindings, footer_keys
from tui.render import glyphs
from tui.render.footer import FooterKey
from tui.render.header import wordmark
from tui.render.paint import Row, Span, ends
from tui.text import clean
from tui.viewmodel.flags import flag_rows
from tui.widgets.flag_list import FlagList
from tui.widgets.footer import KeyFooter
from tui.widgets.lines import Lines
from tui.widgets.notice import NoticeLine, SpeakingScreen

if TYPE_CHECKING:
    from tui.app import PlasmaApp


class FlagsScreen(SpeakingScreen):
    WHERE = "flags"
    BINDINGS: ClassVar = bindings("flags")

    def __init__(self, config_path: Path) -> None:
        super().__init__()
        self._config_path = config_path
        self.sheet: FlagSheet | None = None
        self.typed = ""

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield FlagList(id="flags")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        flags = self.query_one(FlagList)
        flags.empty = "Not known yet, reading them from the trainer's script."
        flags.focus()
        self.query_one(KeyFooter).model = tuple(
            FooterKey("ctrl+q" if key.id == "app.leave" else key.display, key.label, key.action,
                      key.worth)
            for key in footer_keys("flags", "app")
            if key.where == "flags" or key.id == "app.leave"
        )  # fmt: skip
        self._read()

    def _read(self, thorough: bool = False) -> None:
        """What is remembered at once; if nothing is, the script is asked, which takes its time."""
        read = partial(self.plasma.backend.flags, self._config_path, thorough)
        ask(self, read, partial(self._take, thorough), self._tell)

    def _take(self, thorough: bool, sheet: FlagSheet) -> None:
        self.sheet = sheet
        if thorough or sheet.report.catalog is not None:
            self._tell(sheet.report.note or "")
        else:
            self._show()
            self._read(thorough=True)

    def _tell(self, note: str) -> None:
        """Nothing more will come; `note`: what went wrong."""
        if note:
            self.say(f"{note[:1].upper()}{note[1:]}", "bad")
        self.query_one(FlagList).empty = "The flags are not known." if note else "No flag matches."
        self._show()

    def _show(self) -> None:
        sheet = self.sheet
        known = sheet is not None and sheet.report.catalog is not None
        self.query_one(FlagList).model = flag_rows(sheet, self.typed) if sheet and known else ()
        self.query_one("#top", Lines).repaint()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        script = clean(self.sheet.script, 60) if self.sheet is not None else "the trainer"
        left: Row = (Span(" "), *wordmark(), Span("  "), Span(f"flags of {script}", "strong"))
        if self.typed:
            left = (*left, Span("  filter ", "dim"), Span(self.typed + "_", "accent"))
        else:
            left = (*left, Span("  type to filter", "dim"))
        rows = self.query_one(FlagList).model
        given = sum(bool(row.given) for row in rows)
        right: Row = (Span(f"{count(len(rows), 'flag')}, {given} set ", "dim"),) if rows else ()
        return (ends(left, right, width), (Span(glyphs.RULE * width, "faint"),))

    # ----------------------------------------------------------------- keys

    def on_flag_list_typed(self, message: FlagList.Typed) -> None:
        self.typed = self.typed[:-1] if message.erase else (self.typed + message.character)[:80]
        self._show()

    def action_back(self) -> None:
        self.hush()
        if self.typed:
            self.typed = ""
            self._show()
        else:
            self.app.pop_screen()

    def action_cursor(self, by: int) -> None:
        self.query_one(FlagList).move(by)

    def action_page(self, pages: int) -> None:
        flags = self.query_one(FlagList)
        flags.move(pages * flags.page())

    def action_edge(self, which: str) -> None:
        flags = self.query_one(FlagList)
        flags.move(-len(flags.model) if which == "start" else len(flags.model))
