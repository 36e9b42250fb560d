"""Sample images in order: prompts by steps, where the cursor stands, and what is said of one image. Pure."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from runner.history.samples import Sample
from runner.model import LossBucket
from runner.model.units import file_size, loss
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tui.text import clean
from tui.viewmodel.chart import loss_at

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
