"""The sample images of one run, looked for repeatedly."""

from __future__ import annotations

from pathlib import Path

from runner.history.samples import SampleFinder, prompt_file_of
from tui.screens.sample_grid import SampleSheet


class SampleReader:
    """Where nothing has changed, a look costs a few stats."""

    def __init__(self, run_path: Path) -> None:
        self._path = run_path
        self._finder = SampleFinder(run_path)

    def changed(self) -> bool:
        """Is there something that `read` has not seen?"""
        return self._finder.changed()

    def read(self) -> SampleSheet:
        return SampleSheet(self._finder.find(), prompt_file_of(self._path))
