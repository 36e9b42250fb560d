"""The parts that verdicts are made of, and the clauses that several of them share."""

from __future__ import annotations

from runner.model import RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import count
from tui.text import clean
from tui.viewmodel.progress import current_checkpoints, progress_of


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a line that may be left out whole when room is scarce."""

    text: str
    role: str = "text"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`first` is the judgement, `second` what follows from it. Clauses are in order of their worth.
    `long`: a cause that must be readable whole, so that both may take two lines; `urgent`: the same, but
    only where it does not fit into one."""

    first: tuple[Clause, ...]
    second: tuple[Clause, ...] = ()
    long: bool = False
    urgent: bool = False


def sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + "."


def problem_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    """What could not be read of the run folder."""
    return tuple(Clause(f"{clean(problem, 200)}.", "warn") for problem in snapshot.problems[:2])


def first_nonfinite(snapshot: RunSnapshot) -> int | None:
    """The first step whose loss, exact or averaged, was not finite."""
    known = [snapshot.loss.first_nonfinite_step]
    if snapshot.status is not None:
        known.append(snapshot.status.first_nonfinite_step)
    return min((step for step in known if step is not None), default=None)


def still_good(snapshot: RunSnapshot) -> Clause:
    """Which checkpoints a divergence left usable: only those looked at and found finite."""
    kept = progress_of(snapshot).kept_step
    if kept:
        return Clause(f"Good checkpoints: up to step {kept}.")
    return Clause("No checkpoint from before is known to be good.", "warn")


def file_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    """Checkpoints that are gone or of no use; which ones is in the table."""
    written = current_checkpoints(snapshot)
    gone = sum(c.missing and not c.removed for c in written)
    bad = sum(
        not (c.missing or c.removed) and (c.complete is False or c.finite is False) for c in written
    )
    found = []
    if gone:
        found.append(Clause(f"{count(gone, 'checkpoint')} deleted, not by the trainer", "bad"))
    if bad:
        found.append(Clause(f"{count(bad, 'checkpoint')} not usable", "bad"))
    return tuple(found)
