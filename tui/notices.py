"""The screen's own notices: what of two looks at the watched run is worth a bell, and a notification.

Pure. The supervisor sends the others (runner/notify); the words are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.model import NotifyRules, RunSnapshot
from runner.notify.message import Message, alarm_message, end_message, wanted
from tui.osc import sequence, way_of
from tui.words.alarms import live_alarms, new_alarms

BELL = "\x07"


@dataclass(frozen=True, slots=True)
class Ring:
    """`message` None: something for the bell alone."""

    message: Message | None = None


def rules_of(snapshot: RunSnapshot | None) -> NotifyRules:
    """As the run was started with."""
    spec = snapshot.spec if snapshot is not None else None
    return spec.notify if spec is not None else NotifyRules()


def ring_of(before: RunSnapshot | None, after: RunSnapshot) -> Ring | None:
    """What has happened between two looks at the same run; None: nothing to tell. What had happened before the
    first look is no news: who opens an ended run knows that it ended."""
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
    """For one write. `focused` True: somebody is looking, the bell is enough; None: the terminal never said."""
    bell = BELL if rules.bell else ""
    if ring.message is None or focused:
        return bell
    way = way_of(rules.terminal, environ)
    title, text = ring.message.title, ring.message.text
    return bell + sequence(way, title, text, unless_seen=focused is None)
