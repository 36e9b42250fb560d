"""What a review takes from the journal: each attempt's state, the texts of warnings, the timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from runner.history.journal_words import KINDS, sentences_of
from runner.history.review.model import Moment
from runner.model import AttemptStatus, JournalEvent
from runner.state.journal_state import JournalState
from runner.store.journal import LineTail, events_of

MOST_EVENTS = 50_000
MOST_MOMENTS = 60


@dataclass(slots=True)
class Journal:
    """`events`: those that the timeline may show."""

    state: JournalState = field(default_factory=JournalState)
    events: list[JournalEvent] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    unreadable_lines: int = 0

    @property
    def banner(self) -> dict[str, int]:
        """From the newest attempt that printed one."""
        newest = sorted(self.state.attempts.items(), reverse=True)
        return next((state.banner for _, state in newest if state.banner), {})


def read_journal(path: Path) -> Journal:
    """All of an events.jsonl; empty where the file is missing."""
    found = Journal()
    for block in LineTail(path).read(float("inf")):
        events, bad = events_of(block)
        found.unreadable_lines += bad
        for event in events:
            found.state.apply(event)
            if event.kind == "warning":
                found.warnings[str(event.data.get("text", ""))] += 1
            if event.kind in KINDS and len(found.events) < MOST_EVENTS:
                found.events.append(event)
    return found


def validations(journal: JournalState, attempts: Sequence[AttemptStatus]) -> dict[int, float]:
    """Validation loss by true step, without steps that a later attempt trained again."""
    firsts = {one.attempt: one.first_step for one in attempts if one.first_step is not None}
    return {
        step: loss
        for number, state in sorted(journal.attempts.items())
        for step, loss in state.validations.items()
        if all(later <= number or step < first for later, first in firsts.items())
    }


def moments(events: Iterable[JournalEvent]) -> tuple[Moment, ...]:
    """The timeline, in order. Where it is long, epochs and complete files are left out first."""
    lines = [
        Moment(one.event.at, one.event.attempt, one.text, one.weight)
        for one in sentences_of(events)
    ]
    lines.sort(key=lambda one: one.at)
    # a line that repeats the one before is dropped
    found = [next(same) for _, same in groupby(lines, key=lambda one: (one.text, one.attempt))]
    for weight in (0, 1, 2):
        surplus = len(found) - MOST_MOMENTS
        light = [one for one in found if one.weight == weight]
        if surplus > 0 and light:
            keep = max(0, len(light) - surplus)
            kept = {id(light[at * len(light) // keep]) for at in range(keep)}
            found = [one for one in found if one.weight != weight or id(one) in kept]
    return tuple(found[: MOST_MOMENTS * 2])
