"""A test of the notices in tests of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config.channels import Channels
from runner.notify.channel import Result
from runner.notify.message import trial_message
from tui.actions_notices import NoticeTarget


class FakeNotices:
    """`notice_results`: what comes of the channels."""

    orders: list[Any]
    notice_results: Sequence[Result] = ()

    def notice_target(self, run_path: Path | None, config_path: Path | None) -> NoticeTarget:
        self.orders.append(("notice", run_path, config_path))
        return NoticeTarget(trial_message("spyke"), channels=Channels(("tell",)))

    def test_channels(self, target: NoticeTarget) -> Sequence[Result]:
        return self.notice_results
