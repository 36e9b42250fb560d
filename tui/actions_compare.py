"""What the comparison of runs asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from runner.history.compare import Comparison


class ComparisonReader(Protocol):
    """Reads several runs again and again (`runner.history.comparing.Comparing`)."""

    def changed(self) -> bool:
        """A few stats: is there anything new to read?"""

    def read(self, budget_s: float) -> Comparison:
        """What is known now, in about `budget_s`; `read_fraction` < 1 asks for another call."""


class CompareActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def comparing(self, run_paths: Sequence[Path]) -> ComparisonReader:
        """For 2 to 8 runs; refuses another number."""
