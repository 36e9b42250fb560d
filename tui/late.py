"""The real actions, imported with the first order that needs them: not on the way to the first frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from runner.store.reader import RunReader

if TYPE_CHECKING:
    from tui.actions import Actions


class LateActions:
    """Stands for `tui.wiring.RunnerActions`; orders come from worker threads, which can wait for an import."""

    def __init__(self, demo_folder: Path | None = None) -> None:
        self._demo_folder = demo_folder
        self._real: Any = None

    def open_reader(self, run_path: Path) -> RunReader:
        """What the first frame needs is there already."""
        return RunReader(run_path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._real is None:
            from tui.wiring import RunnerActions

            self._real = RunnerActions(self._demo_folder)
        return getattr(self._real, name)


def late_actions(demo_folder: Path | None = None) -> Actions:
    """Everything that the keys can do."""
    return cast("Actions", LateActions(demo_folder))
