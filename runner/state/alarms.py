"""The guard's journal events, as alarms."""

from __future__ import annotations

import msgspec

from runner.model import Alarm, AlarmKind, JournalEvent

#: kinds of the guard's events
RAISED, OVER = "alarm", "alarm_over"
#: worth a check; the training may still be fine
_MILD = frozenset(
    {
        AlarmKind.SLOW,
        AlarmKind.SLOW_START,
        AlarmKind.ONE_BAD_STEP,
        AlarmKind.GPU_IDLE,
        AlarmKind.MEMORY_LOW,
        AlarmKind.GPU_MEMORY_LOW,
    }
)


def is_mild(alarm: Alarm) -> bool:
    return alarm.kind in _MILD


def alarm_of(event: JournalEvent) -> Alarm | None:
    """The alarm that a guard event raises or ends; None for any other event."""
    if event.kind not in (RAISED, OVER):
        return None
    try:
        return msgspec.convert(event.data, Alarm)
    except msgspec.ValidationError:
        return None
