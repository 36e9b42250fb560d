"""What the screen of sample images reads: the run and its images, again and again, in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import work
from textual.message import Message

from runner.model import RunSnapshot
from tui.backend.results import Reader
from tui.backend.samples import SampleReader
from tui.viewmodel.samples import Board, SampleSheet, board_of
from tui.widgets.notice import SpeakingScreen

if TYPE_CHECKING:
    from tui.app import PlasmaApp

BUDGET_S = 0.4


class SamplesRead(Message):
    """What was looked at: None: as before."""

    def __init__(
        self, sheet: SampleSheet | None, snapshot: RunSnapshot | None, problem: str = ""
    ) -> None:
        super().__init__()
        self.sheet, self.snapshot, self.problem = sheet, snapshot, problem


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
            self._look_in_thread()

    @work(thread=True, group="samples", exit_on_error=False)
    def _look_in_thread(self) -> None:
        from tui.planning import told

        try:
            sheet = snapshot = None
            if self._samples is None or self._reader is None:
                self._samples = self.plasma.backend.samples(self._run_path)
                self._reader = self.plasma.backend.open_reader(self._run_path)
                sheet = self._samples.read()
            elif self._samples.changed():
                sheet = self._samples.read()
            if self.snapshot is None or self.snapshot.read_fraction < 1 or self._reader.changed():
                snapshot = self._reader.read(BUDGET_S)
            self.post_message(SamplesRead(sheet, snapshot))
        except Exception as error:  # border: whatever goes wrong is a sentence
            self.post_message(SamplesRead(None, None, told(error)))

    def on_samples_read(self, message: SamplesRead) -> None:
        self._reading = False
        if message.problem:
            self.say(f"{message.problem[:1].upper()}{message.problem[1:]}", "bad")
        if message.snapshot is not None:
            self.snapshot = message.snapshot
        if message.sheet is not None:
            self.board = board_of(message.sheet)
        if message.snapshot is not None or message.sheet is not None:
            self.seen(message.snapshot)
        if message.snapshot is not None and message.snapshot.read_fraction < 1:
            self.look()
