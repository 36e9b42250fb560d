"""The sample images of a run: one large or all in a grid, with the loss at their steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult

from runner.history.samples import Sample
from runner.model import RunSnapshot
from runner.model.units import count
from tui.backend.results import Reader
from tui.backend.samples import SampleReader
from tui.images.choice import Way
from tui.images.store import Made, Wish
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit.paint import Row, Span
from tui.kit.painted import Lines, StillHorizontal, StillVertical
from tui.panels.header import run_name
from tui.panels.loss import LossChart
from tui.panels.sample_image import Picture, word_rows
from tui.screens.images import CHART_HEIGHT, CHROME, ImagesScreen
from tui.text import clean, crop
from tui.words.loss import chart_model
from tui.words.samples import ImageWords, SampleSheet, board_of, image_words

KEYS = (
    Key("right", "go(1, 0)", MOVE, "Next step", "step", 90, shown="left right"),
    Key("left", "go(-1, 0)", MOVE, "Previous step"),
    Key("down", "go(0, 1)", MOVE, "Next prompt", "prompt", 86, shown="up down"),
    Key("up", "go(0, -1)", MOVE, "Previous prompt"),
    Key("g", "grid", VIEW, "All prompts by all steps, and back", "grid", 84),
    Key("enter", "open", VIEW, "Open the image under the cursor", "open", 82),
    Key("o", "copy", RUN, "Copy the image's path to the clipboard", "copy path", 70),
    Key("home", "go(-9999, 0)", MOVE, "First step"),
    Key("end", "go(9999, 0)", MOVE, "Newest step, and follow it"),
    Key("escape", "back", VIEW, "Back", "back", 80),
)

BUDGET_S = 0.4
#: from this height on the loss is under the picture
TALL = 30
#: a larger picture needs more bytes than a slow link has
COARSE_CELLS = (28, 14)


def picture_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for one picture on a screen of this size. A cell is twice as high as wide, so a square
    picture is twice as many cells wide as high."""
    rows = max(1, height - CHROME - (_chart_rows(height) if height >= TALL else 0))
    return max(8, min(2 * rows, width * 58 // 100)), rows


def _chart_rows(height: int) -> int:
    return max(10, height * 3 // 10)


class SamplesScreen(ImagesScreen[tuple[SampleSheet | None, RunSnapshot | None]]):
    BINDINGS: ClassVar = list(KEYS)

    def __init__(self, run_path: Path) -> None:
        super().__init__()
        self._run_path = run_path
        self._reader: Reader | None = None
        self._samples: SampleReader | None = None
        self._as_grid = False
        self.snapshot: RunSnapshot | None = None
        self.sheet: SampleSheet | None = None

    def body(self) -> ComposeResult:
        with StillHorizontal(id="one"):
            yield Picture(id="picture")
            with StillVertical(id="beside"):
                yield Lines(self._words, id="words")
                yield LossChart(id="near-loss")
        yield LossChart(id="wide-loss")
        yield from self.grid()

    # ----------------------------------------------------------------- reading

    def _read(self) -> tuple[SampleSheet | None, RunSnapshot | None]:
        """In a thread. None: unchanged."""
        backend, path = self.plasma.backend, self._run_path
        images = self._samples = self._samples or backend.samples(path)
        reader = self._reader = self._reader or backend.open_reader(path)
        sheet = images.read() if self.sheet is None or images.changed() else None
        known = self.snapshot
        unread = known is None or known.read_fraction < 1 or reader.changed()
        return sheet, reader.read(BUDGET_S) if unread else None

    def _not_read(self, problem: str) -> None:
        """Images that were found meanwhile are read again."""
        super()._not_read(problem)
        self.sheet = None

    def _take(self, found: tuple[SampleSheet | None, RunSnapshot | None]) -> None:
        sheet, snapshot = found
        if sheet is not None:
            self.sheet, self.board = sheet, board_of(sheet)
        if snapshot is not None:
            self.snapshot = snapshot
            model = chart_model(snapshot)
            for chart in self.query(LossChart):
                chart.model = model
        if snapshot is not None or sheet is not None:
            self._show()
        if snapshot is not None and snapshot.read_fraction < 1:
            self._read_again()

    # ----------------------------------------------------------------- showing

    def _show(self) -> None:
        super()._show()
        moment = self.board.moment_at(self.place)
        for chart in self.query(LossChart):
            chart.point(moment.step if moment is not None else None, (self._image_words().place,))

    def _in_sight(self) -> list[Wish]:
        image = self.board.image_at(self.place)
        if self._as_grid:
            return super()._in_sight()
        return [self._wish_for(image)] if image is not None else []

    def _wanted(self) -> list[Wish]:
        if self._as_grid:
            return super()._wanted()
        return [self._wish_for(image) for image in self.board.around(self.place)]

    def _wish_for(self, image: Sample) -> Wish:
        width, height = picture_room(*self.size)
        if self.store.shown.coarse:
            width, height = min(width, COARSE_CELLS[0]), min(height, COARSE_CELLS[1])
        return Wish(image.path, width, height)

    def _repaint(self) -> None:
        if self._as_grid:
            super()._repaint()
            return
        picture, shown = self.query_one(Picture), self._in_sight()
        picture.instead = self._instead()
        picture.model = self.store.take(shown[0]) if shown else Made()
        self.query_one("#words", Lines).repaint()

    def _instead(self) -> tuple[str, ...]:
        if not self.board.moments:
            none = ("No sample images yet.", *self._image_words().remarks)
            return none if self.sheet is not None else ()
        if self.store.shown.way is not Way.OFF:
            return ()
        image = self.board.image_at(self.place)
        name = clean(Path(image.path).name, 300) if image is not None else ""
        return (name, "", f"No pictures: {self.store.shown.why}.", "o copies the path.")

    def _image_words(self) -> ImageWords:
        loss = self.snapshot.loss.buckets if self.snapshot is not None else ()
        image = self.board.image_at(self.place)
        made = (self.store.take(self._wish_for(image)) if image is not None else None) or Made()
        return image_words(self.board, self.place, loss, made.pixels, made.black)

    def _words(self, width: int, height: int) -> Sequence[Row]:
        board = self.board
        if not board.moments:
            return ()
        at, total = board.row(self.place), len(board.prompts)
        number = f"prompt {board.prompts[at] + 1}" + (f" of {total}" if total > 1 else "")
        rows = word_rows(self._image_words(), number, width - 2, height)
        return [(Span(" "), *row) for row in rows] if self._as_grid else rows

    def heading(self, width: int) -> tuple[Row, Row]:
        name = run_name(self.snapshot) if self.snapshot is not None else ""
        title = f"sample images of {crop(name, max(8, width - 50))}" if name else "sample images"
        board, right = self.board, ""
        if board.moments:
            right = f"{board.column(self.place) + 1} of {count(len(board.moments), 'step')}, "
            right += f"{count(len(board.prompts), 'prompt')} "
        return (Span(title, "strong"),), (Span(right, "dim"),) if right else ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open":
            return self._as_grid
        if action == "go" and parameters in ((0, 1), (0, -1)):
            return len(self.board.prompts) > 1
        return super().check_action(action, parameters)

    def _parts(self, width: int, height: int) -> dict[str, tuple[bool, int | None]]:
        as_grid, tall, (columns, rows) = self._as_grid, height >= TALL, picture_room(width, height)
        words, words_rows = super()._parts(width, height)["#grid-words"]
        self.query_one("#picture").styles.width = columns
        return {
            "#one": (not as_grid, None),
            "#grid": (as_grid, None),
            "#grid-words": (as_grid and words, words_rows),
            "#wide-loss": (tall and not as_grid, _chart_rows(height)),
            "#near-loss": (not tall and height >= CHART_HEIGHT, max(8, rows * 11 // 20)),
        }

    # ----------------------------------------------------------------- keys

    def action_go(self, columns: int, rows: int) -> None:
        self.place = self.board.moved(self.place, columns, rows)
        self._show()

    def action_grid(self) -> None:
        self._as_grid = not self._as_grid
        self._arrange()

    def action_open(self) -> None:
        if self._as_grid:
            self.action_grid()

    def action_back(self) -> None:
        if self._as_grid:
            self.hush()
            self.action_grid()
        else:
            super().action_back()
