"""Fake actions of the sample images, for tests of the screen."""

from __future__ import annotations

from pathlib import Path

from tui.actions_samples import SampleReader
from tui.viewmodel.samples import SampleSheet


class FakeSampleReader:
    """Hands out one sheet until it is replaced."""

    def __init__(self, sheet: SampleSheet) -> None:
        self.sheet = sheet
        self.error: Exception | None = None
        self.reads = 0
        self._new = True

    def put(self, sheet: SampleSheet) -> None:
        self.sheet, self._new = sheet, True

    def changed(self) -> bool:
        return self._new

    def read(self) -> SampleSheet:
        self.reads += 1
        if self.error is not None:
            raise self.error
        self._new = False
        return self.sheet


class FakeSamples:
    """Mixed into `tests.fakes.FakeActions`."""

    sample_reader: FakeSampleReader

    def samples(self, run_path: Path) -> SampleReader:
        if not hasattr(self, "sample_reader"):
            self.sample_reader = FakeSampleReader(SampleSheet())
        return self.sample_reader
