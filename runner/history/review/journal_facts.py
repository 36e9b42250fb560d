"""What the journal tells a review: each attempt's state, the texts of warnings, and the moments that matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

from runner.history.review.model import Moment
from runner.model import AttemptStatus, JournalEvent
from runner.model.units import file_size
from runner.model.units import loss as loss_text
from runner.state.journal_state import JournalState
from runner.store.journal import LineTail, events_of

MOST_EVENTS = 50_000
MOST_MOMENTS = 60


@dataclass(slots=True)
class Journal:
    """`events`: those that a timeline may show."""

    state: JournalState = field(default_factory=JournalState)
    events: list[JournalEvent] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    unreadable_lines: int = 0

    @property
    def banner(self) -> dict[str, int]:
        """Of the newest attempt that printed one."""
        newest = sorted(self.state.attempts.items(), reverse=True)
        return next((state.banner for _, state in newest if state.banner), {})


def read_journal(path: Path) -> Journal:
    """All of an events.jsonl; a missing file tells nothing."""
    found = Journal()
    for block in LineTail(path).read(float("inf")):
        events, bad = events_of(block)
        found.unreadable_lines += bad
        for event in events:
            found.state.apply(event)
            if event.kind == "warning":
                found.warnings[str(event.data.get("text", ""))] += 1
            if event.kind in _SHOWN and len(found.events) < MOST_EVENTS:
                found.events.append(event)
    return found


def validations(journal: JournalState, attempts: Sequence[AttemptStatus]) -> dict[int, float]:
    """Loss of the validation by true step, without what a later attempt has trained again."""
    firsts = {one.attempt: one.first_step for one in attempts if one.first_step is not None}
    return {
        step: loss
        for number, state in sorted(journal.attempts.items())
        for step, loss in state.validations.items()
        if all(later <= number or step < first for later, first in firsts.items())
    }


def moments(events: Iterable[JournalEvent]) -> tuple[Moment, ...]:
    """The timeline, in order; thinned where it is long: epochs and complete files go first."""
    told = sorted(filter(None, map(_moment, _as_placed(list(events)))), key=lambda one: one.at)
    # what is said twice in a row stands once
    found = [next(same) for _, same in groupby(told, key=lambda one: (one.text, one.attempt))]
    for weight in (0, 1, 2):
        surplus = len(found) - MOST_MOMENTS
        light = [one for one in found if one.weight == weight]
        if surplus > 0 and light:
            keep = max(0, len(light) - surplus)
            kept = {id(light[at * len(light) // keep]) for at in range(keep)}
            found = [one for one in found if one.weight != weight or id(one) in kept]
    return tuple(found[: MOST_MOMENTS * 2])


def _as_placed(events: Sequence[JournalEvent]) -> Iterator[JournalEvent]:
    """A file of a resumed attempt under the name it was given beside the others: the trainer's own
    counts from another step."""
    placed = {
        (event.attempt, event.data.get("step")): event.data.get("name")
        for event in events
        if event.kind == "checkpoint_placed"
    }
    for event in events:
        name = placed.get((event.attempt, event.data.get("step")))
        if event.kind == "checkpoint_verified" and name:
            yield replace(event, data={**event.data, "name": name})
        else:
            yield event


def _moment(event: JournalEvent) -> Moment | None:
    words, weight = _SHOWN.get(event.kind, ("", 0))
    try:
        told = words(event.data) if callable(words) else words.format_map(_words_of(event.data))
    except (KeyError, TypeError, ValueError, AttributeError):
        told, weight = event.kind.replace("_", " "), 1
    text, weight = told if isinstance(told, tuple) else (told, weight)
    return Moment(event.at, event.attempt, text, weight) if text else None


def _words_of(data: dict[str, Any]) -> dict[str, Any]:
    text = data.get("text") or data.get("alarm", "")
    found = {"why": "", **data, "text": text, "file": _name(data)}
    if "loss" in data:
        found["loss"] = loss_text(data["loss"])
    return found


def _name(data: dict[str, Any]) -> str:
    return str(data.get("name") or PurePath(str(data.get("path", ""))).name)


def _file(data: dict[str, Any]) -> tuple[str, int]:
    size, name = file_size(data.get("size_bytes")), _name(data)
    if data.get("complete") and data.get("finite") is not False:
        return f"{name}: {size}, complete{' and finite' if data.get('finite') else ''}", 0
    return f"{name}: {size}, {data.get('problem') or 'not complete'}", 3


def _state(data: dict[str, Any]) -> str:
    return "" if data.get("complete") else f"{_name(data)}: {data.get('problem') or 'not complete'}"


def _ordered(data: dict[str, Any]) -> str:
    mode, by = data.get("mode"), data.get("by")
    how = f" ({str(mode).replace('_', ' ')})" if mode else ""
    order = str(data.get("order", "")).replace("_", " ")
    return f"ordered: {order}{how}{f', by {by}' if by else ''}"


def _resumed(data: dict[str, Any]) -> str:
    if data.get("state_path"):
        return f"resumed from {PurePath(str(data['state_path'])).name}"
    return f"skips {data['skip_steps']} steps" if data.get("skip_steps") else ""


def _ended(data: dict[str, Any]) -> str:
    how = f" (exit code {data['code']})" if data.get("code") is not None else ""
    how = f" (signal {data['signal']})" if data.get("signal") is not None else how
    return f"judged: {str(data.get('outcome', '')).replace('_', ' ')}{how}"


#: by kind: its words, or what makes them (a weight of theirs goes before that of the kind); the weight: 0 is
#: left out first
_Words = str | Callable[[dict[str, Any]], str | tuple[str, int]]
_SHOWN: dict[str, tuple[_Words, int]] = {
    "started": ("started", 2),
    "adopted": ("supervision taken over by a new supervisor", 2),
    "device": ("trains on {device}", 2),
    "banner": ("plan: {total_steps} steps", 2),
    "epoch": ("epoch {epoch} of {epochs}", 1),
    "checkpoint_placed": ("", 0),
    "checkpoint_verified": (_file, 0),
    "state_verified": (_state, 3),
    "validated": ("validation loss {loss} at step {step}", 1),
    "loss_not_finite": ("the loss is not finite at step {step}", 3),
    "alarm": ("alarm: {text}", 3),
    "alarm_over": ("alarm over: {text}", 2),
    "ordered": (_ordered, 3),
    "stop_cancelled": ("the stop was taken back", 3),
    "resumed": (_resumed, 2),
    "exception": ("{name}: {text}", 3),
    "fatal": ("{text}", 3),
    "nothing_to_train": ("{text}", 3),
    "checkpoint_missing": ("{file} is gone", 3),
    "checkpoint_replaced": ("{file} was replaced by another file", 3),
    "checkpoint_back": ("{file} is back", 2),
    "checkpoint_unverified": ("{file} could not be verified: {why}", 3),
    "fault": ("plasma-tui: {error}", 3),
    "checkpoint_not_placed": ("{file} was not placed: {why}", 3),
    "checkpoint_removed": ("{file} deleted by the trainer", 0),
    "state_missing": ("{file} is gone", 2),
    "model_saved": ("the model was saved", 3),
    "survivors": (lambda d: f"{len(d.get('processes', ()))} processes outlived the training", 3),
    "ended": (_ended, 3),
}
