"""The list of runs as rows, and the filter that typing makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.model import RunListing
from runner.units import ago, count, duration, loss
from tui.text import clean
from tui.viewmodel.state import StateLabel, label_of


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `key` is its id, which rows are told apart by."""

    key: str
    name: str
    state: StateLabel
    steps: str
    fraction: float | None
    loss: str
    checkpoints: str
    took: str
    age: str
    problem: str = ""


def run_rows(listings: Sequence[RunListing], now: float, typed: str = "") -> tuple[RunRow, ...]:
    """Newest first; `typed` keeps the rows in which every typed word occurs."""
    words = typed.lower().split()
    rows = [_row(one, now) for one in sorted(listings, key=lambda x: -x.created_at)]
    return tuple(row for row in rows if all(word in _searched(row) for word in words))


def _searched(row: RunRow) -> str:
    return f"{row.key} {row.name} {row.state.word}".lower()


def _row(one: RunListing, now: float) -> RunRow:
    total = one.total_steps
    return RunRow(
        key=one.id,
        name=clean(one.name, 120) or clean(one.id, 120),
        state=label_of(one.state, one.outcome),
        steps=f"{one.step}/{total}" if total else str(one.step),
        fraction=min(1.0, one.step / total) if total else None,
        loss=loss(one.loss) if one.loss is not None else "",
        checkpoints=count(one.checkpoints, "file") if one.checkpoints else "",
        took=duration(one.duration_s) if one.duration_s is not None else "",
        age=f"{ago(now - one.created_at)} ago" if one.created_at else "",
        problem=clean(one.problem, 200),
    )
