"""Messages between the feed's thread, the app and its screens: facts, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from runner.model import RunListing
from tui.actions import Plan


class SnapshotArrived(Message, bubble=False):
    """The feed holds a newer snapshot; `Feed.take()` hands it out."""


@dataclass
class ReadFailed(Message):
    """The run could not be read this time; the feed goes on trying."""

    problem: str


@dataclass
class RunsListed(Message):
    listings: tuple[RunListing, ...]
    problem: str | None = None


@dataclass
class PlanMade(Message):
    plan: Plan


@dataclass
class OrderAnswered(Message):
    """What came back from an action: `ok` is False for a refusal."""

    text: str
    ok: bool
    run_path: Path | None = None
    name: str = ""
