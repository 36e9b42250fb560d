"""Times of a recording that has none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from runner.history.replay_untimed import retimed
from runner.model import JournalEvent


def test_a_part_of_an_accumulation_at_the_end_of_an_epoch_is_a_step_of_it() -> None:
    """5 batches, 2 of them a step: 3 steps an epoch, not 2."""
    rows: Any = SimpleNamespace(
        times=[float(step) for step in range(1, 7)],
        first_row={1: 0},
        time_of_step=lambda attempt, step: float(step),
    )
    banner = {"batches_per_epoch": 5, "accumulation": 2}
    events = [
        JournalEvent(0.0, "banner", 1, data=banner),
        JournalEvent(0.0, "epoch", 1, data={"epoch": 2, "epochs": 2}),
    ]
    assert [event.at for event in retimed(events, rows, 0.0)] == [0.0, 3.0]
