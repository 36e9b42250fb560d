"""Which checkpoints are still to come, and which names of the forecast no longer can."""

from __future__ import annotations

from runner.model import ExpectedCheckpoint, Forecast, RunSnapshot
from tui.viewmodel.progress import Progress, current_checkpoints


def expected_checkpoints(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    """What will be written and is not yet, by step: of the newest attempt where its plan tells, with
    what the first one should have written; else of the forecast.

    After a resume sd-scripts counts steps anew, so the save grid of the forecast moves; where no plan
    tells it, only the last file of the run can be told.
    """
    planned = _planned(snapshot)
    if planned:
        missed = (one for one in _unplanned(snapshot) if _due_before(snapshot, one))
        return _in_order([one for one in planned if not _written(snapshot, one)] + [*missed])
    forecast = _forecast(snapshot)
    if forecast is None:
        return ()
    status = snapshot.status
    resumed = status is not None and status.attempt > 1
    return _in_order(
        [
            one
            for one in forecast.checkpoints
            if not _written(snapshot, one) and (not resumed or is_final(snapshot, one))
        ]
    )


def impossible_checkpoints(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    """Files of the forecast that a resumed attempt will not write: its save grid is another one."""
    return _in_order([one for one in _unplanned(snapshot) if not _due_before(snapshot, one)])


def is_final(snapshot: RunSnapshot, one: ExpectedCheckpoint) -> bool:
    """Is it the file that the training ends with?"""
    forecast = _forecast(snapshot)
    return forecast is not None and one.name == forecast.final


def next_expected(snapshot: RunSnapshot, progress: Progress) -> ExpectedCheckpoint | None:
    """The next file that will be written after the present step, the last one of the run excepted:
    waiting for the end is not a way to stop."""
    for one in expected_checkpoints(snapshot):
        if one.step > progress.step and not is_final(snapshot, one):
            return one
    return None


def _in_order(found: list[ExpectedCheckpoint]) -> tuple[ExpectedCheckpoint, ...]:
    return tuple(sorted(found, key=lambda one: one.step))


def _forecast(snapshot: RunSnapshot) -> Forecast | None:
    return snapshot.spec.forecast if snapshot.spec is not None else None


def _planned(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    return snapshot.plan.expected if snapshot.plan is not None else ()


def _unplanned(snapshot: RunSnapshot) -> list[ExpectedCheckpoint]:
    """Of the forecast, what is neither written nor in the plan of a resumed attempt."""
    planned, forecast = _planned(snapshot), _forecast(snapshot)
    if forecast is None or not planned or (snapshot.plan is not None and snapshot.plan.attempt < 2):
        return []
    names, steps = {one.name for one in planned}, {one.step for one in planned}
    return [
        one
        for one in forecast.checkpoints
        if one.name not in names and one.step not in steps and not _written(snapshot, one)
    ]


def _due_before(snapshot: RunSnapshot, one: ExpectedCheckpoint) -> bool:
    """Was it for the first attempt to write? That one kept to the forecast."""
    attempts = snapshot.status.attempts if snapshot.status is not None else ()
    last = attempts[0].last_step if attempts else None
    return last is not None and one.step <= last


def _written(snapshot: RunSnapshot, one: ExpectedCheckpoint) -> bool:
    """By its name; a resumed run's files have other names, so the same step counts as well."""
    written = current_checkpoints(snapshot)
    if is_final(snapshot, one):
        return any(c.final or c.name == one.name for c in written)
    return any(c.name == one.name or c.step == one.step for c in written)
