"""What the journal of events tells: the trainer's plan, validations, warnings, and the moments that matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from runner.history.review.model import Moment
from runner.model import AttemptStatus, JournalEvent
from runner.model.units import file_size
from runner.model.units import loss as loss_text
from runner.store.journal import LineTail, events_of

#: kinds that stand in no review and may come many thousand times
_PASSING = frozenset({"phase", "checkpoint_saving", "safe_point"})
MOST_EVENTS = 50_000
MOST_MOMENTS = 60


@dataclass(slots=True)
class JournalFacts:
    events: list[JournalEvent] = field(default_factory=list)
    banner: dict[str, int] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    unreadable_lines: int = 0
    left_out: int = 0


def read_events(path: Path) -> JournalFacts:
    """All of an events.jsonl, but for passing kinds; a missing file tells nothing."""
    facts = JournalFacts()
    for block in LineTail(path).read(float("inf")):
        events, bad = events_of(block)
        facts.unreadable_lines += bad
        for event in events:
            if event.kind in _PASSING:
                continue
            if event.kind == "banner":
                facts.banner = {k: v for k, v in event.data.items() if isinstance(v, int)}
            if event.kind == "warning":
                facts.warnings[str(event.data.get("text", ""))] += 1
            elif len(facts.events) < MOST_EVENTS:
                facts.events.append(event)
            else:
                facts.left_out += 1
    return facts


def validations(
    events: Iterable[JournalEvent], attempts: Sequence[AttemptStatus]
) -> dict[int, float]:
    """Loss of the validation by true step, without what a later attempt has trained again."""
    firsts = {one.attempt: one.first_step for one in attempts if one.first_step is not None}
    found: dict[int, float] = {}
    for event in events:
        step, loss = event.data.get("step"), event.data.get("loss")
        if event.kind != "validated" or not isinstance(step, int):
            continue
        if any(n > event.attempt and first <= step for n, first in firsts.items()):
            continue
        if isinstance(loss, int | float):
            found[step] = float(loss)
    return found


def moments(events: Iterable[JournalEvent]) -> tuple[Moment, ...]:
    """The timeline, in order; thinned where it is long: epochs and whole files go first."""
    found = [one for event in _as_placed(list(events)) for one in _moments_of(event)]
    found.sort(key=lambda one: one.at)
    found = [one for at, one in enumerate(found) if not at or not _said_again(found[at - 1], one)]
    for weight in (0, 1, 2):
        surplus = len(found) - MOST_MOMENTS
        light = [one for one in found if one.weight == weight]
        if surplus <= 0 or not light:
            continue
        keep = max(0, len(light) - surplus)
        kept = {id(light[at * len(light) // keep]) for at in range(keep)} if keep else set()
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


def _said_again(before: Moment, now: Moment) -> bool:
    return (before.text, before.attempt) == (now.text, now.attempt)


def _moments_of(event: JournalEvent) -> Iterator[Moment]:
    words = _WORDS.get(event.kind)
    if words is None:
        return
    try:
        text, weight = words(event.data)
    except (KeyError, TypeError, ValueError, AttributeError):
        text, weight = event.kind.replace("_", " "), 1
    if text:
        yield Moment(event.at, event.attempt, text, weight)


def _name(data: dict[str, Any]) -> str:
    return str(data.get("name") or PurePath(str(data.get("path", ""))).name)


def _file(data: dict[str, Any]) -> tuple[str, int]:
    size, name = file_size(data.get("size_bytes")), _name(data)
    if data.get("complete") and data.get("finite") is not False:
        finite = "complete and finite" if data.get("finite") else "complete"
        return f"{name}: {size}, {finite}", 0
    return f"{name}: {size}, {data.get('problem') or 'not complete'}", 3


def _state(data: dict[str, Any]) -> tuple[str, int]:
    if data.get("complete"):
        return "", 0
    return f"{_name(data)}: {data.get('problem') or 'not complete'}", 3


def _ordered(data: dict[str, Any]) -> tuple[str, int]:
    order, by = str(data.get("order", "")), data.get("by")
    mode = data.get("mode")
    how = f" ({str(mode).replace('_', ' ')})" if mode else ""
    return f"ordered: {order.replace('_', ' ')}{how}{f', by {by}' if by else ''}", 3


def _resumed(data: dict[str, Any]) -> tuple[str, int]:
    path, skip = data.get("state_path"), data.get("skip_steps")
    if path:
        return f"resumed from {PurePath(str(path)).name}", 2
    return (f"skips {skip} steps", 2) if skip else ("", 0)


def _ended(data: dict[str, Any]) -> tuple[str, int]:
    how = f"exit code {data['code']}" if data.get("code") is not None else ""
    how = f"signal {data['signal']}" if data.get("signal") is not None else how
    outcome = str(data.get("outcome", "")).replace("_", " ")
    return f"judged: {outcome}{f' ({how})' if how else ''}", 3


_WORDS = {
    "started": lambda d: ("started", 2),
    "adopted": lambda d: ("supervision taken over by a new supervisor", 2),
    "device": lambda d: (f"trains on {d['device']}", 2),
    "banner": lambda d: (f"plan: {d['total_steps']} steps", 2),
    "epoch": lambda d: (f"epoch {d['epoch']} of {d['epochs']}", 1),
    "checkpoint_verified": _file,
    "state_verified": _state,
    "validated": lambda d: (f"validation loss {loss_text(d['loss'])} at step {d['step']}", 1),
    "loss_not_finite": lambda d: (f"the loss is not finite at step {d['step']}", 3),
    "alarm": lambda d: (f"alarm: {d.get('text') or d.get('alarm')}", 3),
    "alarm_over": lambda d: (f"alarm over: {d.get('text') or d.get('alarm')}", 2),
    "ordered": _ordered,
    "stop_cancelled": lambda d: ("the stop was taken back", 3),
    "resumed": _resumed,
    "exception": lambda d: (f"{d['name']}: {d.get('text', '')}", 3),
    "fatal": lambda d: (str(d["text"]), 3),
    "nothing_to_train": lambda d: (str(d["text"]), 3),
    "checkpoint_missing": lambda d: (f"{_name(d)} is gone", 3),
    "checkpoint_replaced": lambda d: (f"{_name(d)} was replaced by another file", 3),
    "checkpoint_back": lambda d: (f"{_name(d)} is back", 2),
    "checkpoint_unverified": lambda d: (
        f"{_name(d)} could not be verified: {d.get('why', '')}",
        3,
    ),
    "fault": lambda d: (f"plasma-tui: {d.get('error', '')}", 3),
    "checkpoint_not_placed": lambda d: (f"{_name(d)} was not placed: {d.get('why', '')}", 3),
    "checkpoint_removed": lambda d: (f"{_name(d)} deleted by the trainer", 0),
    "state_missing": lambda d: (f"{_name(d)} is gone", 2),
    "model_saved": lambda d: ("the model was saved", 3),
    "survivors": lambda d: (f"{len(d.get('processes', ()))} processes outlived the training", 3),
    "ended": _ended,
}
