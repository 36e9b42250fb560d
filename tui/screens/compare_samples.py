"""The sample images of several runs in one grid: a row for each prompt, a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult

from runner.history.compare import ComparedRun, Comparison
from runner.model.units import count, file_size
from tui.backend.samples import SampleReader
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit.paint import Row, Span
from tui.screens.images import ImagesScreen
from tui.screens.samples import SamplesScreen
from tui.text import clean, crop
from tui.words.samples import Place, SampleSheet, board_of_runs, steps_of_runs
from tui.words.state import label_of

KEYS = (
    Key("right", "go(1, 0)", MOVE, "Next run", "run", 90, shown="left right"),
    Key("left", "go(-1, 0)", MOVE, "Previous run"),
    Key("down", "go(0, 1)", MOVE, "Next prompt", "prompt", 86, shown="up down"),
    Key("up", "go(0, -1)", MOVE, "Previous prompt"),
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


class CompareSamplesScreen(ImagesScreen[list[SampleSheet] | None]):
    BINDINGS: ClassVar = list(KEYS)

    def __init__(self, made: Comparison, order: Sequence[int]) -> None:
        """`order`: the runs from left to right, by index."""
        super().__init__()
        self._runs = [made.runs[at] for at in order]
        self._titles = [title_of(run, made) for run in self._runs]
        self._readers: list[SampleReader] = []
        self._sheets: list[SampleSheet] = []
        self.step: int | None = None
        self.place = Place(moment=(0.0, 0.0))

    def body(self) -> ComposeResult:
        yield from self.grid()

    # ----------------------------------------------------------------- reading

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

    def _take(self, found: list[SampleSheet] | None) -> None:
        if found is not None:
            self._sheets = found
            self._show()

    # ----------------------------------------------------------------- showing

    def _show(self) -> None:
        self.board = board_of_runs(list(zip(self._titles, self._sheets, strict=False)), self.step)
        super()._show()

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
        if action == "step":
            return bool(steps_of_runs(self._sheets))
        return super().check_action(action, parameters)

    # ----------------------------------------------------------------- keys

    def action_go(self, columns: int, rows: int) -> None:
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

    def action_open(self) -> None:
        self.app.push_screen(SamplesScreen(Path(self._run.path)))
