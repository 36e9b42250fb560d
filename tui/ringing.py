"""The app's bell: the watched run's news by a bell and one notification of the desktop, in one write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events

from runner.model import RunSnapshot
from runner.model.refusal import Refusal
from tui.backend.door import Backend
from tui.backend.results import Sent
from tui.orders import Orders
from tui.text import clean

if TYPE_CHECKING:  # a notice comes long after the first frame
    from runner.notify.channel import Result
    from tui.backend.results import NoticeTarget


class Ringing(Orders, inherit_bindings=False):
    """Knows whether its terminal has the focus, where the terminal says so."""

    def __init__(self, backend: Backend, config_path: Path | None) -> None:
        super().__init__(backend, config_path)
        #: None: the terminal has not said yet
        self.looked_at: bool | None = None

    def on_app_focus(self, event: events.AppFocus) -> None:
        self.looked_at = True

    def on_app_blur(self, event: events.AppBlur) -> None:
        self.looked_at = False

    def ring_for(self, before: RunSnapshot | None, after: RunSnapshot) -> None:
        """Tell what is new between two looks."""
        if before is None:
            return
        from tui.notices import bytes_of, ring_of, rules_of

        ring = ring_of(before, after)
        if ring is not None:
            self.to_terminal(bytes_of(ring, rules_of(after), os.environ, self.looked_at))

    def to_terminal(self, data: str) -> None:
        """One write, in its place between the frames: the driver's own thread does all writing."""
        if data and not self.is_headless and self._driver is not None:
            self._driver.write(data)

    # ----------------------------------------------------------------- a test by hand

    def test_notice(self) -> None:
        """On every channel and on this terminal; what came of it is told."""
        self.give("test notice", self._test_notice)

    def _test_notice(self) -> Sent:
        """In a thread: a channel may take a minute."""
        from tui.notices import Ring, bytes_of

        target = self.backend.notice_target(self.run_path, self.config_path)
        rules = target.rules
        self.call_from_thread(
            self.to_terminal, bytes_of(Ring(target.message), rules, os.environ, False)
        )
        results = self.backend.test_channels(target)
        text = test_words(target, results)
        if any(not one.ok for one in results):
            raise Refusal(text)
        return Sent(text)


def test_words(target: NoticeTarget, results: Sequence[Result]) -> str:
    """One sentence: what failed first, then what arrived, then this terminal."""
    from tui.osc import way_of

    in_order = sorted(results, key=lambda one: one.ok)
    parts = [f"{one.channel}: {clean(one.text, 200)}" for one in in_order]
    if not parts:
        parts = ["no channel is set in [notify]"]
    way = way_of(target.rules.terminal, os.environ)
    bell = "bell and " if target.rules.bell else ""
    parts.append(f"this terminal: {bell}{way.words}")
    return "; ".join(parts)
