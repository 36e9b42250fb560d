"""The sample images of a run: one large or all in a grid, with the loss at their steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive

from runner.history.samples import Sample
from runner.model import RunSnapshot
from runner.model.units import count, file_size
from tui.asking import ask
from tui.backend.results import Reader
from tui.backend.samples import SampleReader
from tui.images.choice import Way
from tui.images.store import Made, PictureStore, TerminalPictures, Wish
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import Row, Span, cell, pad, row_width
from tui.kit.painted import Lines, Pictured, StillHorizontal, StillVertical
from tui.panels.header import run_name
from tui.panels.loss import LossChart
from tui.text import clean, crop, crop_start, take_cells, wrap
from tui.words.loss import chart_model
from tui.words.samples import Board, ImageWords, Place, SampleSheet, board_of, image_words

if TYPE_CHECKING:
    pass

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
# The grid: a row a prompt, a column a step. Pure: pictures come from `take`.

Take = Callable[[Wish], Made | None]
#: rows of a tile: of the lowest one, of the highest one, of the highest one where bytes are saved
LEAST, MOST, MOST_COARSE = 6, 16, 7
#: cells of a tile without a picture
NAME_WIDTH = 14


@dataclass(frozen=True, slots=True)
class Tiles:
    """`width`, `height`: of one picture in cells; `across`, `down`: how many fit; `left`, `top`: the first of
    them."""

    width: int
    height: int
    across: int
    down: int
    left: int = 0
    top: int = 0


def tiles_of(
    board: Board,
    place: Place,
    size: tuple[int, int],
    before: tuple[int, int],
    *,
    pictures: bool,
    coarse: bool = False,
) -> Tiles:
    """How the grid is cut for `size` cells. `before`: first column and row shown until now; they move only as
    far as the cursor needs."""
    width, room = size[0], max(1, size[1] - 1)
    height, tile = 1, NAME_WIDTH
    if pictures:
        most = max(1, min(MOST_COARSE if coarse else MOST, room - 1, (width // 2 - 1) // 2))
        height = max(min(LEAST, most), min(most, room // max(1, len(board.prompts)) - 1))
        height = _for_one_more(height, width, len(board.moments))
        tile = height * 2
    across, down = max(1, width // (tile + 1)), max(1, room // (height + 1))
    left = _first(before[0], board.column(place), across, len(board.moments))
    top = _first(before[1], board.row(place), down, len(board.prompts))
    return Tiles(tile, height, across, down, left, top)


def _for_one_more(height: int, width: int, columns: int) -> int:
    """A little lower where one more column fits then, instead of blank space."""
    across = width // (height * 2 + 1)
    if across < 1 or columns <= across:
        return height
    smaller = (width // (across + 1) - 1) // 2
    return smaller if smaller >= max(LEAST, height * 3 // 4) else height


def _first(before: int, cursor: int, fit: int, total: int) -> int:
    first = max(0, min(before, max(0, cursor), total - fit))
    return max(first, cursor - fit + 1)


def wishes_of(board: Board, tiles: Tiles) -> list[Wish]:
    """What is in sight, row by row, then the next column on either side."""
    right = tiles.left + tiles.across
    places = [
        (row, column)
        for columns in (range(tiles.left, right), (right, tiles.left - 1))
        for row in range(tiles.top, tiles.top + tiles.down)
        for column in columns
    ]
    found = (board.image(*place) for place in places)
    return [Wish(image.path, tiles.width, tiles.height) for image in found if image is not None]


def draw_grid(board: Board, place: Place, tiles: Tiles, width: int, take: Take | None) -> list[Row]:
    """`take` None: sizes instead of pictures."""
    columns = range(tiles.left, min(len(board.moments), tiles.left + tiles.across))
    cursor = (board.row(place), board.column(place))
    heads: list[Span] = []
    for column in columns:
        moment, here = board.moments[column], column == cursor[1]
        text = moment.words if len(moment.words) <= tiles.width else moment.short
        heads += [_cursor(here), cell(text, tiles.width, "strong" if here else "dim")]
    rows: list[Row] = [tuple(heads)]
    for row in range(tiles.top, min(len(board.prompts), tiles.top + tiles.down)):
        here, prompt = row == cursor[0], board.prompt(board.prompts[row])
        words = clean(prompt.text, 400) if prompt is not None else "not in the prompt file"
        number = Span(f"{board.prompts[row] + 1:<3} ", "dim")
        prompted = Span(crop(words, max(0, width - 6)), "text" if here else "dim")
        rows.append((_cursor(here), number, prompted))
        drawn = [_tile(board.image(row, column), tiles, take) for column in columns]
        for y in range(tiles.height):
            spans: list[Span] = []
            for column, tile in zip(columns, drawn, strict=True):
                spans += [_cursor((row, column) == cursor), *_cut(tile, y, tiles.width)]
            rows.append(tuple(spans))
    return rows


def _cursor(here: bool) -> Span:
    return Span(glyphs.CURSOR if here else " ", "accent")


def _cut(tile: Sequence[Row], y: int, width: int) -> Row:
    """Row `y` of a tile in exactly `width` cells."""
    row = tile[y] if y < len(tile) else ()
    gap = width - row_width(row)
    return pad(row, width) if gap < 0 else (*row, Span(" " * gap)) if gap else row


def _tile(image: Sample | None, tiles: Tiles, take: Take | None) -> Sequence[Row]:
    if image is None:
        return [(Span(glyphs.SKIP, "faint"),)]
    if take is None:
        return [(Span(file_size(image.size_bytes)),)]
    made = take(Wish(image.path, tiles.width, tiles.height))
    if made is None:
        return [(Span(glyphs.UNKNOWN, "faint"),)]
    if made.problem:
        return [(Span(line, "dim"),) for line in wrap(made.problem, tiles.width)]
    return made.rows


# ---------------------------------------------------------------------------
# Words for one image, as rows.


def word_rows(words: ImageWords, count: str, width: int, height: int) -> list[Row]:
    """`count`: which prompt of how many. The prompt takes what the rest leaves it."""
    room = max(8, width)
    head: list[Row] = [(Span(line, "strong"),) for line in wrap(words.place, room)]
    remarks = [(Span(line, "warn"),) for one in words.remarks for line in wrap(one, room)]
    name: list[Row] = [(Span(crop_start(words.name, room), "dim"),)] if words.name else []
    left = height - len(head) - len(remarks) - len(name)
    if left < 3:
        return [*head, *remarks, *name][:height]
    facts = [(Span(line, "dim"),) for line in _joined(words.facts, room)][: left - 2]
    left -= len(facts)
    prompt: list[Row] = [(), *_prompt(words, count, room, left - 1)] if left > 2 else []
    return [*head, *facts, *prompt, *remarks, *name][:height]


def _joined(parts: tuple[str, ...], width: int) -> list[str]:
    """Parts joined by commas; a line breaks between them."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(crop(part, width))
    return lines


def _prompt(words: ImageWords, count: str, width: int, height: int) -> list[Row]:
    lines = wrap(f"{count}: {words.prompt}" if words.prompt else count, width)
    rows: list[Row] = [(Span(line),) for line in lines]
    if lines[0].startswith(count):
        size = len(count) + 1
        rows[0] = (Span(lines[0][:size], "dim"), Span(lines[0][size:]))
    if words.prompt and words.negative:
        rows += [(Span(line, "dim"),) for line in wrap(f"negative: {words.negative}", width)]
    if len(rows) > height > 0:
        last = "".join(span.text for span in rows[height - 1])
        rows = [*rows[: height - 1], (Span(f"{take_cells(last, width - 1)}…", "dim"),)]
    return rows[:height]


# ---------------------------------------------------------------------------
# Widgets.


class SampleGrid(Pictured):
    """The screen sets `store`, `board`, `place` and `room` (columns and rows, even while a notice covers
    some of them), and calls `repaint`."""

    class Pointed(Message):
        """A tile was clicked: index of its column and its row."""

        def __init__(self, column: int, row: int) -> None:
            super().__init__()
            self.column, self.row = column, row

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.store: PictureStore | None = None
        self.board, self.place = Board(), Place()
        self.room = (1, 1)
        self._first = (0, 0)

    def tiles(self) -> Tiles:
        shown = self.store.shown if self.store is not None else None
        made = tiles_of(
            self.board, self.place, self.room, self._first,
            pictures=shown is not None and shown.way is not Way.OFF,
            coarse=shown is not None and shown.coarse,
        )  # fmt: skip
        self._first = (made.left, made.top)
        return made

    def draw(self, width: int, height: int) -> Sequence[Row]:
        store = self.store
        take = store.take if store is not None and store.shown.way is not Way.OFF else None
        return draw_grid(self.board, self.place, self.tiles(), width, take)

    def on_click(self, event: events.Click) -> None:
        tiles = self.tiles()
        column = tiles.left + event.x // (tiles.width + 1)
        row = tiles.top + (event.y - 1) // (tiles.height + 1)
        if event.y >= 1 and column < len(self.board.moments) and row < len(self.board.prompts):
            self.post_message(self.Pointed(column, row))


class Picture(Pictured):
    """One picture as large as fits. `model` None: not ready yet. `instead`: lines in its place."""

    model: reactive[Made | None] = reactive(None, layout=False, repaint=False)
    instead: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    watch_instead = watch_model

    def draw(self, width: int, height: int) -> Sequence[Row]:
        made, room = self.model, max(8, width - 2)
        if self.instead:
            return [
                (Span(f" {line}", "dim"),) for text in self.instead for line in wrap(text, room)
            ]
        if made is None:
            return ()
        if made.problem:
            return [(), *((Span(f" {line}", "warn"),) for line in wrap(made.problem, room))]
        # at the top, where the eye left it; in the middle from left to right
        left = max(0, (width - (row_width(made.rows[0]) if made.rows else 0)) // 2)
        return [(Span(" " * left), *row) if left else row for row in made.rows]


# ---------------------------------------------------------------------------
# The screen.

READ_S, SLOW_READ_S, BUDGET_S = 2.0, 5.0, 0.4
#: from this height on the loss is under the picture; below the second there is none
TALL, CHART_HEIGHT = 30, 17
#: rows above and below the images, and of the words under the grid
CHROME, GRID_WORDS = 3, 3
#: a larger picture needs more bytes than a slow link has
COARSE_CELLS = (28, 14)


def picture_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for one picture on a screen of this size. A cell is twice as high as wide, so a square
    picture is twice as many cells wide as high. A notice above covers some of it, and changes nothing."""
    rows = max(1, height - CHROME - (_chart_rows(height) if height >= TALL else 0))
    return max(8, min(2 * rows, width * 58 // 100)), rows


def grid_room(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for all of them."""
    return max(1, width), max(1, height - CHROME - (GRID_WORDS if height >= CHART_HEIGHT else 0))


def _chart_rows(height: int) -> int:
    return max(10, height * 3 // 10)


class PictureReady(Message, bubble=False):
    """The store has a new picture."""


class SamplesScreen(FramedScreen):
    WHERE = "samples"
    BINDINGS: ClassVar = list(KEYS)

    def __init__(self, run_path: Path) -> None:
        super().__init__()
        self._run_path = run_path
        self._reader: Reader | None = None
        self._samples: SampleReader | None = None
        self._reading = self._as_grid = False
        self.snapshot: RunSnapshot | None = None
        self.board: Board | None = None
        self.place = Place()

    def body(self) -> ComposeResult:
        with StillHorizontal(id="one"):
            yield Picture(id="picture")
            with StillVertical(id="beside"):
                yield Lines(self._words, id="words")
                yield LossChart(id="near-loss")
        yield LossChart(id="wide-loss")
        yield SampleGrid(id="grid")
        yield Lines(self._words, id="grid-words")

    def on_mount(self) -> None:
        self.store = TerminalPictures(self.plasma, lambda: self.post_message(PictureReady()))
        self.query_one(SampleGrid).store = self.store
        self._arrange()
        self.set_interval(SLOW_READ_S if self.plasma.low_bandwidth else READ_S, self._read_again)
        self._read_again()

    def on_unmount(self) -> None:
        self.store.close()

    def on_screen_resume(self) -> None:
        self._show()

    # ----------------------------------------------------------------- reading

    def _read_again(self) -> None:
        """One thread at a time: readers are not made for two."""
        if self.is_current and not self._reading:
            self._reading = True
            ask(self, self._read, self._take, self._not_read)
        self.store.refresh()

    def _read(self) -> tuple[SampleSheet | None, RunSnapshot | None]:
        """In a thread. None: unchanged."""
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
        if sheet is not None:
            self.board = board_of(sheet)
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
        """Everything that depends on the cursor or on what was read."""
        board = self.board
        if board is None or not self.query(SampleGrid):
            return
        grid = self.query_one(SampleGrid)
        grid.board, grid.place, grid.room = board, self.place, grid_room(*self.size)
        self.store.wish(
            wishes_of(board, grid.tiles())
            if self._as_grid
            else [self._wish_for(one) for one in board.around(self.place)]
        )
        self.on_picture_ready()
        moment = board.moment_at(self.place)
        for chart in self.query(LossChart):
            chart.point(moment.step if moment is not None else None, (self._image_words().place,))
        self.repaint_heading()
        self.query_one(KeyFooter).model = footer_of(self)

    def _wish_for(self, image: Sample) -> Wish:
        width, height = picture_room(*self.size)
        if self.store.shown.coarse:
            width, height = min(width, COARSE_CELLS[0]), min(height, COARSE_CELLS[1])
        return Wish(image.path, width, height)

    def on_picture_ready(self) -> None:
        board = self.board
        if board is None or not self.query(SampleGrid):
            return
        grid, image = self.query_one(SampleGrid), board.image_at(self.place)
        wishes = [self._wish_for(image)] if image is not None else []
        self.store.send(wishes_of(board, grid.tiles()) if self._as_grid else wishes)
        if self._as_grid:
            grid.repaint()
        else:
            picture = self.query_one(Picture)
            picture.instead = self._instead(board, image)
            picture.model = self.store.take(wishes[0]) if wishes else Made()
        for words in ("#words", "#grid-words"):
            self.query_one(words, Lines).repaint()

    def _instead(self, board: Board, image: Sample | None) -> tuple[str, ...]:
        if not board.moments:
            return ("No sample images yet.", *self._image_words().remarks)
        if self.store.shown.way is not Way.OFF:
            return ()
        name = clean(Path(image.path).name, 300) if image is not None else ""
        return (name, "", f"No pictures: {self.store.shown.why}.", "o copies the path.")

    def _image_words(self) -> ImageWords:
        board, loss = self.board or Board(), self.snapshot.loss.buckets if self.snapshot else ()
        image = board.image_at(self.place)
        made = (self.store.take(self._wish_for(image)) if image is not None else None) or Made()
        return image_words(board, self.place, loss, made.pixels, made.black)

    def _words(self, width: int, height: int) -> Sequence[Row]:
        board = self.board
        if board is None or not board.moments:
            return ()
        at, total = board.row(self.place), len(board.prompts)
        number = f"prompt {board.prompts[at] + 1}" + (f" of {total}" if total > 1 else "")
        rows = word_rows(self._image_words(), number, width - 2, height)
        return [(Span(" "), *row) for row in rows] if self._as_grid else rows

    def heading(self, width: int) -> tuple[Row, Row]:
        name = run_name(self.snapshot) if self.snapshot is not None else ""
        title = f"sample images of {crop(name, max(8, width - 50))}" if name else "sample images"
        board, right = self.board, ""
        if board is not None and board.moments:
            right = f"{board.column(self.place) + 1} of {count(len(board.moments), 'step')}, "
            right += f"{count(len(board.prompts), 'prompt')} "
        return (Span(title, "strong"),), (Span(right, "dim"),) if right else ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        board = self.board
        if action == "open":
            return self._as_grid
        if action == "copy":
            return board is not None and board.image_at(self.place) is not None
        if action == "prompt":
            return board is not None and len(board.prompts) > 1
        return True

    # ----------------------------------------------------------------- size

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Show, hide and measure; nothing else does."""
        if not self.query(SampleGrid):
            return
        (width, height), as_grid = self.size, self._as_grid
        (columns, rows), tall = picture_room(width, height), height >= TALL
        parts = {
            "#one": (not as_grid, None),
            "#grid": (as_grid, None),
            "#grid-words": (as_grid and height >= CHART_HEIGHT, GRID_WORDS),
            "#wide-loss": (tall and not as_grid, _chart_rows(height)),
            "#near-loss": (not tall and height >= CHART_HEIGHT, max(8, rows * 11 // 20)),
        }
        for name, (visible, size) in parts.items():
            part = self.query_one(name)
            part.display = visible
            if size is not None:
                part.styles.height = size
        self.query_one("#picture").styles.width = columns
        self.call_after_refresh(self._show)

    # ----------------------------------------------------------------- keys

    def _go(self, columns: int = 0, rows: int = 0) -> None:
        if self.board is not None:
            self.place = self.board.moved(self.place, columns, rows)
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
        column, row = self.board.column(self.place), self.board.row(self.place)
        if (message.column, message.row) == (column, row):
            self.action_open()
        else:
            self._go(message.column - column, message.row - row)

    def action_copy(self) -> None:
        image = self.board.image_at(self.place) if self.board is not None else None
        if image is not None:
            self.app.copy_to_clipboard(clean(image.path))
            self.say(f"Sent to the terminal's clipboard: {image.path}", fade_s=6.0)

    def action_back(self) -> None:
        self.hush()
        if self._as_grid:
            self.action_grid()
        else:
            self.app.pop_screen()
