"""Sample images in order: prompts by steps, the cursor, when the next ones come, words for one image.
Pure."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from runner.history.samples import Sample, SampleRhythm
from runner.model import LossBucket
from runner.model.units import ago, file_size, loss
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tui.text import capital, clean
from tui.words.loss import loss_at
from tui.words.progress import Progress

#: pipelines turn NaN into black
BLACK = "All black: the model's output was probably NaN."
#: longer prompts are cut
PROMPT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """All images of a run, in the order of their steps, the prompts, and how often it samples."""

    samples: Sequence[Sample] = ()
    prompts: PromptFile = field(default_factory=PromptFile)
    rhythm: SampleRhythm = field(default_factory=SampleRhythm)


@dataclass(frozen=True, slots=True)
class Moment:
    """A column: when images were sampled. `key` identifies and sorts it. `title`: of a column that is a run."""

    key: tuple[float, float]
    step: int | None
    epoch: int | None
    title: str = ""

    @property
    def words(self) -> str:
        if self.title:
            return self.title
        if self.step is not None:
            return f"step {self.step}"
        return f"epoch {self.epoch}" if self.epoch is not None else "step unknown"

    @property
    def short(self) -> str:
        if self.title:
            return self.title.partition(" ")[0]
        if self.step is not None:
            return str(self.step)
        return f"e{self.epoch}" if self.epoch is not None else "?"


@dataclass(frozen=True, slots=True)
class Place:
    """The cursor. `moment` None: at the newest, and follows it."""

    prompt: int = 0
    moment: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """`prompts`: indices of all that have an image, in order; `images`: by prompt and moment."""

    moments: tuple[Moment, ...] = ()
    prompts: tuple[int, ...] = ()
    images: Mapping[tuple[int, tuple[float, float]], Sample] = field(default_factory=dict)
    file: PromptFile = field(default_factory=PromptFile)

    def prompt(self, index: int) -> SamplePrompt | None:
        return self.file.prompts[index] if index < len(self.file.prompts) else None

    def image(self, row: int, column: int) -> Sample | None:
        """None: there is no such place, or nothing was sampled of this prompt then."""
        if not (0 <= row < len(self.prompts) and 0 <= column < len(self.moments)):
            return None
        return self.images.get((self.prompts[row], self.moments[column].key))

    # ----------------------------------------------------------------- the cursor

    def column(self, place: Place) -> int:
        """Of a moment that is gone, the nearest after it. -1: there is none."""
        if place.moment is None:
            return len(self.moments) - 1
        keys = [moment.key for moment in self.moments]
        return min(len(keys) - 1, bisect_left(keys, place.moment))

    def row(self, place: Place) -> int:
        """-1: there is none."""
        return min(len(self.prompts) - 1, bisect_left(self.prompts, place.prompt))

    def moment_at(self, place: Place) -> Moment | None:
        column = self.column(place)
        return self.moments[column] if column >= 0 else None

    def image_at(self, place: Place) -> Sample | None:
        return self.image(self.row(place), self.column(place))

    def moved(self, place: Place, columns: int = 0, rows: int = 0) -> Place:
        """The cursor elsewhere, never off the board. The last column is followed as new ones come."""
        if not self.moments:
            return place
        last = len(self.moments) - 1
        column = max(0, min(last, self.column(place) + columns))
        row = max(0, min(len(self.prompts) - 1, self.row(place) + rows))
        moment = None if column == last else self.moments[column].key
        return replace(place, prompt=self.prompts[row], moment=moment)

    def around(self, place: Place) -> list[Sample]:
        """The image at the cursor and those one or two keys away, the likeliest first."""
        steps = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0))
        found = (self.image_at(self.moved(place, dx, dy)) for dx, dy in steps)
        return list(dict.fromkeys(one for one in found if one is not None))


def board_of(sheet: SampleSheet) -> Board:
    moments = {_key(one): Moment(_key(one), one.step, one.epoch) for one in reversed(sheet.samples)}
    return Board(
        tuple(moments[key] for key in sorted(moments)),
        tuple(sorted({one.prompt_index for one in sheet.samples})),
        {(one.prompt_index, _key(one)): one for one in sheet.samples},
        sheet.prompts,
    )


def board_of_runs(runs: Sequence[tuple[str, SampleSheet]], step: int | None = None) -> Board:
    """A column for each run under its title: the images of that step; None: the newest of each prompt."""
    images: dict[tuple[int, tuple[float, float]], Sample] = {}
    for at, (_, sheet) in enumerate(runs):
        shown = [one for one in sheet.samples if step is None or one.step == step]
        images |= {(one.prompt_index, (0.0, float(at))): one for one in shown}
    files = [sheet.prompts for _, sheet in runs]
    return Board(
        tuple(Moment((0.0, float(at)), None, None, title) for at, (title, _) in enumerate(runs)),
        tuple(sorted({prompt for prompt, _ in images})),
        images,
        next((one for one in files if one.prompts), files[0] if files else PromptFile()),
    )


def steps_of_runs(sheets: Iterable[SampleSheet]) -> tuple[int, ...]:
    """Every step with an image in one of the runs."""
    found = {one.step for sheet in sheets for one in sheet.samples if one.step is not None}
    return tuple(sorted(found))


def _key(one: Sample) -> tuple[float, float]:
    """Images without a step come last, by epoch or by time."""
    if one.step is not None:
        return (0.0, float(one.step))
    return (1.0, float(one.epoch)) if one.epoch is not None else (2.0, one.made_at)


def next_sample(rhythm: SampleRhythm, progress: Progress) -> str:
    """`epoch 3, in 14 min`; empty if there will be none or its time is unknown."""
    done, per_epoch, each = (
        progress.step - rhythm.origin_step,
        progress.steps_per_epoch,
        rhythm.every_epochs,
    )
    if each and per_epoch:
        number = (int(done // (per_epoch * each)) + 1) * each
        step = rhythm.origin_step + round(number * per_epoch)
        epoch = round(rhythm.origin_step / per_epoch) + number
        name = f"epoch {epoch}"
        if progress.epochs and epoch > progress.epochs:
            return ""
    elif rhythm.every_steps:
        step = rhythm.origin_step + (done // rhythm.every_steps + 1) * rhythm.every_steps
        name = f"step {step}"
        if progress.total_steps and step > progress.total_steps:
            return ""
    else:
        return ""
    wait = progress.seconds_until(min(step, progress.total_steps or step))
    if wait is None:
        return name
    return f"{name}, in {ago(wait)}" if wait >= 5 else f"{name}, due now"


# ---------------------------------------------------------------------------
# Words for one image.


@dataclass(frozen=True, slots=True)
class ImageWords:
    """The most important first. `facts`: short, to be joined by commas."""

    place: str = ""
    facts: tuple[str, ...] = ()
    prompt: str = ""
    negative: str = ""
    name: str = ""
    remarks: tuple[str, ...] = ()


def image_words(
    board: Board,
    place: Place,
    buckets: Sequence[LossBucket],
    pixels: tuple[int, int] | None = None,
    black: bool = False,
) -> ImageWords:
    """`pixels`: of the file, once it is decoded; `black`: all of them."""
    moment, row = board.moment_at(place), board.row(place)
    if moment is None or row < 0:
        return ImageWords(remarks=_some((_sentence(board.file.problem),)))
    image, prompt = board.image_at(place), board.prompt(board.prompts[row])
    return ImageWords(
        ", ".join(_some(_place(moment, buckets))),
        _some(_facts(image, prompt, pixels)) if image is not None else (),
        clean(prompt.text, PROMPT_CHARACTERS) if prompt is not None else "",
        clean(prompt.negative, PROMPT_CHARACTERS) if prompt is not None else "",
        clean(PurePath(image.path).name, 300) if image is not None else "",
        _some((BLACK if black else "", *_remarks(board, image, prompt))),
    )


def _some(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, texts))


def _place(moment: Moment, buckets: Sequence[LossBucket]) -> Iterator[str]:
    yield moment.words
    if moment.step == 0:
        yield "before the first"
    elif moment.step is not None:
        value = loss_at(buckets, moment.step)
        yield f"epoch {moment.epoch}" if moment.epoch is not None else ""
        yield f"loss {loss(value)}" if value is not None else ""


def _facts(
    image: Sample, prompt: SamplePrompt | None, pixels: tuple[int, int] | None
) -> Iterator[str]:
    if pixels is None and prompt is not None and prompt.width and prompt.height:
        pixels = (prompt.width, prompt.height)
    yield f"{pixels[0]}x{pixels[1]}" if pixels is not None else ""
    yield file_size(image.size_bytes)
    yield f"seed {image.seed}" if image.seed is not None else "random seed"
    if prompt is not None:
        yield f"{prompt.steps} sampling steps" if prompt.steps is not None else ""
        yield f"scale {prompt.scale:g}" if prompt.scale is not None else ""
    yield _when(image.made_at)
    yield f"attempt {image.attempt}" if image.attempt > 1 else ""


def _when(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "time unknown"


def _remarks(board: Board, image: Sample | None, prompt: SamplePrompt | None) -> Iterator[str]:
    if image is None:
        yield "No image of this prompt at this step."
    elif image.replaced:
        yield f"From attempt {image.attempt}; a later attempt trained this step again."
    if prompt is None:
        yield _sentence(board.file.problem) or "This prompt is no longer in the prompt file."
    elif board.file.changed:
        yield "The prompt file changed after the run started: the prompt may differ."


def _sentence(text: str | None) -> str:
    text = clean(text, 300)
    return f"{capital(text).rstrip('.')}." if text else ""
