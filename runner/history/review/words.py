"""One line about a run. Pure."""

from __future__ import annotations

from runner.model import RunSnapshot
from runner.model.units import duration

#: of the summary's form, docs/summary.md: a new key raises the second number, a key that goes or means
#: something else the first
SUMMARY_VERSION = "1.0"


def headline(snapshot: RunSnapshot) -> str:
    """`succeeded, 920 of 920 steps in 41 min`."""
    status = snapshot.status
    word = str(snapshot.outcome or snapshot.state).replace("_", " ")
    if status is None:
        return word
    total = f" of {status.total_steps}" if status.total_steps is not None else ""
    took = ""
    if status.started_at is not None and status.ended_at is not None:
        took = f" in {duration(status.ended_at - status.started_at)}"
    return f"{word}, {status.step}{total} steps{took}"
