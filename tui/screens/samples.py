"""The sample images of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen

from runner.model import RunSnapshot
from runner.model.units import count
from tui.asking import ask
from tui.backend.results import Reader
from tui.backend.samples import SampleReader
from tui.images.choice import Shown, Way, pick_way
from tui.images.kitty import forgotten
from tui.images.store import Made, PictureStore, Wish
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import FooterKey, KeyFooter, footer_of
from tui.kit.notice import NoticeLine, SpeakingScreen
from tui.kit.paint import Row, Span, ends
from tui.kit.painted import Lines, StillHorizontal, StillVertical
from tui.panels.header import run_name, wordmark
from tui.panels.loss import LossChart
from tui.screens.sample_grid import (
    Board,
    Picture,
    Place,
    SampleGrid,
    SampleSheet,
    Words,
    around,
    board_of,
    column_of,
    image_at,
    moment_at,
    moved,
    row_of,
    word_rows,
    words_of,
)
from tui.text import clean, crop
from tui.words.loss import chart_model

if TYPE_CHECKING:
    from tui.app import PlasmaApp

KEYS = (
    Key("right", "step(1)", MOVE, "Next step", "step", 90, shown="left right"),
    Key("left", "step(-1)", MOVE, "Previous step"),
    Key("down", "prompt(1)", MOVE, "Next prompt", "prompt", 86, shown="up down"),
    Key("up", "prompt(-1)", MOVE, "Previous prompt"),
    Key("g", "grid", VIEW, "All prompts by all steps, and back", "grid", 84),
    Key("enter", "open", VIEW, "Open the image under the cursor", "open", 82),
    Key("o", "copy", RUN, "Copy the image's path to the clipboard", "copy path", 70),
    Key("home", "edge('start')", MOVE, "First step"),
    Key("end", "edge('end')", MOVE, "Newest step, and follow it"),
    Key("escape", "back", VIEW, "Back", "back", 80),
)


# ---------------------------------------------------------------------------
# Where the parts of the screen of sample images are, by its size.

#: from this height on the loss stands under the picture; below the second there is none
TALL, CHART_HEIGHT = 30, 17
#: rows of what is above and below the images, and of the words under the grid
CHROME, GRID_WORDS = 3, 3


def picture_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for one picture on a screen of this size. A cell is twice as high as wide, so a square
    picture is twice as many cells wide as high. A notice above covers some of it, and changes nothing."""
    rows = max(1, height - CHROME - (_chart_rows(height) if height >= TALL else 0))
    return max(8, min(2 * rows, width * 58 // 100)), rows


def grid_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for all of them."""
    words = GRID_WORDS if height >= CHART_HEIGHT else 0
    return max(1, width), max(1, height - CHROME - words)


def _chart_rows(height: int) -> int:
    return max(10, height * 3 // 10)


def arrange_samples(screen: Screen[None], as_grid: bool) -> None:
    """Show, hide and measure; nothing else does."""
    width, height = screen.size
    tall = height >= TALL
    one, grid = screen.query_one("#one"), screen.query_one("#grid")
    wide, near = screen.query_one("#wide-loss"), screen.query_one("#near-loss")
    words, picture = screen.query_one("#grid-words"), screen.query_one("#picture")
    one.display, grid.display = not as_grid, as_grid
    words.display = as_grid and height >= CHART_HEIGHT
    words.styles.height = GRID_WORDS
    wide.display = tall and not as_grid
    near.display = not tall and height >= CHART_HEIGHT
    columns, rows = picture_room(width, height)
    wide.styles.height = _chart_rows(height)
    near.styles.height = max(8, rows * 11 // 20)
    picture.styles.width = columns


# ---------------------------------------------------------------------------
# What the screen of sample images reads: the run and its images, again and again, in a thread.

BUDGET_S = 0.4


class SampleFeed(SpeakingScreen):
    """Keeps `snapshot` and `board`; `look()` reads them again, `seen()` is told what is new."""

    def __init__(self, run_path: Path) -> None:
        super().__init__()
        self._run_path = run_path
        self._reader: Reader | None = None
        self._samples: SampleReader | None = None
        self._reading = False
        self.snapshot: RunSnapshot | None = None
        self.board: Board | None = None

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def seen(self, snapshot: RunSnapshot | None) -> None:
        """Something was read; `snapshot` None: the run is as before."""
        raise NotImplementedError

    def look(self) -> None:
        """One thread at a time: a reader is no place for two."""
        if self.is_current and not self._reading:
            self._reading = True
            ask(self, self._read, self._take, self._not_read)

    def _read(self) -> tuple[SampleSheet | None, RunSnapshot | None]:
        """In a thread. None: as before."""
        sheet = snapshot = None
        if self._samples is None or self._reader is None:
            self._samples = self.plasma.backend.samples(self._run_path)
            self._reader = self.plasma.backend.open_reader(self._run_path)
            sheet = self._samples.read()
        elif self._samples.changed():
            sheet = self._samples.read()
        if self.snapshot is None or self.snapshot.read_fraction < 1 or self._reader.changed():
            snapshot = self._reader.read(BUDGET_S)
        return sheet, snapshot

    def _not_read(self, problem: str) -> None:
        self._reading = False
        self.say(f"{problem[:1].upper()}{problem[1:]}", "bad")

    def _take(self, found: tuple[SampleSheet | None, RunSnapshot | None]) -> None:
        self._reading = False
        sheet, snapshot = found
        if snapshot is not None:
            self.snapshot = snapshot
        if sheet is not None:
            self.board = board_of(sheet)
        if snapshot is not None or sheet is not None:
            self.seen(snapshot)
        if snapshot is not None and snapshot.read_fraction < 1:
            self.look()


# ---------------------------------------------------------------------------
# The sample images of a run, one large or all in a grid, with the loss at their steps.

LOOK_S, SLOW_LOOK_S = 2.0, 5.0
#: a picture of more cells costs more bytes than a slow link has
COARSE_CELLS = (28, 14)


class PictureReady(Message, bubble=False):
    """The store holds something new."""


class SamplesScreen(SampleFeed):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, run_path: Path) -> None:
        super().__init__(run_path)
        self._as_grid = False
        self.place = Place()
        self.store = PictureStore(Shown(Way.OFF), self._tell_ready)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        with StillHorizontal(id="one"):
            yield Picture(id="picture")
            with StillVertical(id="beside"):
                yield Lines(self._words, id="words")
                yield LossChart(id="near-loss")
        yield LossChart(id="wide-loss")
        yield SampleGrid(id="grid")
        yield Lines(self._words, id="grid-words")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        app = self.plasma
        shown = pick_way(
            app.images, os.environ, app.console.color_system, ascii_only=app.ascii,
            no_color=app.no_color, low_bandwidth=app.low_bandwidth,
        )  # fmt: skip
        self.store = PictureStore(shown, self._tell_ready)
        self.query_one(SampleGrid).store = self.store
        self._arrange()
        self.set_interval(SLOW_LOOK_S if app.low_bandwidth else LOOK_S, self._look)
        self._look()

    def on_unmount(self) -> None:
        self.store.stop()
        self._write("".join(map(forgotten, [*self.store.take_gone(), *self.store.all_numbers()])))

    def on_screen_resume(self) -> None:
        self._show()

    # ----------------------------------------------------------------- reading

    def _look(self) -> None:
        self.look()
        self.store.look_again()

    def seen(self, snapshot: RunSnapshot | None) -> None:
        if snapshot is not None:
            model = chart_model(snapshot)
            for chart in self.query(LossChart):
                chart.model = model
        self._show()

    def _tell_ready(self) -> None:
        """Called by the store's thread."""
        self.post_message(PictureReady())

    def on_picture_ready(self, message: PictureReady) -> None:
        self._show_pictures()

    # ----------------------------------------------------------------- showing

    def _show(self) -> None:
        """Everything that depends on the cursor or on what was read."""
        if self.board is None or not self.query(SampleGrid):
            return
        grid = self.query_one(SampleGrid)
        grid.board, grid.place, grid.room = self.board, self.place, grid_room(*self.size)
        self._wish()
        self._show_pictures()
        moment = moment_at(self.board, self.place)
        for chart in self.query(LossChart):
            chart.point(moment.step if moment is not None else None, (self._said().place,))
        self.query_one("#top", Lines).repaint()
        self.query_one(KeyFooter).model = self._footer()

    def _wish(self) -> None:
        assert self.board is not None
        if self._as_grid:
            self.store.wish(self.query_one(SampleGrid).wishes())
            return
        self.store.wish([self._wish_for(one.path) for one in around(self.board, self.place)])

    def _wish_for(self, path: str) -> Wish:
        width, height = picture_room(*self.size)
        if self.store.shown.coarse:
            width, height = min(width, COARSE_CELLS[0]), min(height, COARSE_CELLS[1])
        return Wish(path, width, height)

    def _show_pictures(self) -> None:
        if self.board is None or not self.query(SampleGrid):
            return
        for wish in self._shown_wishes():
            self._write(self.store.take_message(wish))
        if self._as_grid:
            self.query_one(SampleGrid).repaint()
        else:
            self._show_one(self.board)
        for words in ("#words", "#grid-words"):
            self.query_one(words, Lines).repaint()
        self._write("".join(map(forgotten, self.store.take_gone())))

    def _shown_wishes(self) -> list[Wish]:
        if self._as_grid:
            return self.query_one(SampleGrid).wishes()
        image = image_at(self.board or Board(), self.place)
        return [self._wish_for(image.path)] if image is not None else []

    def _show_one(self, board: Board) -> None:
        picture, image = self.query_one(Picture), image_at(board, self.place)
        picture.instead = self._instead(board)
        picture.model = self.store.take(self._wish_for(image.path)) if image is not None else Made()

    def _instead(self, board: Board) -> tuple[str, ...]:
        if not board.moments:
            return ("No sample image yet.", *self._said().remarks)
        if self.store.shown.way is not Way.OFF:
            return ()
        image = image_at(board, self.place)
        name = clean(Path(image.path).name, 300) if image is not None else ""
        return (name, "", f"No pictures here: {self.store.shown.why}.", "o copies the path.")

    def _said(self) -> Words:
        board = self.board or Board()
        loss = self.snapshot.loss.buckets if self.snapshot is not None else ()
        image = image_at(board, self.place)
        made = self.store.take(self._wish_for(image.path)) if image is not None else None
        made = made or Made()
        return words_of(board, self.place, loss, made.pixels, made.black)

    def _words(self, width: int, height: int) -> Sequence[Row]:
        board = self.board
        if board is None or not board.moments:
            return ()
        at, total = row_of(board, self.place), len(board.prompts)
        number = f"prompt {board.prompts[at] + 1}" + (f" of {total}" if total > 1 else "")
        rows = word_rows(self._said(), number, width - 2, height)
        return [(Span(" "), *row) for row in rows] if self._as_grid else rows

    def _top(self, width: int, height: int) -> Sequence[Row]:
        name = run_name(self.snapshot) if self.snapshot is not None else ""
        title = f"sample images of {crop(name, max(8, width - 50))}" if name else "sample images"
        left: Row = (Span(" "), *wordmark(), Span("  "), Span(title, "strong"))
        board = self.board
        right: Row = ()
        if board is not None and board.moments:
            place = f"{column_of(board, self.place) + 1} of {count(len(board.moments), 'step')}"
            text = f"{place}, {count(len(board.prompts), 'prompt')} "
            right = (Span(text, "dim"),)
        return (ends(left, right, width), (Span(glyphs.RULE * width, "faint"),))

    def _footer(self) -> tuple[FooterKey, ...]:
        return footer_of(self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        board = self.board
        if action == "open":
            return self._as_grid
        if action == "copy":
            return board is not None and image_at(board, self.place) is not None
        if action == "prompt":
            return board is not None and len(board.prompts) > 1
        return True

    # ----------------------------------------------------------------- where it is shown

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    def _arrange(self) -> None:
        if self.query(SampleGrid):
            arrange_samples(self, self._as_grid)
            self.call_after_refresh(self._show)

    # ----------------------------------------------------------------- keys

    def _write(self, text: str) -> None:
        """Bytes that are no cells, for Kitty alone. (Textual 8.2 has no public way; its own clipboard writes
        just so.)"""
        driver = self.app._driver
        if text and driver is not None and self.store.shown.way is Way.KITTY:
            driver.write(text)

    def _go(self, columns: int = 0, rows: int = 0) -> None:
        if self.board is not None:
            self.place = moved(self.board, self.place, columns, rows)
            self._show()

    def action_step(self, by: int) -> None:
        self._go(columns=by)

    def action_prompt(self, by: int) -> None:
        self._go(rows=by)

    def action_edge(self, which: str) -> None:
        total = len(self.board.moments) if self.board is not None else 0
        self._go(columns=-total if which == "start" else total)

    def action_grid(self) -> None:
        self._as_grid = not self._as_grid
        self._arrange()

    def action_open(self) -> None:
        if self._as_grid:
            self.action_grid()

    def on_sample_grid_pointed(self, message: SampleGrid.Pointed) -> None:
        if self.board is None:
            return
        column, row = column_of(self.board, self.place), row_of(self.board, self.place)
        if (message.column, message.row) == (column, row):
            self.action_open()
        else:
            self._go(message.column - column, message.row - row)

    def action_copy(self) -> None:
        image = image_at(self.board, self.place) if self.board is not None else None
        if image is not None:
            self.app.copy_to_clipboard(clean(image.path))
            self.say(f"Sent to the terminal's clipboard: {image.path}", fade_s=6.0)

    def action_back(self) -> None:
        self.hush()
        if self._as_grid:
            self.action_grid()
        else:
            self.app.pop_screen()
