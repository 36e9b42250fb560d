"""The real actions of the comparison of runs, done by the runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.actions_compare import ComparisonReader


class CompareWiring:
    """What `tui.actions_compare` asks for."""

    def comparing(self, run_paths: Sequence[Path]) -> ComparisonReader:
        from runner.history.comparing import Comparing
        from tui.actions import ActionFailed

        try:
            return Comparing(run_paths)
        except ValueError as error:
            raise ActionFailed(str(error)) from None
