"""The summary of a run: the verdict, its evidence, and the checkpoint to choose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Horizontal

from tui.asking import ask
from tui.backend.results import SummarySheet
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.notice import NoticeLine, SpeakingScreen
from tui.kit.paint import Row, Span, ends
from tui.kit.painted import Lines
from tui.panels.header import run_name, wordmark
from tui.screens.document import (
    COPY_PATH,
    EXPORT,
    SHOW_FOLDER,
    DocumentView,
    Pick,
    SectionLine,
    SectionList,
    summary_model,
)
from tui.text import clean
from tui.words.questions import Choice, Question
from tui.words.state import UNREAD, state_label

if TYPE_CHECKING:
    from runner.model import RunSnapshot
    from tui.app import PlasmaApp

KEYS = (
    Key("b", "best", RUN, "Best checkpoint by its numbers; again: the next best", "best", 90),
    Key("o,enter", "open", RUN, "Chosen checkpoint: its path, its folder, export", "open", 88),
    Key("x", "export", RUN, "Copy the chosen checkpoint to a folder", "export", 86),
    Key("i", "samples", VIEW, "Sample images by step and prompt", "images", 60),
    Key("w", "replay", VIEW, "Replay the run at any speed", "replay", 58),
    Key("escape", "back", VIEW, "Back", "back", 70),
    Key("tab,n", "section(1)", MOVE, "Next section", "next", 64),
    Key("shift+tab,p", "section(-1)", MOVE, "Previous section"),
    Key("1", "jump(1)", MOVE, "Section by its number", shown="1 to 9"),
    Key("down,j", "scroll(1)", MOVE, "Down one row"),
    Key("up,k", "scroll(-1)", MOVE, "Up one row"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "Start"),
    Key("end,G", "edge('end')", MOVE, "End"),
)


#: from so many cells on the sections have a list of their own
LIST_FROM = 100
#: how long the sentence about a copy stays
TOLD_S = 20.0


class SummaryScreen(SpeakingScreen):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, run_path: Path) -> None:
        super().__init__()
        self.run_path = run_path
        self.sheet: SummarySheet | None = None

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        with Horizontal(id="body"):
            yield SectionList(id="sections")
            yield DocumentView(id="document")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        self.query_one(DocumentView).focus()
        self._fit()
        self.query_one(KeyFooter).model = footer_of(self)
        self._read()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.query_one(SectionList).display = self.size.width >= LIST_FROM

    # ----------------------------------------------------------------- reading

    def _read(self) -> None:
        def failed(problem: str) -> None:
            self.query_one(DocumentView).told = f"There is no summary: {problem}"

        read = partial(self.plasma.backend.summary, self.run_path)
        ask(self, read, self._take, failed, alone="summary")

    def _take(self, sheet: SummarySheet) -> None:
        view = self.query_one(DocumentView)
        self.sheet = sheet
        model = summary_model(sheet)
        view.model = model
        self.query_one(SectionList).model = tuple(
            SectionLine(clean(section.title, 60), mark)
            for section, mark in zip(model.document.sections, model.marks, strict=True)
        )
        self._tell_place()

    def _show_folder(self, path: str) -> None:
        show = partial(self.plasma.backend.show_folder, path)
        ask(self, show, self.say, lambda problem: self.say(problem, "bad"), alone="folder")

    def on_document_view_moved(self) -> None:
        self._tell_place()

    def on_section_list_chosen(self, message: SectionList.Chosen) -> None:
        self.query_one(DocumentView).to_section(message.index)

    def _tell_place(self) -> None:
        self.query_one(SectionList).current = self.query_one(DocumentView).section
        self.query_one("#top", Lines).repaint()

    # ----------------------------------------------------------------- drawing

    def _known(self) -> RunSnapshot | None:
        """Of this run, before its review is read: what the monitor knows."""
        if self.sheet is not None:
            return self.sheet.snapshot
        shown = self.plasma.snapshot
        return shown if shown is not None and shown.path == str(self.run_path) else None

    def _top(self, width: int, height: int) -> Sequence[Row]:
        known = self._known()
        name = run_name(known) if known is not None else clean(self.run_path.name, 200)
        state = state_label(known) if known is not None else UNREAD
        left: Row = (Span(" "), *wordmark(), Span("  summary of "), Span(name, "strong"))
        right: Row = (Span(f"{state.shape} {state.word} ", state.role),)
        return (ends(left, right, width), self._rule(width))

    def _rule(self, width: int) -> Row:
        view = self.query_one(DocumentView)
        if view.model is None:
            return (Span(glyphs.RULE * width, "faint"),)
        sections = view.model.document.sections
        place = f"{min(view.section + 1, len(sections))} of {len(sections)}"
        if width < LIST_FROM and sections:
            place = f"{clean(sections[view.section].title, 40)}, {place}"
        tail: Row = (Span(f" {place}, {view.fraction * 100:.0f} % ", "dim"),)
        return ends((Span(glyphs.RULE, "faint"),), (*tail, Span(glyphs.RULE, "faint")), width,
                    Span(glyphs.RULE, "faint"))  # fmt: skip

    # ----------------------------------------------------------------- keys: moving

    def action_scroll(self, by: int) -> None:
        self.query_one(DocumentView).scroll_rows(by)

    def action_page(self, pages: int) -> None:
        self.query_one(DocumentView).turn_page(pages)

    def action_edge(self, which: str) -> None:
        self.query_one(DocumentView).to_edge(which == "start")

    def action_section(self, by: int) -> None:
        view = self.query_one(DocumentView)
        view.to_section(view.section + by)

    def action_jump(self, number: int) -> None:
        self.query_one(DocumentView).to_section(number - 1)

    def action_back(self) -> None:
        self.app.pop_screen()

    # ----------------------------------------------------------------- keys: the checkpoint

    def action_best(self) -> None:
        """The first time the one that is chosen, then the next ones."""
        view = self.query_one(DocumentView)
        if view.pick_in_sight and view.model is not None and len(view.model.picks) > 1:
            view.choose_next()
        elif view.pick is not None:
            view.choose_again()
        elif view.model is not None and view.model.best_section is not None:
            view.to_section(view.model.best_section)

    def _pick(self) -> Pick | None:
        view = self.query_one(DocumentView)
        if view.pick is None:
            waiting = view.model is None
            self.say("The run is still being read." if waiting else "There is no checkpoint to choose.",
                     "dim", 4.0)  # fmt: skip
        elif not view.pick_in_sight:
            view.choose_again()  # what a key is about must be seen
        return view.pick

    def action_open(self) -> None:
        from tui.screens.questions import ConfirmScreen

        pick = self._pick()
        if pick is None:
            return
        choices = (
            Choice(COPY_PATH, "Copy its path to the clipboard"),
            Choice(SHOW_FOLDER, "Open its folder"),
            Choice(EXPORT, "Export it: a copy in a folder of yours"),
        )
        shared = ", shared with others" if pick.place.endswith("=") else ""
        facts = (f"{pick.facts}, place {pick.place.rstrip('=')}{shared}", clean(pick.path, 2000))
        question = Question(pick.name, facts, choices)

        def answered(mode: str | None) -> None:
            self._answered(mode, pick)

        self.app.push_screen(ConfirmScreen(question, "Back", pick.name), answered)

    def _answered(self, mode: str | None, pick: Pick) -> None:
        if mode == COPY_PATH:
            self.app.copy_to_clipboard(clean(pick.path))
            self.say(f"Sent to the terminal's clipboard: {pick.path}")
        elif mode == SHOW_FOLDER:
            self._show_folder(pick.path)
        elif mode == EXPORT:
            self._export(pick)

    def action_export(self) -> None:
        pick = self._pick()
        if pick is not None:
            self._export(pick)

    def _export(self, pick: Pick) -> None:
        from tui.screens.questions import ExportScreen

        if self.plasma.read_only:
            self.say("This screen is read-only.", "dim", 4.0)
            return

        def ended(text: str | None) -> None:
            if text:
                self.say(text, "good", TOLD_S)

        self.app.push_screen(ExportScreen(self.run_path, pick), ended)

    # ----------------------------------------------------------------- keys: other screens

    def action_samples(self) -> None:
        from tui.screens.samples import SamplesScreen

        self.app.push_screen(SamplesScreen(self.run_path))

    def action_replay(self) -> None:
        from tui.screens.replay import ReplayScreen

        self.app.push_screen(ReplayScreen(self.run_path))
