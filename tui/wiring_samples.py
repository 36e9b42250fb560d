"""The real actions of the sample images, done by the runner."""

from __future__ import annotations

from pathlib import Path

from runner.history.samples import SampleFinder, prompt_file_of
from tui.actions_samples import SampleReader
from tui.viewmodel.samples import SampleSheet


class FoundSamples:
    """The files of one run."""

    def __init__(self, run_path: Path) -> None:
        self._path = run_path
        self._finder = SampleFinder(run_path)

    def changed(self) -> bool:
        return self._finder.changed()

    def read(self) -> SampleSheet:
        return SampleSheet(self._finder.find(), prompt_file_of(self._path))


class SamplesWiring:
    """What `tui.actions_samples` asks for."""

    def samples(self, run_path: Path) -> SampleReader:
        return FoundSamples(run_path)
