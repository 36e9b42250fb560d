"""The summary of a run: verdict, best checkpoint with samples, problems, then sections that unfold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive

from tui.asking import ask
from tui.backend.results import SummarySheet
from tui.images.choice import Way
from tui.images.store import TerminalPictures, Wish
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.chart import ALL, ASCII, DOTS, FILL, draw_chart, range_of
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import EMPTY, Row, Span, cell, ends, fit, pad, row_width
from tui.kit.painted import Pictured
from tui.kit.scale import sticky_range
from tui.panels.header import run_name
from tui.screens.document import (
    BEST,
    Fold,
    Pick,
    SummaryModel,
    block_rows,
    no_pick_rows,
    pick_rows,
    point_rows,
    summary_model,
    verdict_rows,
)
from tui.text import clean, wrap
from tui.words.loss import Look, loss_chart
from tui.words.questions import Choice, Question
from tui.words.state import UNREAD, state_label

if TYPE_CHECKING:
    from runner.model import RunSnapshot

KEYS = (
    Key("enter", "unfold", VIEW, "Fold or unfold the section", "unfold", 92),
    Key("a", "unfold_all", VIEW, "Fold or unfold all sections", "all", 66),
    Key("b", "best", RUN, "Show the next best checkpoint", "next best", 84),
    Key("o", "open", RUN, "Chosen checkpoint: copy path, open folder, export", "open", 82),
    Key("x", "export", RUN, "Copy the chosen checkpoint to a folder", "export", 88),
    Key("i", "samples", VIEW, "Sample images by step and prompt", "images", 64),
    Key("w", "replay", VIEW, "Replay the run at any speed", "replay", 62),
    Key("escape", "back", VIEW, "Back", "back", 90),
    Key("1", "jump(1)", MOVE, "Unfold a section by its number", shown="1 to 9"),
    Key("tab,n", "section(1)", MOVE, "Next section"),
    Key("shift+tab,p", "section(-1)", MOVE, "Previous section"),
    Key("down,j", "scroll(1)", MOVE, "Next section, or down one row"),
    Key("up,k", "scroll(-1)", MOVE, "Previous section, or up one row"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "Start"),
    Key("end,G", "edge('end')", MOVE, "End"),
)

#: how long the sentence about an export stays
SAID_S = 20.0
#: sections with a digit
DIGITS = 9
#: smaller windows have no pictures; rows of a picture at most, its columns are twice as many
PICTURES_FROM, PICTURE_ROWS = (72, 16), 14
CHART_ROWS, LOW_CHART_ROWS, ROOMY = 14, 10, 30
#: what can be done with a checkpoint
COPY_PATH, SHOW_FOLDER, EXPORT = "copy", "folder", "export"

# ---------------------------------------------------------------------------
# The document: a first page, then sections. Down and up go to the next heading in sight, else scroll.


class SummaryView(Pictured, can_focus=True):
    """`model` None: not read yet; `status` says why."""

    model: reactive[SummaryModel | None] = reactive(None, layout=False, repaint=False)
    status: reactive[str] = reactive("Reading the run.", layout=False, repaint=False)

    class Moved(Message):
        """Another part is in sight, or another section has the cursor."""

    store: TerminalPictures

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = self._chosen = self._top = self._height = 0
        self.unfolded: set[int] = set()
        #: rows of each section by its index, for one width
        self._parts: dict[tuple[int, int, int], list[Row]] = {}
        self._all: list[Row] = []
        self._heads: list[int] = []

    def watch_model(self) -> None:
        self._parts.clear()
        self._lay_out()

    def watch_status(self) -> None:
        self.repaint()

    def on_mount(self) -> None:
        self.store = TerminalPictures(self)

    def on_unmount(self) -> None:
        self.store.close()

    def on_picture_ready(self) -> None:
        self._lay_out()

    # ----------------------------------------------------------------- positions

    @property
    def pick(self) -> Pick | None:
        picks = self.model.picks if self.model is not None else ()
        return picks[self._chosen % len(picks)] if picks else None

    @property
    def fold(self) -> Fold | None:
        folds = self.model.folds if self.model is not None else ()
        return folds[self.cursor] if self.cursor < len(folds) else None

    @property
    def fraction(self) -> float:
        """How much of it is above the lower edge of the window."""
        total = len(self._all)
        return min(1.0, (self._top + self.content_size.height) / total) if total else 0.0

    @property
    def _bottom(self) -> int:
        return self._top + self.content_size.height

    # ----------------------------------------------------------------- moving

    def step(self, by: int) -> None:
        """To the next heading in sight, else scroll one row."""
        near = self.cursor + by
        here = self._heads[self.cursor] if self._heads else 0
        if not self._top <= here < self._bottom:  # scrolled away: the first in this direction
            seen = [i for i, row in enumerate(self._heads) if self._top <= row < self._bottom]
            near = (seen[0] if by > 0 else seen[-1]) if seen else -1
        if 0 <= near < len(self._heads) and self._top <= self._heads[near] < self._bottom:
            self.cursor = near
            self._moved()
        else:
            self.scroll_rows(by)

    def scroll_rows(self, by: int) -> None:
        self._top += by
        self._moved()

    def turn_page(self, pages: int) -> None:
        self.scroll_rows(pages * max(1, self.content_size.height - 2))

    def to_edge(self, start: bool) -> None:
        self.cursor = 0 if start else max(0, len(self._heads) - 1)
        self._top = 0 if start else len(self._all)
        self._moved()

    def to_section(self, index: int) -> None:
        """The cursor on its heading, with as much of the section as fits."""
        if self._heads:
            self.cursor = max(0, min(len(self._heads) - 1, index))
            first = self._heads[self.cursor]
            last = [*self._heads, len(self._all)][self.cursor + 1]
            self._top = min(first, max(self._top, last - self.content_size.height))
            self._moved()

    def toggle(self, index: int | None = None, *, unfold: bool | None = None) -> None:
        """Fold or unfold one section, by default that of the cursor."""
        index = self.cursor if index is None else index
        if self.model is None or index >= len(self.model.folds):
            return
        if unfold is None:
            unfold = index not in self.unfolded
        self.unfolded = self.unfolded | {index} if unfold else self.unfolded - {index}
        self._lay_out()
        self.to_section(index)

    def toggle_all(self) -> None:
        everything = set(range(len(self._heads)))
        self.unfolded = set() if self.unfolded == everything else everything
        self._lay_out()
        self.to_section(self.cursor)

    def choose(self) -> None:
        """The next checkpoint; first back to where it is shown."""
        if self._top:
            self._top = 0
            self._moved()
        elif self.model is not None and self.model.picks:
            self._chosen = (self._chosen + 1) % len(self.model.picks)
            self._lay_out()

    def _moved(self) -> None:
        self._top = max(0, min(self._top, len(self._all) - self.content_size.height))
        self.repaint()
        self.post_message(self.Moved())

    # ----------------------------------------------------------------- drawing

    def on_resize(self) -> None:
        """The section of the cursor stays in sight."""
        seen = self._heads and self._top <= self._heads[self.cursor] < self._top + self._height
        self._lay_out()
        if seen:
            self.to_section(self.cursor)
        self._height = self.content_size.height

    def _lay_out(self) -> None:
        """Make the rows again; sections are kept for their width."""
        model, (width, height) = self.model, self.content_size
        if model is not None and width > 0 and height > 0:
            rows, heads = self._first_page(model, width, height), []
            for index, fold in enumerate(model.folds):
                if index in self.unfolded or index - 1 in self.unfolded or not index:
                    rows.append(EMPTY)
                heads.append(len(rows))
                rows.append(EMPTY)  # the heading depends on the cursor: see `draw`
                if index in self.unfolded:
                    rows += self._section(index, fold, width, height)
            self._all, self._heads = rows, heads
            self._top = max(0, min(self._top, len(rows) - height))
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        model = self.model
        if model is None:
            lines = wrap(clean(self.status, 600), max(4, width - 4))
            return [EMPTY, *((Span("   "), Span(line, "dim")) for line in lines)]
        shown = list(self._all[self._top : self._top + height])
        for index, at in enumerate(self._heads):
            if self._top <= at < self._top + height:
                shown[at - self._top] = self._heading(index, model.folds[index], width)
        return shown

    def _heading(self, index: int, fold: Fold, width: int) -> Row:
        here, folded = index == self.cursor, index not in self.unfolded
        digit = str(index + 1) if index < DIGITS else " "
        row: Row = (
            Span(glyphs.CURSOR if here else " ", "accent"),
            Span(f"{glyphs.FOLDED if folded else glyphs.UNFOLDED} ", "accent" if here else "dim"),
            Span(f"{digit} ", "key"),
            Span(fold.title, "strong" if here else "title"),
        )
        if not folded:
            return ends((*row, Span(" ")), EMPTY, width, Span(glyphs.RULE, "faint"))
        return fit((*row, Span(f"  {fold.gist}", fold.role)), width - 1)

    def _first_page(self, model: SummaryModel, width: int, height: int) -> list[Row]:
        rows = [*verdict_rows(model, width), EMPTY]
        pictures = self._pictures(model, width, height)
        room = width - max(map(row_width, pictures), default=0)
        if self.pick is not None:
            more = f"  {self._chosen + 1} of {len(model.picks)}" if len(model.picks) > 1 else ""
            words = pick_rows(self.pick, room, more)
        else:
            words = no_pick_rows()
        words += [EMPTY] * (len(pictures) - len(words))
        pictures += [EMPTY] * (len(words) - len(pictures))
        rows += [(*pad(w, room), *p) for w, p in zip(words, pictures, strict=True)]
        if model.problems:
            rows += [EMPTY, *point_rows(model.problems, width)]
        return rows

    def _pictures(self, model: SummaryModel, width: int, height: int) -> list[Row]:
        """The first sample and the one nearest to the chosen checkpoint, side by side."""
        nearest = self.pick.sample if self.pick is not None else None
        shown = list(dict.fromkeys(s for s in (model.first_sample, nearest) if s is not None))
        if self.store.shown.way is Way.OFF or not shown:
            return []
        if width < PICTURES_FROM[0] or height < PICTURES_FROM[1]:
            return []
        down = min(PICTURE_ROWS, height // 2 - 3, width // 8)
        wishes = [Wish(path, 2 * down, down) for _, path in shown]
        self.store.wish(wishes)
        self.store.send(wishes)
        columns = [self._picture(step, wish) for (step, _), wish in zip(shown, wishes, strict=True)]
        return [
            (*(span for part in line for span in (Span("  "), *part)), Span(" "))
            for line in zip(*columns, strict=True)
        ]

    def _picture(self, step: int, wish: Wish) -> list[Row]:
        """Exactly as large as its wish, under its step."""
        made = self.store.take(wish)
        rows: list[Row] = []
        if made is not None:
            rows = [*made.rows] if made.rows else [(Span(made.problem, "dim"),)]
        rows = [pad(row, wish.columns) for row in rows[: wish.rows]]
        rows += [pad(EMPTY, wish.columns)] * (wish.rows - len(rows))
        return [(cell(f"step {step}", wish.columns, "dim"),), *rows]

    def _section(self, index: int, fold: Fold, width: int, height: int) -> list[Row]:
        key = (index, width, height)
        if key not in self._parts:
            rows: list[Row] = []
            for at, block in enumerate(fold.blocks):
                rows += [EMPTY] if at else []
                rows += block_rows(block, width)
                if at == 0 and fold.key == "loss":
                    rows += self._chart(width, height)
            if fold.key == BEST and self.model is not None and self.model.picks:
                rows = []
                for pick in self.model.picks:
                    rows += [*([EMPTY] if rows else []), *pick_rows(pick, width)]
            self._parts[key] = rows
        return self._parts[key]

    def _chart(self, width: int, height: int) -> list[Row]:
        assert self.model is not None
        chart, app = self.model.chart, self.plasma
        if not chart.buckets or width < 24:
            return []
        style = ASCII if app.ascii else FILL if app.looks.can_tint else DOTS
        made = loss_chart(chart, Look())
        scale = sticky_range(None, range_of(made, ALL))
        tall = CHART_ROWS if height >= ROOMY else LOW_CHART_ROWS
        plot = draw_chart(made, width - 2, tall, scale, ALL, style)
        drawn = plot.rows if plot is not None else ()
        return [EMPTY, *((Span(" "), *row) for row in drawn)]

    # ----------------------------------------------------------------- keys and mouse

    def on_key(self, event: events.Key) -> None:
        """A digit opens its section; one line in the table of keys covers all of them."""
        if event.key in "123456789":
            event.stop()
            event.prevent_default()
            self.toggle(int(event.key) - 1, unfold=True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        """A click on a heading folds or unfolds it."""
        if self._top + event.y in self._heads:
            self.toggle(self._heads.index(self._top + event.y))


# ---------------------------------------------------------------------------


class SummaryScreen(FramedScreen):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, run_path: Path) -> None:
        super().__init__()
        self.run_path = run_path
        self.sheet: SummarySheet | None = None

    @property
    def view(self) -> SummaryView:
        return self.query_one(SummaryView)

    def body(self) -> ComposeResult:
        yield SummaryView(id="document")

    def on_mount(self) -> None:
        self.view.focus()
        self.query_one(KeyFooter).model = footer_of(self)
        read = partial(self.plasma.backend.summary, self.run_path)
        ask(self, read, self._take, self._unreadable, alone="summary")

    def _unreadable(self, problem: str) -> None:
        self.view.status = f"No summary: {problem}"

    def _take(self, sheet: SummarySheet) -> None:
        self.sheet = sheet
        self.view.model = summary_model(sheet)
        self.on_summary_view_moved()

    def on_summary_view_moved(self) -> None:
        self.repaint_heading()

    def _snapshot(self) -> RunSnapshot | None:
        """Until the summary is read: what the monitor knows of this run."""
        if self.sheet is not None:
            return self.sheet.snapshot
        shown = self.plasma.snapshot
        return shown if shown is not None and shown.path == str(self.run_path) else None

    def heading(self, width: int) -> tuple[Row, Row]:
        known = self._snapshot()
        name = run_name(known) if known is not None else clean(self.run_path.name, 200)
        state = state_label(known) if known is not None else UNREAD
        left: Row = (Span("summary of "), Span(name, "strong"))
        return left, (Span(f"{state.shape} {state.word} ", state.role),)

    def rule(self, width: int) -> Row:
        rule, view = Span(glyphs.RULE, "faint"), self.view
        tail: Row = ()
        if view.fold is not None and view.fraction < 1:
            tail = (Span(f" {view.fraction * 100:.0f} % ", "dim"), rule)
        return ends((rule,), tail, width, rule)

    # ----------------------------------------------------------------- keys: moving

    def action_scroll(self, by: int) -> None:
        self.view.step(by)

    def action_page(self, pages: int) -> None:
        self.view.turn_page(pages)

    def action_edge(self, which: str) -> None:
        self.view.to_edge(which == "start")

    def action_section(self, by: int) -> None:
        self.view.to_section(self.view.cursor + by)

    def action_jump(self, number: int) -> None:
        self.view.toggle(number - 1, unfold=True)

    def action_unfold(self) -> None:
        self.view.toggle()

    def action_unfold_all(self) -> None:
        self.view.toggle_all()

    def action_back(self) -> None:
        self.app.pop_screen()

    # ----------------------------------------------------------------- keys: the checkpoint

    def action_best(self) -> None:
        if self._pick() is not None:
            self.view.choose()

    def _pick(self) -> Pick | None:
        if self.view.pick is None:
            reading = self.view.model is None
            self.say(
                "The run is still being read." if reading else "No usable checkpoint.", "dim", 4.0
            )
        return self.view.pick

    def action_open(self) -> None:
        from tui.screens.questions import ConfirmScreen

        pick = self._pick()
        if pick is None:
            return
        choices = (
            Choice(COPY_PATH, "Copy its path to the clipboard"),
            Choice(SHOW_FOLDER, "Open its folder"),
            Choice(EXPORT, "Export: copy it to a folder of your choice"),
        )
        question = Question(
            pick.name, (f"{pick.rank}, {pick.facts}", clean(pick.path, 2000)), choices
        )
        self.app.push_screen(ConfirmScreen(question, "Back", pick.name), partial(self._do, pick))

    def _do(self, pick: Pick, mode: str | None) -> None:
        if mode == COPY_PATH:
            self.copy(pick.path)
        elif mode == SHOW_FOLDER:
            show = partial(self.plasma.backend.show_folder, pick.path)
            ask(self, show, self.say, lambda problem: self.say(problem, "bad"), alone="folder")
        elif mode == EXPORT:
            self._export(pick)

    def action_export(self) -> None:
        pick = self._pick()
        if pick is not None:
            self._export(pick)

    def _export(self, pick: Pick) -> None:
        from tui.screens.questions import ExportScreen

        if self.locked():
            return

        def ended(text: str | None) -> None:
            if text:
                self.say(text, "good", SAID_S)

        self.app.push_screen(ExportScreen(self.run_path, pick), ended)

    # ----------------------------------------------------------------- keys: other screens

    def action_samples(self) -> None:
        from tui.screens.samples import SamplesScreen

        self.app.push_screen(SamplesScreen(self.run_path))

    def action_replay(self) -> None:
        from tui.screens.replay import ReplayScreen

        self.app.push_screen(ReplayScreen(self.run_path))
