"""Sample images by step and prompt as rows."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from textual import events
from textual.message import Message
from textual.reactive import reactive

from runner.history.samples import Sample
from runner.model import LossBucket
from runner.model.units import file_size, loss
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tui.images.choice import Way
from tui.images.store import Made, PictureStore, Wish
from tui.kit import glyphs
from tui.kit.paint import Row, Span, cell, pad, row_width
from tui.kit.painted import Pictured
from tui.text import clean, crop, crop_start, take_cells, wrap
from tui.words.loss import loss_at

# ---------------------------------------------------------------------------
# Sample images in order: prompts by steps, where the cursor stands, and what is said of one image. Pure.

#: pipelines turn what is not a number into black
BLACK = "All black: what was sampled was probably not finite."
#: no prompt is shown longer
PROMPT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """All images of a run, in the order of their steps, and the words they were drawn from."""

    samples: Sequence[Sample] = ()
    prompts: PromptFile = field(default_factory=PromptFile)


@dataclass(frozen=True, slots=True)
class Moment:
    """A column: when images were drawn. `key` tells it from others and sorts it."""

    key: tuple[float, float]
    step: int | None
    epoch: int | None

    @property
    def words(self) -> str:
        if self.step is not None:
            return f"step {self.step}"
        return f"epoch {self.epoch}" if self.epoch is not None else "step unknown"

    @property
    def short(self) -> str:
        if self.step is not None:
            return str(self.step)
        return f"e{self.epoch}" if self.epoch is not None else "?"


@dataclass(frozen=True, slots=True)
class Board:
    """`prompts`: indices of all that have an image, in order; `images`: by prompt and moment."""

    moments: tuple[Moment, ...] = ()
    prompts: tuple[int, ...] = ()
    images: Mapping[tuple[int, tuple[float, float]], Sample] = field(default_factory=dict)
    file: PromptFile = field(default_factory=PromptFile)

    def prompt(self, index: int) -> SamplePrompt | None:
        return self.file.prompts[index] if index < len(self.file.prompts) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stands. `moment` None: at the newest, whichever that is."""

    prompt: int = 0
    moment: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of one image, in the order of its worth. `facts`: short, to be joined by commas."""

    place: str
    facts: tuple[str, ...] = ()
    prompt: str = ""
    negative: str = ""
    name: str = ""
    remarks: tuple[str, ...] = ()


def board_of(sheet: SampleSheet) -> Board:
    moments: dict[tuple[float, float], Moment] = {}
    images: dict[tuple[int, tuple[float, float]], Sample] = {}
    for one in sheet.samples:
        key = _key(one)
        moments.setdefault(key, Moment(key, one.step, one.epoch))
        images[(one.prompt_index, key)] = one
    return Board(
        tuple(moments[key] for key in sorted(moments)),
        tuple(sorted({one.prompt_index for one in sheet.samples})),
        images,
        sheet.prompts,
    )


def _key(one: Sample) -> tuple[float, float]:
    """Images without a step stand behind, by epoch or by time."""
    if one.step is not None:
        return (0.0, float(one.step))
    return (1.0, float(one.epoch)) if one.epoch is not None else (2.0, one.made_at)


# --------------------------------------------------------------------------- the cursor


def column_of(board: Board, place: Place) -> int:
    """Index of the cursor's moment; of one that is gone, the nearest after it. -1: there is none."""
    if place.moment is None:
        return len(board.moments) - 1
    keys = [moment.key for moment in board.moments]
    return min(len(keys) - 1, bisect_left(keys, place.moment))


def row_of(board: Board, place: Place) -> int:
    """Index of the cursor's prompt. -1: there is none."""
    return min(len(board.prompts) - 1, bisect_left(board.prompts, place.prompt))


def moved(board: Board, place: Place, columns: int = 0, rows: int = 0) -> Place:
    """The cursor elsewhere, never off the board. The last column is followed as new ones come."""
    if not board.moments:
        return place
    column = max(0, min(len(board.moments) - 1, column_of(board, place) + columns))
    row = max(0, min(len(board.prompts) - 1, row_of(board, place) + rows))
    newest = column == len(board.moments) - 1
    return replace(
        place,
        prompt=board.prompts[row],
        moment=None if newest else board.moments[column].key,
    )


def moment_at(board: Board, place: Place) -> Moment | None:
    column = column_of(board, place)
    return board.moments[column] if column >= 0 else None


def image_at(board: Board, place: Place) -> Sample | None:
    """None: nothing was drawn of this prompt then."""
    row, moment = row_of(board, place), moment_at(board, place)
    if row < 0 or moment is None:
        return None
    return board.images.get((board.prompts[row], moment.key))


def around(board: Board, place: Place) -> list[Sample]:
    """The image at the cursor and those that one or two keys lead to, the likeliest first."""
    steps = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0))
    found = [image_at(board, moved(board, place, dx, dy)) for dx, dy in steps]
    return [one for one in dict.fromkeys(found) if one is not None]


# --------------------------------------------------------------------------- words


def words_of(
    board: Board,
    place: Place,
    buckets: Sequence[LossBucket],
    pixels: tuple[int, int] | None = None,
    black: bool = False,
) -> Words:
    """`pixels`: of the file, once it is decoded; `black`: all of them."""
    moment, row = moment_at(board, place), row_of(board, place)
    if moment is None or row < 0:
        return Words("", remarks=tuple(filter(None, (_sentence(board.file.problem),))))
    index = board.prompts[row]
    prompt, image = board.prompt(index), image_at(board, place)
    return Words(
        place=", ".join(_place(moment, buckets)),
        facts=_facts(image, prompt, pixels),
        prompt=clean(prompt.text, PROMPT_CHARACTERS) if prompt is not None else "",
        negative=clean(prompt.negative, PROMPT_CHARACTERS)
        if prompt is not None and prompt.negative
        else "",
        name=clean(PurePath(image.path).name, 300) if image is not None else "",
        remarks=(*((BLACK,) if black else ()), *_remarks(board, image, prompt)),
    )


def _place(moment: Moment, buckets: Sequence[LossBucket]) -> list[str]:
    said = [moment.words]
    if moment.step is None:
        return said
    if moment.step == 0:
        return [*said, "before the first"]
    if moment.epoch is not None:
        said.append(f"epoch {moment.epoch}")
    value = loss_at(buckets, moment.step)
    return [*said, f"loss {loss(value)}"] if value is not None else said


def _facts(
    image: Sample | None, prompt: SamplePrompt | None, pixels: tuple[int, int] | None
) -> tuple[str, ...]:
    if image is None:
        return ()
    said = []
    if pixels is None and prompt is not None and prompt.width and prompt.height:
        pixels = (prompt.width, prompt.height)
    if pixels is not None:
        said.append(f"{pixels[0]}x{pixels[1]}")
    said.append(file_size(image.size_bytes))
    said.append(f"seed {image.seed}" if image.seed is not None else "seed by chance")
    if prompt is not None and prompt.steps is not None:
        said.append(f"{prompt.steps} sampling steps")
    if prompt is not None and prompt.scale is not None:
        said.append(f"scale {prompt.scale:g}")
    said.append(f"drawn {_when(image.made_at)}")
    if image.attempt > 1:
        said.append(f"attempt {image.attempt}")
    return tuple(said)


def _when(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"


def _remarks(board: Board, image: Sample | None, prompt: SamplePrompt | None) -> tuple[str, ...]:
    said = []
    if image is None:
        said.append("No image of this prompt was drawn then.")
    elif image.replaced:
        said.append(f"Attempt {image.attempt} drew it; this step was trained again since.")
    if prompt is None:
        said.append(_sentence(board.file.problem) or "The prompt file has no such prompt any more.")
    elif board.file.changed:
        said.append("The prompt file has changed since the run began: these words may be newer.")
    return tuple(said)


def _sentence(text: str | None) -> str:
    text = clean(text, 300)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


# ---------------------------------------------------------------------------
# What is said of one sample image, as rows.


def word_rows(words: Words, count: str, width: int, height: int) -> list[Row]:
    """`count`: which prompt of how many. The words of the prompt take what the rest leaves them."""
    room = max(8, width)
    head: list[Row] = [(Span(line, "strong"),) for line in wrap(words.place, room)]
    remarks = [(Span(line, "warn"),) for one in words.remarks for line in wrap(one, room)]
    facts = [(Span(line, "dim"),) for line in _joined(words.facts, room)]
    name: list[Row] = [(Span(crop_start(words.name, room), "dim"),)] if words.name else []
    left = height - len(head) - len(remarks) - len(name)
    if left < 3:
        return [*head, *remarks, *name][:height]
    facts = facts[: max(0, left - 2)]
    left -= len(facts)
    prompt = _prompt(words, count, room, max(0, left - 1)) if left > 2 else []
    blank: list[Row] = [()] if prompt else []
    return [*head, *facts, *blank, *prompt, *remarks, *name][:height]


def _joined(parts: tuple[str, ...], width: int) -> list[str]:
    """Parts joined by commas; a line breaks between them."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(crop(part, width))
    return lines


def _prompt(words: Words, count: str, width: int, height: int) -> list[Row]:
    if not words.prompt:
        only: Row = (Span(count, "dim"),)
        return [only][:height]
    lines = wrap(f"{count}: {words.prompt}", width)
    rows: list[Row] = []
    for at, line in enumerate(lines):
        if at == 0 and line.startswith(count):
            rows.append((Span(line[: len(count) + 1], "dim"), Span(line[len(count) + 1 :])))
        else:
            rows.append((Span(line),))
    if words.negative:
        rows += [(Span(line, "dim"),) for line in wrap(f"negative: {words.negative}", width)]
    if len(rows) > height > 0:
        last = "".join(span.text for span in rows[height - 1])
        rows = [*rows[: height - 1], (Span(f"{take_cells(last, width - 1)}…", "dim"),)]
    return rows[:height]


# ---------------------------------------------------------------------------
# Sample images as a grid: a row a prompt, a column a step. Pure: pictures come from `take`.

Take = Callable[[Wish], Made | None]
#: rows of a tile that still shows something, and of one that needs no more
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
    prompts = max(1, len(board.prompts))
    if pictures:
        most = max(1, min(MOST_COARSE if coarse else MOST, room - 1, (width // 2 - 1) // 2))
        height = max(min(LEAST, most), min(most, room // prompts - 1))
        height = _for_one_more(height, width, len(board.moments))
        tile = height * 2
    else:
        height, tile = 1, NAME_WIDTH
    across = max(1, width // (tile + 1))
    down = max(1, room // (height + 1))
    left = _first(before[0], column_of(board, place), across, len(board.moments))
    top = _first(before[1], row_of(board, place), down, len(board.prompts))
    return Tiles(tile, height, across, down, left, top)


def _for_one_more(height: int, width: int, columns: int) -> int:
    """A little less high where one more column fits then: blank space shows nothing."""
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
    shown = range(tiles.left, tiles.left + tiles.across)
    near = (tiles.left + tiles.across, tiles.left - 1)
    found = []
    for columns in (shown, near):
        for row in range(tiles.top, tiles.top + tiles.down):
            for column in columns:
                image = _image(board, row, column)
                if image is not None:
                    found.append(Wish(image.path, tiles.width, tiles.height))
    return found


def _image(board: Board, row: int, column: int) -> Sample | None:
    if not (0 <= row < len(board.prompts) and 0 <= column < len(board.moments)):
        return None
    return board.images.get((board.prompts[row], board.moments[column].key))


def draw_grid(board: Board, place: Place, tiles: Tiles, width: int, take: Take | None) -> list[Row]:
    """`take` None: sizes instead of pictures."""
    columns = range(tiles.left, min(len(board.moments), tiles.left + tiles.across))
    cursor = (row_of(board, place), column_of(board, place))
    rows: list[Row] = [_heading(board, columns, cursor[1], tiles)]
    for row in range(tiles.top, min(len(board.prompts), tiles.top + tiles.down)):
        rows.append(_label(board, row, row == cursor[0], width))
        drawn = [_tile(_image(board, row, c), tiles, take) for c in columns]
        for y in range(tiles.height):
            rows.append(_line(drawn, y, [(row, c) == cursor for c in columns], tiles))
    return rows


def _heading(board: Board, columns: range, cursor: int, tiles: Tiles) -> Row:
    spans: list[Span] = []
    for column in columns:
        moment, here = board.moments[column], column == cursor
        text = moment.words if len(moment.words) <= tiles.width else moment.short
        mark = Span(glyphs.CURSOR if here else " ", "accent")
        spans += [mark, cell(text, tiles.width, "strong" if here else "dim")]
    return tuple(spans)


def _label(board: Board, row: int, here: bool, width: int) -> Row:
    index = board.prompts[row]
    prompt = board.prompt(index)
    words = clean(prompt.text, 400) if prompt is not None else "not in the prompt file"
    text = crop(words, max(0, width - 6))
    mark = Span(glyphs.CURSOR if here else " ", "accent")
    return (mark, Span(f"{index + 1:<3} ", "dim"), Span(text, "text" if here else "dim"))


def _tile(image: Sample | None, tiles: Tiles, take: Take | None) -> list[Row]:
    """Rows of at most a tile's width."""
    if image is None:
        return [(Span(glyphs.SKIP, "faint"),)]
    if take is None:
        return [(Span(file_size(image.size_bytes)),)]
    made = take(Wish(image.path, tiles.width, tiles.height))
    if made is None:
        return [(Span(glyphs.UNKNOWN, "faint"),)]
    if made.problem:
        return [(Span(line, "dim"),) for line in wrap(made.problem, tiles.width)]
    return list(made.rows)


def _line(drawn: list[list[Row]], y: int, here: list[bool], tiles: Tiles) -> Row:
    spans: list[Span] = []
    for rows, is_here in zip(drawn, here, strict=True):
        spans.append(Span(glyphs.CURSOR if is_here else " ", "accent"))
        row = rows[y] if y < len(rows) else ()
        spans += pad(row, tiles.width) if row_width(row) > tiles.width else row
        gap = tiles.width - row_width(row)
        if gap > 0:
            spans.append(Span(" " * gap))
    return tuple(spans)


# ---------------------------------------------------------------------------
# All prompts by all steps.


class SampleGrid(Pictured):
    """The screen gives it `store`, `board`, `place` and `room` (columns and rows, whatever covers some of them
    for a moment), and calls `repaint`."""

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

    def wishes(self) -> list[Wish]:
        return wishes_of(self.board, self.tiles())

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


# ---------------------------------------------------------------------------
# One picture as large as fits, or the sentence that stands for it.


class Picture(Pictured):
    """`model` None: not there yet. `instead`: lines that are shown when there are to be no pictures."""

    model: reactive[Made | None] = reactive(None, layout=False, repaint=False)
    instead: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_instead(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if self.instead:
            said = [line for text in self.instead for line in wrap(text, max(8, width - 2))]
            return [(Span(f" {line}", "dim"),) for line in said]
        made = self.model
        if made is None:
            return ()
        if made.problem:
            lines = wrap(made.problem, max(8, width - 2))
            return [(), *((Span(f" {line}", "warn"),) for line in lines)]
        return _middle(made.rows, width)


def _middle(rows: Sequence[Row], width: int) -> list[Row]:
    """At the top, so that the eye finds it where it was; in the middle from left to right."""
    left = max(0, (width - (row_width(rows[0]) if rows else 0)) // 2)
    return [(Span(" " * left), *row) if left else row for row in rows]
