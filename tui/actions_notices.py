"""Testing the notices: what the screen asks for, and what it gets back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.model import NotifyRules
from runner.model.lean import dataclass

if TYPE_CHECKING:
    from runner.config.channels import Channels
    from runner.notify.channel import Result
    from runner.notify.message import Message


@dataclass(frozen=True, slots=True)
class NoticeTarget:
    """Where a test goes. `channels` may hold what nobody should see: it is handed back, never shown."""

    message: Message
    rules: NotifyRules = field(default_factory=NotifyRules)
    channels: Channels | None = None


class NoticeActions(Protocol):
    """All may raise ActionFailed."""

    def notice_target(self, run_path: Path | None, config_path: Path | None) -> NoticeTarget:
        """Of the run, else of the configuration."""

    def test_channels(self, target: NoticeTarget) -> Sequence[Result]:
        """What came of each; may take a minute."""
