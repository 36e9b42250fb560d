"""News of the open run as a bell and a desktop notification of this terminal.

The supervisor sends all others (runner/notify), in the same words.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.model import NotifyRules, RunSnapshot
from runner.model.refusal import Refusal
from runner.notify.message import Message, alarm_message, end_message, wanted
from tui.backend.results import NoticeTarget, Sent
from tui.osc import sequence, way_of
from tui.text import clean
from tui.words.alarms import live_alarms, new_alarms

if TYPE_CHECKING:
    from runner.notify.channel import Result
    from tui.app import PlasmaApp

BELL = "\x07"


@dataclass(frozen=True, slots=True)
class Ring:
    """`message` None: a bell alone."""

    message: Message | None = None


def rules_of(snapshot: RunSnapshot | None) -> NotifyRules:
    """As the run was started with."""
    spec = snapshot.spec if snapshot is not None else None
    return spec.notify if spec is not None else NotifyRules()


def ring_of(before: RunSnapshot | None, after: RunSnapshot) -> Ring | None:
    """What happened between two snapshots of the same run; None: nothing new. What happened before the first
    one is no news: whoever opens an ended run knows that it ended."""
    if before is None or before.id != after.id or before.spec is None:
        return None
    rules = rules_of(after)
    if before.outcome is None and after.outcome is not None:
        message = end_message(after)
        if message is not None and wanted(rules, message.event):
            return Ring(message)
        return None
    alarms = new_alarms(before, after)
    if not alarms:
        return None
    for alarm in live_alarms(after):
        if alarm in alarms:
            message = alarm_message(after, alarm)
            if message is not None and wanted(rules, message.event):
                return Ring(message)
    return Ring()


def bytes_of(
    ring: Ring, rules: NotifyRules, environ: Mapping[str, str], focused: bool | None
) -> str:
    """For one write. `focused` True: the bell is enough; None: the terminal does not report its focus."""
    bell = BELL if rules.bell else ""
    if ring.message is None or focused:
        return bell
    way = way_of(rules.terminal, environ)
    title, text = ring.message.title, ring.message.text
    return bell + sequence(way, title, text, unless_seen=focused is None)


class Notices:
    """The terminal's bell and notifications, and the test of all channels."""

    def __init__(self, app: PlasmaApp) -> None:
        self._app = app

    def changed(self, before: RunSnapshot | None, after: RunSnapshot) -> None:
        """Ring for what is new."""
        ring = ring_of(before, after)
        if ring is not None:
            self.write(bytes_of(ring, rules_of(after), os.environ, self._app.window_focus))

    def write(self, data: str) -> None:
        """One write between two frames: all writing is done by the driver's own thread."""
        app = self._app
        if data and not app.is_headless and app._driver is not None:
            app._driver.write(data)

    def test(self) -> None:
        """Try every channel and this terminal; the answer lists the results."""
        app = self._app
        run_path, config_path = app.run_path, app.config_path

        def work() -> Sent:
            target = app.backend.notice_target(run_path, config_path)
            data = bytes_of(Ring(target.message), target.rules, os.environ, False)
            app.call_from_thread(self.write, data)
            results = app.backend.test_channels(target)
            text = test_words(target, results)
            if any(not one.ok for one in results):
                raise Refusal(text)
            return Sent(text)

        app.orders.give("test notice", work)


def test_words(target: NoticeTarget, results: Sequence[Result]) -> str:
    """One sentence: what failed first, then what arrived, then this terminal."""
    parts = [
        f"{one.channel}: {clean(one.text, 200)}" for one in sorted(results, key=lambda one: one.ok)
    ]
    way = way_of(target.rules.terminal, os.environ)
    bell = "bell and " * target.rules.bell
    return "; ".join(
        [*(parts or ["no channel is set in [notify]"]), f"this terminal: {bell}{way.words}"]
    )
