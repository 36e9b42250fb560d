"""Which checkpoints are still to come."""

from __future__ import annotations

from runner.model import ExpectedCheckpoint, RunSnapshot
from tui.viewmodel.progress import Progress


def expected_checkpoints(snapshot: RunSnapshot) -> tuple[ExpectedCheckpoint, ...]:
    """What the forecast holds and nobody has written, by step.

    After a resume sd-scripts counts steps anew, so the step grid of the forecast no longer holds and
    only the last file of the run can be told (facts: a second attempt writes under a new name).
    """
    status, spec = snapshot.status, snapshot.spec
    forecast = spec.forecast if spec is not None else None
    if forecast is None:
        return ()
    written = status.checkpoints if status is not None else ()
    names = {c.name for c in written}
    steps = {c.step for c in written if c.step is not None}
    resumed = status is not None and status.attempt > 1
    found = []
    for one in forecast.checkpoints:
        final = one.name == forecast.final
        if one.name in names or (resumed and (not final or _final_written(snapshot))):
            continue
        # a resumed run's files have other names: the same step counts as written
        if one.step in steps and not final:
            continue
        found.append(one)
    return tuple(sorted(found, key=lambda one: one.step))


def _final_written(snapshot: RunSnapshot) -> bool:
    return snapshot.status is not None and any(c.final for c in snapshot.status.checkpoints)


def next_expected(snapshot: RunSnapshot, progress: Progress) -> ExpectedCheckpoint | None:
    """The next file that will be written after the present step, the last one of the run excepted:
    waiting for the end is not a way to stop."""
    spec = snapshot.spec
    final = spec.forecast.final if spec is not None and spec.forecast is not None else None
    for one in expected_checkpoints(snapshot):
        if one.step > progress.step and one.name != final:
            return one
    return None
