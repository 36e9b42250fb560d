"""What happened in a run, for people: a time, a sign and a sentence each, the newest on top.

In: the newest events of the journal, the approval in spec.json and the other users of the GPU. The title line
also holds the preflight in short, because while training its list is old news.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from textual.reactive import reactive

from runner.model import CheckResult, JournalEvent, RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import loss
from runner.state.alarms import OVER, RAISED, alarm_of
from tui.kit import glyphs
from tui.kit.paint import Row, Span, fit, row_width
from tui.kit.panel import ScrollingPanel
from tui.text import clean
from tui.words.alarms import alarm_role
from tui.words.machine import name_of, others

#: from this width on times have seconds and the preflight speaks in words
WIDE = 100
SIGNS = {"good": glyphs.YES, "warn": glyphs.WARN, "bad": glyphs.NO, "dim": glyphs.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Event:
    """`role`: good, warn, bad, or dim for what is only said."""

    at: float
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Events:
    """`rows`: newest first. `passed`, `warned`, `failed`: of the preflight; `hint`: what opens its list."""

    rows: tuple[Event, ...] = ()
    passed: int = 0
    warned: int = 0
    failed: int = 0
    hint: str = ""


# --------------------------------------------------------------------------- the model


def events_of(snapshot: RunSnapshot | None, hint: str = "") -> Events:
    if snapshot is None:
        return Events()
    found: list[Event] = []
    saved: dict[object, int] = {}
    for event in snapshot.events:
        step = event.data.get("step")
        if event.kind == "state_verified" and event.data.get("complete") and step in saved:
            one = found[saved[step]]
            found[saved[step]] = Event(one.at, one.role, f"{one.text}, with state")
            continue
        told = _told(event)
        if told is not None:
            role, text = told
            if event.kind == "checkpoint_verified" and role == "good":
                saved[step] = len(found)
            found.append(Event(event.at, role, clean(text, 400)))
    found += _approval(snapshot)
    found += [
        Event(user.since_at, "warn", f"{name_of(user)} also uses the GPU{_pid(user.pid)}")
        for user in others(snapshot)
        if user.since_at is not None
    ]
    found.sort(key=lambda one: one.at, reverse=True)
    return Events(
        tuple(found), *_counts(snapshot.preflight), hint=hint if snapshot.preflight else ""
    )


def _counts(checks: Sequence[CheckResult]) -> tuple[int, int, int]:
    passed, warned, failed = (
        sum(one.status == status for one in checks) for status in ("pass", "warn", "fail")
    )
    return passed, warned, failed


def _approval(snapshot: RunSnapshot) -> list[Event]:
    approval = snapshot.spec.approval if snapshot.spec is not None else None
    if approval is None:
        return []
    by = clean(approval.by, 40)
    if approval.smoke_run:
        return [Event(approval.at, "good", f"approved by {by} after a smoke test")]
    why = clean(approval.reason, 120)
    return [Event(approval.at, "warn", f"{by} started it without a smoke test: {why}")]


def _pid(pid: int | None) -> str:
    return f" (pid {pid})" if pid is not None else ""


def _told(event: JournalEvent) -> tuple[str, str] | None:
    """Role and sentence; None: not worth a row, or not what it should be."""
    data = event.data
    if event.kind in (RAISED, OVER):
        alarm = alarm_of(event)
        if alarm is None:
            return None
        text = alarm.text.split("; ")[0].rstrip(". ")
        return ("dim", f"over: {text}") if event.kind == OVER else (alarm_role(alarm), text)
    if event.kind == "started":
        return (
            "dim",
            "training started" if event.attempt == 1 else f"attempt {event.attempt} started",
        )
    if event.kind == "checkpoint_verified":
        return _saved(data)
    if event.kind == "state_verified":
        if data.get("complete"):
            return "good", f"state of {_where(data)} saved"
        return "warn", f"state of {_where(data)} is incomplete: {_why(data)}"
    if event.kind == "ended":
        good = data.get("outcome") == "succeeded"
        cause = f", {data['cause']}" if data.get("cause") else ""
        return ("good" if good else "bad"), f"{data.get('outcome')}{cause}".replace("_", " ")
    if event.kind == "validated":
        value = data.get("loss")
        return "dim", f"validation loss {loss(value if isinstance(value, float) else None)}"
    if event.kind == "ordered":
        reason = f": {data['reason']}" if data.get("reason") else ""
        return (
            "warn",
            f"{data.get('order', 'order')} requested by {data.get('by') or 'a person'}{reason}",
        )
    if event.kind not in _SENTENCES:
        return None
    role, sentence = _SENTENCES[event.kind]
    try:
        return role, sentence.format_map(_words(data))
    except (KeyError, ValueError, IndexError, AttributeError, TypeError):
        return None


_SENTENCES = {
    "adopted": ("warn", "supervisor restarted"),
    "resumed": ("dim", "resumed from the state of step {state_step}"),
    "epoch": ("dim", "epoch {epoch} of {epochs}"),
    "sampling": ("dim", "sample images at step {step}"),
    "device": ("dim", "trains on {device}"),
    "checkpoint_unverified": ("warn", "{where} could not be verified: {why}"),
    "checkpoint_missing": ("warn", "{where}: {name} is missing"),
    "checkpoint_back": ("good", "{where}: {name} exists again"),
    "checkpoint_replaced": ("warn", "{where}: {name} was replaced by another run"),
    "checkpoint_not_placed": ("warn", "{name} was not moved to its folder: {why}"),
    "state_missing": ("warn", "the state of {where} is missing"),
    "set_aside": ("dim", "{name} of an earlier attempt was kept as {file}"),
    "loss_not_finite": ("bad", "loss became NaN at step {step}"),
    "stop_cancelled": ("dim", "stop cancelled"),
    "safe_point": ("dim", "step {step} is saved: stopping"),
    "no_safe_point": ("warn", "step {step} is no safe point: {why}"),
    "exception": ("bad", "{name}: {text}"),
    "fatal": ("bad", "{text}"),
    "nothing_to_train": ("bad", "nothing to train: {text}"),
    "fault": ("warn", "{part} failed: {error}"),
}


def _words(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is not known yet is missing, so that a sentence that needs it is left out: a resume is reported in
    parts."""
    known = {name: value for name, value in data.items() if value is not None}
    return {"why": "reason unknown", **known, "file": _file(data), "where": _where(data)}


def _where(data: Mapping[str, Any]) -> str:
    return (
        f"step {data['step']}"
        if data.get("step") is not None
        else str(data.get("name") or _file(data))
    )


def _saved(data: Mapping[str, Any]) -> tuple[str, str]:
    where = _where(data)
    if not data.get("complete"):
        return "bad", f"{where} is incomplete: {_why(data)}"
    if data.get("finite") is False:
        return "bad", f"{where} saved, with numbers that are not finite"
    return (
        "good",
        f"{where} saved: complete, {'finite' if data.get('finite') else 'not all numbers checked'}",
    )


def _why(data: Mapping[str, Any]) -> str:
    return str(data.get("problem") or "reason unknown")


def _file(data: Mapping[str, Any]) -> str:
    return PurePath(str(data.get("moved_to") or data.get("path") or "")).name


# --------------------------------------------------------------------------- rows


def event_row(event: Event, width: int, days: bool) -> Row:
    """`days`: with the day of the week, for events of several days."""
    when = time.strftime("%a " if days else "", time.localtime(event.at))
    when += time.strftime("%H:%M:%S" if width >= WIDE else "%H:%M", time.localtime(event.at))
    role = "dim" if event.role == "dim" else "text"
    row = (
        Span(f" {when} ", "dim"),
        Span(f"{SIGNS[event.role]} ", event.role),
        Span(event.text, role),
    )
    return fit(row, width)


def preflight_note(model: Events, width: int) -> Row:
    """The checks in short: as words, or as their signs; nothing without checks."""
    counts = (
        (model.failed, "failed", glyphs.NO, "bad"),
        (model.passed, "passed", glyphs.YES, "good"),
        (model.warned, "warning" if model.warned == 1 else "warnings", glyphs.WARN, "warn"),
    )
    said = tuple(
        Span(f" {number} {word if width >= WIDE else sign}", role)
        for number, word, sign, role in counts
        if number
    )
    if not said:
        return ()
    return (
        Span("Preflight", "title"),
        *said,
        *((Span(f" {model.hint}", "dim"),) if model.hint else ()),
    )


# --------------------------------------------------------------------------- the widget


class EventPanel(ScrollingPanel):
    """The newest on top; scrolled down it keeps its place while new ones arrive."""

    TITLE = "Events"
    FOLLOWS = False

    model: reactive[Events] = reactive(Events(), layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._read: tuple[object, ...] = ()

    def read(self, snapshot: RunSnapshot | None, hint: str = "") -> None:
        """The events of this snapshot; what has not changed costs nothing."""
        status, spec = (snapshot.status, snapshot.spec) if snapshot is not None else (None, None)
        users = tuple((one.pid, one.since_at) for one in others(snapshot)) if snapshot else ()
        seen = (
            snapshot.events if snapshot else (),
            snapshot.preflight if snapshot else (),
            spec.approval if spec is not None else None,
            users,
            status is None,
            hint,
        )
        if seen != self._read:
            self._read, self.model = seen, events_of(snapshot, hint)

    def watch_model(self, before: Events, after: Events) -> None:
        if self._offset:
            self._offset = max(0, self._offset + len(after.rows) - len(before.rows))
        self.repaint()

    def note(self) -> Row:
        width = self.content_size.width
        note = preflight_note(self.model, width)
        return note if row_width(note) < width - 14 else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        events = self.model.rows
        if not events:
            return ((Span(" nothing has happened yet", "dim"),),)
        top = self.window(len(events), height, 0)
        shown = events[top : top + height]
        days = len({time.localtime(one.at)[:3] for one in (events[0], events[-1])}) > 1
        return [event_row(one, width, days) for one in shown]
