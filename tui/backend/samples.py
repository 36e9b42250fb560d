"""The sample images of one run, read again whenever there are new ones."""

from __future__ import annotations

from pathlib import Path

from runner.history.samples import SampleFinder, prompt_file_of, rhythm_of
from tui.words.samples import SampleSheet


class SampleReader:
    """While nothing changes, asking costs a few stats."""

    def __init__(self, run_path: Path) -> None:
        self._path = run_path
        self._finder = SampleFinder(run_path)

    def changed(self) -> bool:
        """Is there something that `read` has not seen?"""
        return self._finder.changed()

    def read(self) -> SampleSheet:
        return SampleSheet(self._finder.find(), prompt_file_of(self._path), rhythm_of(self._path))
