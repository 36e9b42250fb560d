"""Messages of the feed's thread: facts, in the past tense."""

from __future__ import annotations

from textual.message import Message


class SnapshotArrived(Message, bubble=False):
    """The feed holds a newer snapshot; `Feed.take()` hands it out."""


class ReadFailed(Message):
    """The run could not be read this time; the feed tries again."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem
