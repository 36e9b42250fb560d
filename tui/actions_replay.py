"""What playing back asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.model import RunSnapshot

if TYPE_CHECKING:  # a screen on a living run needs none of it
    from runner.history.replay import Playhead
    from runner.history.replay_transport import Transport


class Replay(Protocol):
    """A recorded run as a reader (see `tui.actions.Reader`), and its knobs
    (`runner.history.replay.ReplayReader`).
    `changed` and `read` belong to the thread that reads, all else may be called from the screen."""

    @property
    def transport(self) -> Transport: ...

    @property
    def playhead(self) -> Playhead:
        """Where it stands; quick."""

    def changed(self) -> bool: ...

    def read(self, budget_s: float) -> RunSnapshot: ...

    def jump(self, by: int) -> str:
        """To the next (1) or last (-1) moment of note; its kind, "" if there is none."""


class ReplayActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def open_replay(self, run_path: Path, speed: float | None = None) -> Replay: ...
