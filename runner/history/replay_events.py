"""What the journal of events had reported by a moment: phase, epoch, device, alarms, orders, files. Pure.

Folded once over the whole journal, with a copy kept every so many events: any moment is at most that many
events away from one of them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import msgspec

from runner.model import Alarm, Checkpoint, JournalEvent, Phase
from runner.state.attempt_state import phase_of
from runner.state.journal_state import JournalState, PlanOf, no_plan

#: which file an event is about: attempt and true step, or attempt and name
Key = tuple[int, int | str | None]

#: kinds of the guard's events (runner/supervisor/alarms.py writes them)
RAISED, OVER = "alarm", "alarm_over"
KEYFRAME = 512


@dataclass(frozen=True, slots=True)
class StateFact:
    """A state folder as it was known: whole, broken, or not looked at (None)."""

    path: str | None
    complete: bool | None = None
    problem: str | None = None


@dataclass(slots=True)
class Reported:
    """Everything that events report up to a moment. `saved`, `verified` ...: which files an event was about."""

    state: JournalState = field(default_factory=JournalState)
    alarms: dict[tuple[str, float], tuple[int, Alarm]] = field(default_factory=dict)
    saved: set[Key] = field(default_factory=set)
    verified: set[Key] = field(default_factory=set)
    states: dict[Key, StateFact] = field(default_factory=dict)
    removed: set[Key] = field(default_factory=set)
    missing: set[Key] = field(default_factory=set)

    def copy(self) -> Reported:
        return Reported(
            self.state.copy(), dict(self.alarms), set(self.saved), set(self.verified),
            dict(self.states), set(self.removed), set(self.missing),
        )  # fmt: skip

    def apply(self, event: JournalEvent) -> None:
        """The next event of the journal."""
        self.state.apply(event)
        _about_files(self, event)
        if event.kind in (RAISED, OVER):
            alarm = _alarm(event.data)
            if alarm is not None:
                self.alarms[alarm.kind, alarm.since_at] = (event.attempt, alarm)


class EventIndex:
    """Events in the order of the journal, with a clock that never runs back. `until_at`: a time after it is
    no time of this run (a torn or foreign line); such an event counts with the one before it."""

    def __init__(
        self,
        events: Sequence[JournalEvent],
        until_at: float = math.inf,
        plan_of: PlanOf = no_plan,
    ) -> None:
        self.events = tuple(events)
        self.times: list[float] = []
        self._frames: list[Reported] = []
        self._phases: dict[int, list[tuple[float, Phase]]] = {}
        self._plan_of = plan_of
        clock, now = 0.0, self._begin()
        for number, event in enumerate(self.events):
            if number % KEYFRAME == 0:
                self._frames.append(now.copy())
            if math.isfinite(event.at) and event.at <= until_at:
                clock = max(clock, event.at)
            self.times.append(clock)
            now.apply(event)
            phase = phase_of(event) if event.kind == "phase" else None
            if phase is not None:
                phases = self._phases.setdefault(event.attempt, [])
                if not phases or phases[-1][1] is not phase:
                    phases.append((clock, phase))
        self._whole = now

    def _begin(self) -> Reported:
        return Reported(JournalState(self._plan_of))

    def count_at(self, at: float) -> int:
        return bisect_right(self.times, at)

    def reported(self, count: int) -> Reported:
        """What the first `count` events report."""
        if not self._frames:
            return self._begin()
        k = min(count // KEYFRAME, len(self._frames) - 1)
        now = self._frames[k].copy()
        for event in self.events[k * KEYFRAME : count]:
            now.apply(event)
        return now

    def phases(self, attempt: int) -> Sequence[tuple[float, Phase]]:
        """When this attempt entered which phase."""
        return self._phases.get(attempt, ())

    def checkpoints(
        self, now: Reported, at: float, attempt: int, final: Sequence[Checkpoint]
    ) -> tuple[Checkpoint, ...]:
        """The files that were written by then, with what had been found out about them. What the
        journal never reported of a file counts as known from the moment it was written."""
        return tuple(
            _as_it_was(one, now, self._whole)
            for one in final
            if one.attempt <= attempt and _is_saved(one, at, now, self._whole)
        )


def _about_files(now: Reported, event: JournalEvent) -> None:
    data, attempt = event.data, event.attempt
    path, name, step = _text(data.get("path")), _text(data.get("name")), _int(data.get("step"))
    keys: set[Key] = {(attempt, step)} if step is not None else set()
    if name is not None:
        keys.add((attempt, name))
    match event.kind:
        case "checkpoint_saving" | "checkpoint_placed":
            now.saved |= keys
        case "checkpoint_verified":
            now.verified |= keys
        case "state_saved":
            now.states[attempt, step] = StateFact(path)
        case "state_verified":
            complete = data.get("complete")
            whole = complete if isinstance(complete, bool) else None
            now.states[attempt, step] = StateFact(path, whole, _text(data.get("problem")))
        case "checkpoint_removed" if path is not None:
            now.removed.add((attempt, PurePath(path).name))
        case "state_removed" if path is not None:
            for key, fact in now.states.items():
                if fact.path == path:
                    now.states[key] = StateFact(None)
        case "checkpoint_missing":
            now.missing |= keys
        case "checkpoint_back":
            now.missing -= keys
        case _:
            pass


def _is_saved(one: Checkpoint, at: float, now: Reported, ever: Reported) -> bool:
    keys = _keys(one)
    if any(key in ever.saved for key in keys):
        return any(key in now.saved for key in keys)
    return one.saved_at <= at


def _as_it_was(one: Checkpoint, now: Reported, ever: Reported) -> Checkpoint:
    keys = _keys(one)
    if any(k in ever.verified for k in keys) and not any(k in now.verified for k in keys):
        one = replace(
            one,
            size_bytes=None,
            complete=None,
            finite=None,
            problem=None,
            remark=None,
            norms=(),
            norm=None,
            norm_largest=None,
            norm_change=None,
        )
    state: Key = (one.attempt, one.step)
    if state in ever.states:
        fact = now.states.get(state, StateFact(None))
        if fact != StateFact(one.state_path, one.state_complete, one.state_problem):
            one = replace(
                one, state_path=fact.path, state_complete=fact.complete, state_problem=fact.problem
            )
    removed = one.removed and (
        any(key in now.removed for key in keys) or not any(key in ever.removed for key in keys)
    )
    missing = one.missing and any(key in now.missing for key in keys)
    same = removed == one.removed and missing == one.missing
    return one if same else replace(one, removed=removed, missing=missing)


def _keys(one: Checkpoint) -> tuple[Key, ...]:
    named: Key = (one.attempt, one.name)
    return (named,) if one.step is None else (named, (one.attempt, one.step))


def _alarm(data: dict[str, Any]) -> Alarm | None:
    try:
        return msgspec.convert(data, Alarm)
    except msgspec.ValidationError:
        return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
