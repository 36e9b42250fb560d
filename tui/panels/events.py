"""What happened in a run, for people: a time, a sign and a sentence each, the newest on top.

In: the newest events of the journal, the approval in spec.json and the other users of the GPU. The title line
also holds the preflight in short: while training, its list is old news.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from runner.history.journal_words import sentences_of
from runner.model import CheckResult, RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import clock
from tui.kit import glyphs
from tui.kit.paint import Row, Span, fit, row_width
from tui.kit.panel import ScrollingPanel
from tui.text import clean
from tui.words.machine import has_gpu, name_of, others

#: from this width on times have seconds and the preflight has words
WIDE = 100
SIGNS = {"good": glyphs.YES, "warn": glyphs.WARN, "bad": glyphs.NO, "dim": glyphs.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Event:
    """`role`: good, warn, bad, or dim for what is only noted."""

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
    found = [
        Event(one.event.at, one.role, clean(one.text, 400)) for one in sentences_of(snapshot.events)
    ]
    found += _approval(snapshot)
    doing = "also uses the GPU" if has_gpu(snapshot) else "is running too"
    found += [
        Event(user.since_at, "warn", f"{name_of(user)} {doing}{_pid(user.pid)}")
        for user in others(snapshot)
        if user.since_at is not None
    ]
    found.reverse()  # of the same second, too, the newest first
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


# --------------------------------------------------------------------------- rows


def event_row(event: Event, width: int, days: bool) -> Row:
    """`days`: with the day of the week, for events of several days."""
    shape = "%H:%M:%S" if width >= WIDE else "%H:%M"
    when = clock(f"%a {shape}" if days else shape, event.at)
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
    """The newest on top; scrolled down it keeps its place when new ones arrive."""

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
        days = len({clock("%x", one.at) for one in (events[0], events[-1])}) > 1
        return [event_row(one, width, days) for one in shown]
