"""The sample images of several runs in one grid: a row for each prompt, a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult

from runner.history.compare import ComparedRun, Comparison
from runner.model.units import count, file_size
from tui.asking import ask
from tui.backend.samples import SampleReader
from tui.images.store import TerminalPictures
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import Row, Span
from tui.kit.painted import Lines
from tui.screens.samples import (
    CHART_HEIGHT,
    GRID_WORDS,
    READ_S,
    SLOW_READ_S,
    PictureReady,
    SampleGrid,
    SamplesScreen,
    grid_room,
    wishes_of,
)
from tui.text import clean, crop
from tui.words.samples import Board, Place, SampleSheet, board_of_runs, steps_of_runs
from tui.words.state import label_of

KEYS = (
    Key("right", "move(1, 0)", MOVE, "Next run", "run", 90, shown="left right"),
    Key("left", "move(-1, 0)", MOVE, "Previous run"),
    Key("down", "move(0, 1)", MOVE, "Next prompt", "prompt", 86, shown="up down"),
    Key("up", "move(0, -1)", MOVE, "Previous prompt"),
    Key("full_stop", "step(1)", VIEW, "Later step; after the last, the newest of each run", "step", 84,
        shown=", ."),
    Key("comma", "step(-1)", VIEW, "Earlier step"),
    Key("enter", "open", VIEW, "All sample images of the run under the cursor", "open", 82),
    Key("o", "copy", RUN, "Copy the image's path to the clipboard", "copy path", 70),
    Key("escape", "back", VIEW, "Back", "back", 80),
)  # fmt: skip


def title_of(run: ComparedRun, made: Comparison) -> str:
    """`B 5e-5 16`: its letter, and what differs."""
    at = made.runs.index(run)
    values = [row.values[at] or "–" for row in made.differing]
    return clean(" ".join([run.letter, *values]), 60)


class CompareSamplesScreen(FramedScreen):
    WHERE = "samples"
    BINDINGS: ClassVar = list(KEYS)

    def __init__(self, made: Comparison, order: Sequence[int]) -> None:
        """`order`: the runs from left to right, by index."""
        super().__init__()
        self._runs = [made.runs[at] for at in order]
        self._titles = [title_of(run, made) for run in self._runs]
        self._readers: list[SampleReader] = []
        self._sheets: list[SampleSheet] = []
        self._reading = False
        self.step: int | None = None
        self.place = Place(moment=(0.0, 0.0))
        self.board = Board()

    def body(self) -> ComposeResult:
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
        if self.is_current and not self._reading:
            self._reading = True
            ask(self, self._read, self._take, self._not_read)
        self.store.refresh()

    def _read(self) -> list[SampleSheet] | None:
        """In a thread. None: unchanged."""
        first = not self._readers
        if first:
            samples = self.plasma.backend.samples
            self._readers = [samples(Path(run.path)) for run in self._runs]
        changed = [reader.changed() for reader in self._readers]
        if first or any(changed):
            return [reader.read() for reader in self._readers]
        return None

    def _not_read(self, problem: str) -> None:
        self._reading = False
        self.say(f"{problem[:1].upper()}{problem[1:]}", "bad")

    def _take(self, found: list[SampleSheet] | None) -> None:
        self._reading = False
        if found is not None:
            self._sheets = found
            self._show()

    # ----------------------------------------------------------------- showing

    def _show(self) -> None:
        if not self.query(SampleGrid):
            return
        self.board = board_of_runs(list(zip(self._titles, self._sheets, strict=False)), self.step)
        grid = self.query_one(SampleGrid)
        grid.board, grid.place, grid.room = self.board, self.place, grid_room(*self.size)
        self.store.wish(wishes_of(self.board, grid.tiles()))
        self.on_picture_ready()
        self.repaint_heading()
        self.query_one(KeyFooter).model = footer_of(self)

    def on_picture_ready(self) -> None:
        if self.query(SampleGrid):
            grid = self.query_one(SampleGrid)
            self.store.send(wishes_of(self.board, grid.tiles()))
            grid.repaint()
            self.query_one("#grid-words", Lines).repaint()

    def heading(self, width: int) -> tuple[Row, Row]:
        which = f"step {self.step}" if self.step is not None else "newest"
        right = f"{which}, {count(len(self.board.prompts), 'prompt')} " if self._sheets else ""
        title = f"sample images of {count(len(self._runs), 'run')}"
        return (Span(title, "strong"),), (Span(right, "dim"),)

    def _words(self, width: int, height: int) -> Sequence[Row]:
        """The run under the cursor and its image."""
        if not self._sheets:
            return [(Span(" reading the images", "dim"),)]
        if not self.board.prompts:
            none = "No sample images yet." if self.step is None else "No image at this step."
            return [(Span(f" {none}", "dim"),)]
        run, image = self._run, self.board.image_at(self.place)
        label = label_of(run.state, run.outcome)
        facts = [f"step {image.step}" if image and image.step is not None else ""]
        facts += [f"seed {image.seed}" if image and image.seed is not None else ""]
        facts += [file_size(image.size_bytes)] if image is not None else ["no image"]
        name = crop(clean(run.name, 80), max(8, width - 4))
        return [
            (Span(f" {run.letter} ", "accent"), Span(name, "strong")),
            (Span(f"   {label.shape} {label.word}", label.role),),
            (Span(f"   {', '.join(filter(None, facts))}", "dim"),),
        ][:height]

    @property
    def _run(self) -> ComparedRun:
        return self._runs[max(0, self.board.column(self.place))]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "copy":
            return self.board.image_at(self.place) is not None
        if action == "step":
            return bool(steps_of_runs(self._sheets))
        return True

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    def _arrange(self) -> None:
        if self.query(SampleGrid):
            words = self.query_one("#grid-words")
            words.display = self.size.height >= CHART_HEIGHT
            words.styles.height = GRID_WORDS
            self.call_after_refresh(self._show)

    # ----------------------------------------------------------------- keys

    def action_move(self, columns: int, rows: int) -> None:
        """Columns are runs, so none is followed."""
        at = max(0, min(len(self._runs) - 1, self.board.column(self.place) + columns))
        row = max(0, min(len(self.board.prompts) - 1, self.board.row(self.place) + rows))
        prompts = self.board.prompts
        self.place = Place(prompts[row] if prompts else 0, (0.0, float(at)))
        self._show()

    def action_step(self, by: int) -> None:
        """Through every step with an image; behind the last one, the newest of each run."""
        places = [*steps_of_runs(self._sheets), None]
        at = places.index(self.step) if self.step in places else len(places) - 1
        self.step = places[max(0, min(len(places) - 1, at + by))]
        self._show()

    def on_sample_grid_pointed(self, message: SampleGrid.Pointed) -> None:
        column, row = self.board.column(self.place), self.board.row(self.place)
        if (message.column, message.row) == (column, row):
            self.action_open()
        else:
            self.action_move(message.column - column, message.row - row)

    def action_open(self) -> None:
        self.app.push_screen(SamplesScreen(Path(self._run.path)))

    def action_copy(self) -> None:
        image = self.board.image_at(self.place)
        if image is not None:
            self.app.copy_to_clipboard(clean(image.path))
            self.say(f"Sent to the terminal's clipboard: {image.path}", fade_s=6.0)

    def action_back(self) -> None:
        self.hush()
        self.app.pop_screen()
