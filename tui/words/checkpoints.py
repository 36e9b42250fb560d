"""The rows of the checkpoint table: what is written, what is still to come, what cannot come."""

from __future__ import annotations

from runner.history.checkpoint_columns import CheckpointFacts, cells_of, epoch_text
from runner.history.review.cautions import untrusted_step
from runner.model import (
    AttemptStatus,
    Checkpoint,
    ExpectedCheckpoint,
    Outcome,
    RunSnapshot,
    RunState,
)
from runner.model.lean import dataclass
from runner.model.units import ago, duration
from runner.state.lineage import superseded
from tui.text import clean
from tui.words.progress import (
    Progress,
    expected_checkpoints,
    impossible_checkpoints,
    is_final,
    is_live,
    next_expected,
    progress_of,
)

GRID_MOVED = "cannot come: save grid moved"
GONE = "deleted, and not by the trainer"


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One file. `cells`: by the columns of `runner.history.checkpoint_columns`; of a file that is not written,
    the step and the epoch alone. `kind`: written, expected, missing (its step is past and nothing was
    written), removed (by the trainer), gone (deleted by somebody else), impossible (of the forecast, won't be
    written any more). `fate`: whether and when save_last_n_* deletes it, `until`: the same in two words;
    `problem`: what is wrong with it; `remark`: what its weights show; `source`: the file itself, for its
    details; `superseded`: a later attempt trained its step again."""

    name: str
    kind: str
    step: int | None
    cells: dict[str, str]
    age: str = ""
    fate: str = ""
    until: str = ""
    problem: str = ""
    remark: str = ""
    final: bool = False
    source: Checkpoint | None = None
    superseded: bool = False

    @property
    def key(self) -> str:
        """What tells it from all others, however the rows move."""
        return self.source.path if self.source is not None else f"{self.step} {self.name}"


@dataclass(frozen=True, slots=True)
class CheckpointTable:
    """`focus`: index of the first row still to come; the view keeps it in sight. `trouble`: how many
    are not as they should be, in words; `attempts`: what each attempt was, by its number."""

    rows: tuple[CheckpointRow, ...]
    written: int
    total: int
    focus: int
    trouble: str = ""
    attempts: tuple[tuple[int, str], ...] = ()


def checkpoint_table(snapshot: RunSnapshot | None, now: float) -> CheckpointTable:
    """In the order of true steps; written ones stand before expected ones of the same step."""
    if snapshot is None:
        return CheckpointTable((), 0, 0, 0)
    progress = progress_of(snapshot)
    status = snapshot.status
    written = sorted(status.checkpoints if status else (), key=_order)
    limit, attempts = untrusted_step(snapshot), status.attempts if status else ()
    rows = [_written_row(one, progress, now, limit, superseded(one, attempts)) for one in written]
    rows += [_expected_row(snapshot, progress, one) for one in expected_checkpoints(snapshot)]
    rows += [_impossible_row(progress, one) for one in impossible_checkpoints(snapshot)]
    rows.sort(key=lambda row: (row.step is None, row.step or 0, row.final))
    done = sum(row.kind == "written" and not row.superseded for row in rows)
    focus = next((i for i, row in enumerate(rows) if row.kind == "expected"), len(rows))
    total = sum(row.kind not in ("removed", "impossible") and not row.superseded for row in rows)
    trouble = _trouble([row for row in rows if not row.superseded])
    return CheckpointTable(tuple(rows), done, total, focus, trouble, _attempts(snapshot))


def _order(one: Checkpoint) -> tuple[float, float]:
    return (one.step if one.step is not None else float("inf"), one.saved_at)


def _trouble(rows: list[CheckpointRow]) -> str:
    """The worst first, in as few words as can be."""
    words = {
        "deleted": sum(row.kind == "gone" for row in rows),
        "bad": sum(row.kind == "written" and bool(row.problem) for row in rows),
        "missing": sum(row.kind == "missing" for row in rows),
        "to look at": sum(
            row.kind == "written" and bool(row.remark) and not row.problem for row in rows
        ),
    }
    return ", ".join(f"{number} {word}" for word, number in words.items() if number)


def _attempts(snapshot: RunSnapshot) -> tuple[tuple[int, str], ...]:
    found = []
    for one in snapshot.status.attempts if snapshot.status is not None else ():
        if one.first_step is None:
            steps = "no step yet" if is_live(snapshot) else "no step"
        else:
            steps = f"steps {one.first_step} to {one.last_step or one.first_step}"
        found.append((one.attempt, steps))
    return tuple(found)


def _epochs(step: int | None, progress: Progress) -> float | None:
    per_epoch = progress.steps_per_epoch
    return step / per_epoch if step is not None and per_epoch else None


def _ahead(step: int, progress: Progress) -> dict[str, str]:
    return {"step": str(step), "epoch": epoch_text(_epochs(step, progress))}


# --------------------------------------------------------------------------- written


def _written_row(
    one: Checkpoint,
    progress: Progress,
    now: float,
    untrusted: int | None,
    later: AttemptStatus | None,
) -> CheckpointRow:
    kind = "removed" if one.removed else "gone" if one.missing else "written"
    there = kind == "written"
    return CheckpointRow(
        name=clean(one.name, 200),
        kind=kind,
        step=one.step,
        cells=cells_of(CheckpointFacts(one, _epochs(one.step, progress))),
        age=ago(now - one.saved_at) if there else "removed" if one.removed else "",
        fate=_fate(one) if there else "",
        until=f"till {one.removed_at_step}" if there and one.removed_at_step is not None else "",
        problem=_problem(one) if not one.removed else "",
        remark=_remark(one, untrusted, later) if there else "",
        final=one.final,
        source=one,
        superseded=later is not None,
    )


def _remark(one: Checkpoint, untrusted: int | None, later: AttemptStatus | None) -> str:
    """What its weights show, or that they come from a training that had broken before, or of a past that
    attempt `later` left."""
    if later is not None:
        return f"attempt {later.attempt} trained this step again"
    sound = untrusted is None or one.step is None or one.step < untrusted
    if one.remark or sound or _problem(one):
        return clean(one.remark, 200)
    return f"saved after the loss became NaN at step {untrusted}"


def _problem(one: Checkpoint) -> str:
    """One sentence: gone, or what the look into the file found; a state's own problem comes last."""
    if one.missing:
        return one.replaced or GONE
    if one.problem:
        return clean(one.problem, 200)
    if one.size_bytes == 0:
        return "zero bytes"
    if one.complete is False:
        return "not complete"
    if one.finite is False:
        return "not finite"
    return f"state: {clean(one.state_problem, 200)}" if one.state_problem else ""


def _fate(one: Checkpoint) -> str:
    """What save_last_n_* does with it; nothing is said of files that stay."""
    if one.removed_at_step is not None:
        return f"due to go at step {one.removed_at_step}"
    if one.state_removed_at_step is not None and one.state_path is not None:
        return f"its state goes at step {one.state_removed_at_step}"
    return ""


# --------------------------------------------------------------------------- not written


def _expected_row(
    snapshot: RunSnapshot, progress: Progress, expected: ExpectedCheckpoint
) -> CheckpointRow:
    final = is_final(snapshot, expected)
    kind, when = _when(snapshot, progress, expected.step, final)
    return CheckpointRow(
        name=clean(expected.name, 200),
        kind=kind,
        step=expected.step,
        cells=_ahead(expected.step, progress),
        age=when,
        fate=_stops_after(snapshot, progress, expected) if kind == "expected" else "",
        final=final,
    )


def _impossible_row(progress: Progress, one: ExpectedCheckpoint) -> CheckpointRow:
    cells = _ahead(one.step, progress)
    return CheckpointRow(clean(one.name, 200), "impossible", one.step, cells, GRID_MOVED)


def _stops_after(snapshot: RunSnapshot, progress: Progress, one: ExpectedCheckpoint) -> str:
    """The save that an ordered stop waits for."""
    armed = snapshot.status is not None and snapshot.status.stop_after_save
    if not armed or not is_live(snapshot):
        return ""
    return "then it stops" if next_expected(snapshot, progress) == one else ""


def _when(snapshot: RunSnapshot, progress: Progress, step: int, final: bool) -> tuple[str, str]:
    if snapshot.state is RunState.ENDED:
        # who ended it early knows that the rest is not there; who succeeded must be told
        succeeded = snapshot.outcome is Outcome.SUCCEEDED
        return ("missing" if succeeded else "expected"), "unwritten"
    if snapshot.state is RunState.LOST:
        return "expected", "not seen"
    # The file of a step is written after the step is shown. Whether it was, only status.json knows, and the
    # journal that `progress.step` is of runs ahead of it.
    status = snapshot.status
    listed_step = min(status.step if status is not None else 0, progress.step)
    overdue = progress.step - step
    if listed_step > step and not final and not _saving(snapshot):
        return "missing", "not seen"
    wait = progress.seconds_until(step)
    if overdue >= 0 and progress.step > 0:
        return "expected", "any moment"
    return "expected", f"in {duration(wait)}" if wait is not None else ""


def _saving(snapshot: RunSnapshot) -> bool:
    return snapshot.status is not None and snapshot.status.saving_since is not None
