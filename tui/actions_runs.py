"""What the list of runs asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from runner.control.remove import Removal
    from runner.model import Label, RunSnapshot
    from tui.actions import Sent


class RunsActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def label(self, run_path: Path) -> Label:
        """What a person calls the run; an empty label where there is none."""

    def relabel(self, run_path: Path, label: Label) -> Sent:
        """Replace name, tags and note; refuses what is too long or holds control characters."""

    def glance(self, run_path: Path) -> RunSnapshot:
        """The run under the cursor: its small files, and its losses as far as a moment lets read them."""

    def removal(self, run_path: Path) -> Removal:
        """What removing the run would take away; nothing is changed."""

    def remove(self, run_path: Path, *, with_checkpoints: bool = False) -> Sent:
        """Remove the run's folder. `with_checkpoints`: also where `Removal.lost` names some."""
