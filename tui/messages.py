"""Messages of the feed's thread: facts, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


class SnapshotArrived(Message, bubble=False):
    """The feed holds a newer snapshot; `Feed.take()` hands it out."""


@dataclass
class ReadFailed(Message):
    """The run could not be read this time; the feed tries again."""

    problem: str
