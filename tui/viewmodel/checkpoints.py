"""The rows of the checkpoint table: what is written, and what is still to come."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import Checkpoint, ExpectedCheckpoint, Outcome, RunSnapshot, RunState
from runner.units import UNKNOWN, ago, duration, file_size, loss
from tui.text import clean
from tui.viewmodel.expected import expected_checkpoints
from tui.viewmodel.progress import Progress, progress_of

YES, NO, PENDING, NONE = "yes", "no", "unknown", "none"


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One file. `complete`, `finite`, `state`: yes, no, unknown (not looked at yet), none (has none).
    `kind`: written, expected, missing (its step is past and nothing was written), removed."""

    name: str
    kind: str
    step: int | None
    epoch: str
    size: str
    loss: str
    complete: str
    finite: str
    state: str
    age: str
    final: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointTable:
    """`focus`: index of the first row still to come; the view keeps it in sight."""

    rows: tuple[CheckpointRow, ...]
    written: int
    total: int
    focus: int


def checkpoint_table(snapshot: RunSnapshot | None, now: float) -> CheckpointTable:
    """Written files first, in the order of their true step, then the expected ones."""
    if snapshot is None:
        return CheckpointTable((), 0, 0, 0)
    progress = progress_of(snapshot)
    status = snapshot.status
    written = sorted(status.checkpoints if status else (), key=_order)
    rows = [_written_row(one, progress, now) for one in written]
    expected = [_expected_row(snapshot, progress, e) for e in expected_checkpoints(snapshot)]
    merged = sorted(
        [*rows, *expected], key=lambda row: (row.step is None, row.step or 0, row.final)
    )
    done = sum(row.kind == "written" for row in merged)
    focus = next((i for i, row in enumerate(merged) if row.kind == "expected"), len(merged))
    total = sum(row.kind != "removed" for row in merged)
    return CheckpointTable(tuple(merged), done, total, focus)


def _order(one: Checkpoint) -> tuple[float, float]:
    return (one.step if one.step is not None else float("inf"), one.saved_at)


def _epoch(step: int | None, progress: Progress) -> str:
    """How many epochs are trained at that step: 1.74 is well into the second one."""
    if step is None or not progress.steps_per_epoch:
        return ""
    return f"{step / progress.steps_per_epoch:.2f}"


def _tri(value: bool | None) -> str:
    return PENDING if value is None else YES if value else NO


def _written_row(one: Checkpoint, progress: Progress, now: float) -> CheckpointRow:
    has_state = one.state_path is not None
    return CheckpointRow(
        name=clean(one.name, 200),
        kind="removed" if one.removed else "written",
        step=one.step,
        epoch=_epoch(one.step, progress),
        size=file_size(one.size_bytes) if one.size_bytes is not None else UNKNOWN,
        loss=loss(one.loss) if one.loss is not None else "",
        complete=_tri(one.complete),
        finite=_tri(one.finite),
        state=_tri(one.state_complete) if has_state else NONE,
        age="removed" if one.removed else ago(now - one.saved_at),
        final=one.final,
        problem=clean(one.problem, 200),
    )


def _expected_row(
    snapshot: RunSnapshot, progress: Progress, expected: ExpectedCheckpoint
) -> CheckpointRow:
    final = (
        snapshot.spec is not None
        and snapshot.spec.forecast is not None
        and (expected.name == snapshot.spec.forecast.final)
    )
    kind, when = _when(snapshot, progress, expected.step, final)
    return CheckpointRow(
        name=clean(expected.name, 200),
        kind=kind,
        step=expected.step,
        epoch=_epoch(expected.step, progress),
        size="",
        loss="",
        complete="",
        finite="",
        state="",
        age=when,
        final=final,
    )


def _when(snapshot: RunSnapshot, progress: Progress, step: int, final: bool) -> tuple[str, str]:
    if snapshot.state is RunState.ENDED:
        # who ended it early knows that the rest is not there; who succeeded must be told
        succeeded = snapshot.outcome is Outcome.SUCCEEDED
        return ("missing" if succeeded else "expected"), "unwritten"
    if snapshot.state is RunState.LOST:
        return "expected", "not seen"
    # the file of a step is written after the step is shown, and verified later still
    overdue = progress.step - step
    if overdue > 0 and not final and not _saving(snapshot):
        return "missing", "not seen"
    wait = progress.seconds_until(step)
    if overdue >= 0 and progress.step > 0:
        return "expected", "any moment"
    return "expected", f"in {duration(wait)}" if wait is not None else ""


def _saving(snapshot: RunSnapshot) -> bool:
    return snapshot.status is not None and snapshot.status.saving_since is not None
