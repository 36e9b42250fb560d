"""Messages between the feed's thread, the app and its screens: facts, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from runner.model import Approval, CheckResult
from tui.backend.results import Plan
from tui.words.checklist import CheckName

if TYPE_CHECKING:
    from runner.model.preview import Preview
    from tui.planning import CheckRun


class SnapshotArrived(Message, bubble=False):
    """The feed holds a newer snapshot; `Feed.take()` hands it out."""


@dataclass
class ReadFailed(Message):
    """The run could not be read this time; the feed goes on trying."""

    problem: str


@dataclass
class PlanMade(Message):
    """`names`: all checks there are. `fresh`: the file is another one, so what was found is history.
    `slow`: everything is to be looked at."""

    plan: Plan
    names: tuple[CheckName, ...] = ()
    fresh: bool = True
    slow: bool = False


@dataclass
class CheckFound(Message):
    """One result of a run of checks."""

    run: CheckRun
    result: CheckResult


@dataclass
class ChecksEnded(Message):
    """All are done, or broken off, or could not be run (`problem`)."""

    run: CheckRun
    problem: str | None = None


@dataclass
class ConfigChanged(Message):
    """plasma.toml is another one than before."""


@dataclass
class ApprovalRead(Message):
    """What lies with a smoke test."""

    run_path: Path
    approval: Approval | None


@dataclass
class OrderAnswered(Message):
    """What came back from an action: `ok` is False for a refusal."""

    text: str
    ok: bool
    run_path: Path | None = None
    name: str = ""
    config_path: Path | None = None


@dataclass
class PreviewMade(Message):
    """What `order` (start, resume, retry) would do, or why it cannot (`problem`). `run_path`: the run that was
    open when it was asked."""

    order: str
    run_path: Path | None
    preview: Preview | None = None
    problem: str | None = None
