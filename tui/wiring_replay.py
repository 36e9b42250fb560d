"""The real actions of playing back, done by the runner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.history.replay import ReplayReader


class ReplayWiring:
    """What `tui.actions_replay` asks for."""

    def open_replay(self, run_path: Path, speed: float | None = None) -> ReplayReader:
        from runner.history.replay import ReplayReader

        return ReplayReader(run_path, speed)
