"""The guard's events of the journal, as alarms."""

from __future__ import annotations

import msgspec

from runner.model import Alarm, JournalEvent

#: kinds of the guard's events
RAISED, OVER = "alarm", "alarm_over"


def alarm_of(event: JournalEvent) -> Alarm | None:
    """The alarm that an event of the guard raises or ends; None for any other event."""
    if event.kind not in (RAISED, OVER):
        return None
    try:
        return msgspec.convert(event.data, Alarm)
    except msgspec.ValidationError:
        return None
