"""What the screen of sample images reads: the run and its images, again and again, in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from runner.model import RunSnapshot
from tui.asking import ask
from tui.backend.results import Reader
from tui.backend.samples import SampleReader
from tui.viewmodel.samples import Board, SampleSheet, board_of
from tui.widgets.notice import SpeakingScreen

if TYPE_CHECKING:
    from tui.app import PlasmaApp

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
