"""The parts that verdicts are made of, and the clauses that several of them share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from runner.model import RunSnapshot
from runner.model.checkpoint import CHANGED
from runner.model.lean import dataclass
from runner.model.units import count
from tui.kit import glyphs
from tui.text import capital, clean
from tui.words.progress import current_checkpoints, progress_of


class Kind(StrEnum):
    """What a verdict amounts to; its value is the word that the verdict begins with."""

    READING = "Reading"
    CHECKING = "Checking"
    READY = "Ready"
    NOT_READY = "Not ready"
    QUEUED = "Queued"
    HELD = "Held"
    STARTING = "Starting"
    HEALTHY = "Healthy"
    WATCH = "Watch"
    TROUBLE = "Trouble"
    STOPPING = "Stopping"
    FINISHING = "Finishing"
    SUCCEEDED = "Succeeded"
    STOPPED = "Stopped"
    FAILED = "Failed"
    DIVERGED = "Diverged"
    KILLED = "Killed"
    NOTHING_TRAINED = "Nothing trained"
    LOST = "Lost"
    UNKNOWN = "Unknown"
    ENDED = "Ended"


#: shape and role by kind; of all others, those of trouble
_LOOKS = {
    **dict.fromkeys(
        (Kind.READING, Kind.CHECKING, Kind.QUEUED, Kind.STARTING, Kind.FINISHING),
        (glyphs.WAITING, "accent"),
    ),
    **dict.fromkeys((Kind.READY, Kind.HEALTHY, Kind.SUCCEEDED), (glyphs.YES, "good")),
    **dict.fromkeys((Kind.WATCH, Kind.HELD), (glyphs.WARN, "warn")),
    Kind.STOPPING: (glyphs.BUSY, "warn"),
    **dict.fromkeys((Kind.STOPPED, Kind.ENDED), (glyphs.STOPPED, "warn")),
    Kind.LOST: (glyphs.LOST, "bad"),
    Kind.UNKNOWN: (glyphs.LOST, "warn"),
}


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a line that may be left out as one when room is scarce. `role`: its colour; `accent` is
    kept for what a key does now. `then`: the words for it when it is over. `full`: a sentence of its own."""

    text: str
    role: str = "text"
    then: str = ""
    full: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`first` is the sentence, `second` what follows from it. The most important clause is first.
    `long`: a cause that must be readable in full, so that both may take two lines; `urgent`: the same, but
    only where it does not fit into one."""

    kind: Kind
    first: tuple[Clause, ...]
    second: tuple[Clause, ...] = ()
    long: bool = False
    urgent: bool = False

    @property
    def line(self) -> tuple[Clause, ...]:
        """Shape, word, and the sentence."""
        shape, role = _LOOKS.get(self.kind, (glyphs.NO, "bad"))
        found = [Clause(f"{shape} {self.kind}.", role)]
        for one in self.first:
            first = one.text.split(" ")[0]
            begins = found[-1].text.endswith(".") and not {*"-./"} & {
                *first
            }  # names stay as they are
            found.append(replace(one, text=capital(one.text)) if begins else one)
        return tuple(found)


def health(clauses: Iterable[Clause]) -> Kind:
    """By the worst of them."""
    roles = {clause.role for clause in clauses}
    return Kind.TROUBLE if "bad" in roles else Kind.WATCH if "warn" in roles else Kind.HEALTHY


def sentence(clause: str) -> str:
    return f"{capital(clause)}."


def problem_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    """What could not be read of the run folder."""
    return tuple(Clause(f"{clean(problem, 200)}.", "warn") for problem in snapshot.problems[:2])


def nan_words(since: int) -> str:
    return f"loss is NaN since step {since}: nothing after it is worth keeping"


def still_good(snapshot: RunSnapshot) -> Clause:
    """Which checkpoints a divergence left usable: only those verified and finite."""
    kept = progress_of(snapshot).kept_step
    if kept:
        return Clause(f"Good checkpoints: up to step {kept}.")
    return Clause("No earlier checkpoint is known to be good.", "warn")


def file_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    """Checkpoints that are missing or not usable; which ones is in the table."""
    written = current_checkpoints(snapshot)
    gone = sum(c.missing and not (c.removed or c.replaced) for c in written)
    changed = sum(c.missing and c.replaced is not None for c in written)
    unknown = sum(c.unseen and not c.missing for c in written)
    bad = sum(
        not (c.missing or c.removed) and (c.complete is False or c.finite is False) for c in written
    )
    found = []
    if gone:
        found.append(Clause(f"{count(gone, 'checkpoint')} missing", "bad"))
    if changed:
        found.append(Clause(f"{count(changed, 'checkpoint')} {CHANGED}", "bad"))
    if bad:
        found.append(Clause(f"{count(bad, 'checkpoint')} not usable", "bad"))
    if unknown:
        found.append(Clause(f"{count(unknown, 'checkpoint')} cannot be checked now", "warn"))
    return tuple(found)
