"""A line of a run's journal."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One line of events.jsonl. `offset`: console byte it was derived from, None if from elsewhere."""

    at: float
    kind: str
    attempt: int
    offset: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
