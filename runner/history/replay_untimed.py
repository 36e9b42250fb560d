"""Times for a recording that has none: a console log tells no clock, so a step stands for a second. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.history.replay_rows import RowIndex
from runner.model import AttemptStatus, JournalEvent
from runner.state.attempt_state import PAUSES
from runner.trainers.sd_scripts.steps import steps_per_epoch

#: events after a phase in which the step that it is about is looked for
LOOK_AHEAD = 4


def retimed(events: Sequence[JournalEvent], rows: RowIndex, begin_at: float) -> list[JournalEvent]:
    """Each event at the time of the step that it names; those that name none come with the one before."""
    made: list[JournalEvent] = []
    clock, attempt, per_epoch = begin_at, 0, 0
    for number, event in enumerate(events):
        if event.attempt != attempt:
            attempt = event.attempt
            first = rows.first_row.get(attempt)
            clock = max(clock, rows.times[first] - 1.0) if first is not None else clock
        if event.kind == "banner":
            per_epoch = _int(event.data.get("batches_per_epoch")) or 0
            per_epoch = steps_per_epoch(per_epoch, _int(event.data.get("accumulation")))
        step = _int(event.data.get("step"))
        if event.kind == "phase" and event.data.get("phase") in PAUSES:
            # what the trainer stops for is named by the event after it
            step = next(_steps_of(events[number + 1 :], attempt), None)
        if event.kind == "epoch" and per_epoch:
            step = ((_int(event.data.get("epoch")) or 1) - 1) * per_epoch
        at = rows.time_of_step(attempt, step) if step else None
        clock = max(clock, at) if at is not None else clock
        made.append(replace(event, at=clock))
    return made


def retimed_attempts(
    attempts: Sequence[AttemptStatus], rows: RowIndex
) -> tuple[AttemptStatus, ...]:
    """Each from a second before its first step, and none before the steps of an earlier one."""
    made: list[AttemptStatus] = []
    clock = -math.inf
    for one in attempts:
        first = rows.first_row.get(one.attempt)
        at = rows.times[first] - 1.0 if first is not None and made else one.started_at
        made.append(replace(one, started_at=max(clock, at)))
        later = [row for row in rows.first_row.values() if first is not None and row > first]
        clock = made[-1].started_at
        if first is not None:
            clock = max(clock, rows.times[min(later, default=len(rows.times)) - 1])
    return tuple(made)


def _steps_of(events: Sequence[JournalEvent], attempt: int) -> Iterator[int]:
    for event in events[:LOOK_AHEAD]:
        step = _int(event.data.get("step"))
        if event.attempt == attempt and step is not None:
            yield step


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
