"""Fake actions of playing back, for tests of the screen."""

from __future__ import annotations

from pathlib import Path

from runner.history.replay import ReplayReader


class FakeReplay:
    """Mixed into `tests.fakes.FakeActions`. Recordings are real ones: reading them is quick."""

    replayed: tuple[tuple[Path, float | None], ...] = ()

    def open_replay(self, run_path: Path, speed: float | None = None) -> ReplayReader:
        self.replayed = (*self.replayed, (run_path, speed))
        return ReplayReader(run_path, speed)
