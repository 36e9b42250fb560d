"""What the journal of events had told by a moment: phase, epoch, device, alarms, orders, files. Pure.

Folded once over the whole journal, with a copy kept every so many events: any moment is at most that many
events away from one of them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import msgspec

from runner.model import Alarm, Checkpoint, JournalEvent, Phase

#: which file an event is about: attempt and true step, or attempt and name
Key = tuple[int, int | str | None]

#: kinds of the guard's events (runner/supervisor/guarddesk.py writes them)
RAISED, OVER = "alarm", "alarm_over"
KEYFRAME = 512


@dataclass(slots=True)
class Words:
    """What an attempt has said of itself."""

    phase: Phase = Phase.LAUNCHING
    phase_detail: str = ""
    phase_since: float = 0.0
    banner: dict[str, int] = field(default_factory=dict)
    device: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    warnings: int = 0
    last_warning: str | None = None
    nonfinite_step: int | None = None
    stop_by: str | None = None
    stopping: bool = False
    stop_after_save: bool = False
    #: of the event `ended`
    ended: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StateFact:
    """A state folder as it was known: whole, broken, or not looked at (None)."""

    path: str | None
    complete: bool | None = None
    problem: str | None = None


@dataclass(slots=True)
class Told:
    """Everything up to a moment. `saved`, `verified` ...: which files an event has told that of."""

    attempt: int = 0
    words: Words = field(default_factory=Words)
    alarms: dict[tuple[str, float], tuple[int, Alarm]] = field(default_factory=dict)
    saved: set[Key] = field(default_factory=set)
    verified: set[Key] = field(default_factory=set)
    states: dict[Key, StateFact] = field(default_factory=dict)
    removed: set[Key] = field(default_factory=set)
    missing: set[Key] = field(default_factory=set)

    def copy(self) -> Told:
        made = copy(self)
        made.words = copy(self.words)
        made.alarms, made.states = dict(self.alarms), dict(self.states)
        made.saved, made.verified = set(self.saved), set(self.verified)
        made.removed, made.missing = set(self.removed), set(self.missing)
        return made

    def words_of(self, attempt: int) -> Words:
        """An attempt that has not spoken yet has said nothing."""
        return self.words if self.attempt == attempt else Words()


class EventIndex:
    """Events in the order of the journal, with a clock that never runs back. `until_at`: a time after it is
    no time of this run (a torn or foreign line); such an event counts with the one before it."""

    def __init__(self, events: Sequence[JournalEvent], until_at: float = math.inf) -> None:
        self.events = tuple(events)
        self.times: list[float] = []
        self._frames: list[Told] = []
        self._phases: dict[int, list[tuple[float, Phase]]] = {}
        clock, told = 0.0, Told()
        for number, event in enumerate(self.events):
            if number % KEYFRAME == 0:
                self._frames.append(told.copy())
            if math.isfinite(event.at) and event.at <= until_at:
                clock = max(clock, event.at)
            self.times.append(clock)
            _take(told, event)
            phase = _phase(event.data.get("phase")) if event.kind == "phase" else None
            if phase is not None:
                self._phases.setdefault(event.attempt, []).append((clock, phase))
        self._whole = told

    def count_at(self, at: float) -> int:
        return bisect_right(self.times, at)

    def told(self, count: int) -> Told:
        """What the first `count` events tell."""
        if not self._frames:
            return Told()
        k = min(count // KEYFRAME, len(self._frames) - 1)
        told = self._frames[k].copy()
        for event in self.events[k * KEYFRAME : count]:
            _take(told, event)
        return told

    def phases(self, attempt: int) -> Sequence[tuple[float, Phase]]:
        """When this attempt entered which phase."""
        return self._phases.get(attempt, ())

    def checkpoints(
        self, told: Told, at: float, attempt: int, final: Sequence[Checkpoint]
    ) -> tuple[Checkpoint, ...]:
        """The files that were written by then, with what had been found out about them. What the
        journal never told of a file counts as known from the moment it was written."""
        return tuple(
            _as_it_was(one, told, self._whole)
            for one in final
            if one.attempt <= attempt and _is_saved(one, at, told, self._whole)
        )


def _take(told: Told, event: JournalEvent) -> None:
    if event.attempt > told.attempt:
        told.attempt, told.words = event.attempt, Words(phase_since=event.at)
    _about_files(told, event)
    if event.kind in (RAISED, OVER):
        alarm = _alarm(event.data)
        if alarm is not None:
            told.alarms[alarm.kind, alarm.since_at] = (event.attempt, alarm)
    if event.attempt == told.attempt:
        _about_attempt(told.words, event)


def _about_attempt(words: Words, event: JournalEvent) -> None:
    data = event.data
    match event.kind:
        case "phase":
            words.phase = _phase(data.get("phase")) or words.phase
            words.phase_detail, words.phase_since = str(data.get("detail", "")), event.at
        case "banner":
            words.banner = {str(k): v for k, v in data.items() if isinstance(v, int)}
        case "device":
            words.device = _text(data.get("device"))
        case "epoch":
            words.epoch, words.epochs = _int(data.get("epoch")), _int(data.get("epochs"))
        case "warning":
            words.warnings, words.last_warning = words.warnings + 1, _text(data.get("text"))
        case "loss_not_finite":
            step = _int(data.get("step"))
            if words.nonfinite_step is None or (step is not None and step < words.nonfinite_step):
                words.nonfinite_step = step
        case "ended":
            words.ended = data
        case _:
            _about_stopping(words, event.kind, data)


def _about_stopping(words: Words, kind: str, data: dict[str, Any]) -> None:
    if kind == "ordered" and data.get("order") == "stop":
        words.stop_by = _text(data.get("by"))
        words.stop_after_save = data.get("mode") == "after_save"
    elif kind == "stop_cancelled":
        words.stop_by, words.stop_after_save = None, False
    elif kind == "signalled":
        words.stopping, words.stop_after_save = True, False


def _about_files(told: Told, event: JournalEvent) -> None:
    data, attempt = event.data, event.attempt
    path, name, step = _text(data.get("path")), _text(data.get("name")), _int(data.get("step"))
    keys: set[Key] = {(attempt, step)} if step is not None else set()
    if name is not None:
        keys.add((attempt, name))
    match event.kind:
        case "checkpoint_saving" | "checkpoint_placed":
            told.saved |= keys
        case "checkpoint_verified":
            told.verified |= keys
        case "state_saved":
            told.states[attempt, step] = StateFact(path)
        case "state_verified":
            complete = data.get("complete")
            whole = complete if isinstance(complete, bool) else None
            told.states[attempt, step] = StateFact(path, whole, _text(data.get("problem")))
        case "checkpoint_removed" if path is not None:
            told.removed.add((attempt, PurePath(path).name))
        case "state_removed" if path is not None:
            for key, fact in told.states.items():
                if fact.path == path:
                    told.states[key] = StateFact(None)
        case "checkpoint_missing":
            told.missing |= keys
        case "checkpoint_back":
            told.missing -= keys
        case _:
            pass


def _is_saved(one: Checkpoint, at: float, told: Told, ever: Told) -> bool:
    keys = _keys(one)
    if any(key in ever.saved for key in keys):
        return any(key in told.saved for key in keys)
    return one.saved_at <= at


def _as_it_was(one: Checkpoint, told: Told, ever: Told) -> Checkpoint:
    keys = _keys(one)
    if any(k in ever.verified for k in keys) and not any(k in told.verified for k in keys):
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
        fact = told.states.get(state, StateFact(None))
        if fact != StateFact(one.state_path, one.state_complete, one.state_problem):
            one = replace(
                one, state_path=fact.path, state_complete=fact.complete, state_problem=fact.problem
            )
    removed = one.removed and (
        any(key in told.removed for key in keys) or not any(key in ever.removed for key in keys)
    )
    missing = one.missing and any(key in told.missing for key in keys)
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


def _phase(value: object) -> Phase | None:
    try:
        return Phase(str(value))
    except ValueError:
        return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
