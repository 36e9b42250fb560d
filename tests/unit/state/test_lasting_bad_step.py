"""Which bad step spoils the weights after it."""

from __future__ import annotations

import pytest

from runner.model import Alarm, AlarmKind, RunState, Status
from runner.state.lineage import lasting_bad_step

ONE, MANY = AlarmKind.ONE_BAD_STEP, AlarmKind.NONFINITE


@pytest.mark.parametrize(
    ("first", "alarms", "expected"),
    [
        (None, (), None),
        (30, (), 30),
        (30, ((MANY, 30),), 30),
        (30, ((ONE, 30),), None),
        (30, ((ONE, 30), (MANY, 80)), 80),
        (30, ((ONE, 50),), 30),
        (30, ((AlarmKind.STALLED, 30),), 30),
    ],
)
def test_a_step_that_was_alone_spoils_nothing(
    first: int | None, alarms: tuple[tuple[AlarmKind, int], ...], expected: int | None
) -> None:
    status = Status(
        RunState.RUNNING,
        1,
        0.0,
        first_nonfinite_step=first,
        alarms=tuple(Alarm(kind, 0.0, "", step) for kind, step in alarms),
    )
    assert lasting_bad_step(status) == expected
