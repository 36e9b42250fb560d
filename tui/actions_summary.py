"""What the summary of a run asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.model.lean import dataclass

if TYPE_CHECKING:
    from runner.history.review.best import Candidate
    from runner.history.review.document import Document
    from runner.model import RunSnapshot
    from tui.actions import Sent


@dataclass(frozen=True, slots=True)
class SummarySheet:
    """A review for the screen: the document without its plot, which the screen draws itself from the snapshot;
    `candidates`: best first; their paths are whole ones."""

    document: Document
    snapshot: RunSnapshot
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """What came of an export. `done`: the copy is there; `text`: one sentence; `free_name`: one that could be
    taken where the wanted one is."""

    done: bool
    text: str
    free_name: str | None = None


class SummaryActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def summary(self, run_path: Path) -> SummarySheet:
        """Everything that can be told of a run."""

    def export_folders(self, run_path: Path) -> tuple[str, ...]:
        """Folders that are there and that a checkpoint may be wanted in, likeliest first."""

    def export(self, source: str, folder: str, name: str) -> ExportAnswer:
        """Copy a checkpoint; a refusal is an answer, too."""

    def show_folder(self, path: str) -> Sent:
        """Open the folder of a file where there is a desktop; else its name is told."""
