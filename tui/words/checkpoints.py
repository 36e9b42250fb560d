"""The rows of the checkpoint table: newest first, then what comes next; which one is the best so far.
Pure."""

from __future__ import annotations

from collections import Counter

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
from runner.model.checkpoint import MISSING
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

GRID_MOVED = "skipped: save steps shifted on resume"


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One file. `kind`: written, expected, missing (its step is past, no file was written), removed (by the
    trainer), gone (missing, or another file now), impossible (forecast, but skipped after a resume). `epochs`:
    trained at its step; `fate`: when save_last_n_* deletes it, `until`: the same in two words; `remark`: what
    its weights show; `source`: None until it is written; `superseded`: a later attempt trained its step
    too."""

    name: str
    kind: str
    step: int | None
    epochs: float | None = None
    age: str = ""
    fate: str = ""
    until: str = ""
    problem: str = ""
    remark: str = ""
    final: bool = False
    best: bool = False
    source: Checkpoint | None = None
    superseded: bool = False

    @property
    def cells(self) -> dict[str, str]:
        """By the columns of `runner.history.checkpoint_columns`. Only rows in sight need them."""
        if self.source is not None:
            return cells_of(CheckpointFacts(self.source, self.epochs))
        return {"step": str(self.step), "epoch": epoch_text(self.epochs)}

    @property
    def order(self) -> tuple[float, bool, float]:
        """By step, then by time."""
        saved_at = self.source.saved_at if self.source is not None else 0.0
        return (self.step if self.step is not None else float("inf"), self.final, saved_at)

    @property
    def key(self) -> str:
        """Identifies the file however the rows move."""
        return self.source.path if self.source is not None else f"{self.step} {self.name}"


@dataclass(frozen=True, slots=True)
class CheckpointTable:
    """`rows`: the past newest first (`past` of them), then the coming ones in order, then the skipped ones.
    `trouble`: how many need attention, as text; `attempts`: the steps of each attempt, by its number."""

    rows: tuple[CheckpointRow, ...] = ()
    written: int = 0
    total: int = 0
    past: int = 0
    trouble: str = ""
    attempts: tuple[tuple[int, str], ...] = ()


def checkpoint_table(snapshot: RunSnapshot | None, now: float) -> CheckpointTable:
    if snapshot is None:
        return CheckpointTable()
    progress, status = progress_of(snapshot), snapshot.status
    attempts, limit = status.attempts if status else (), untrusted_step(snapshot)
    best = best_checkpoint(snapshot)
    rows = [
        _written_row(one, progress, now, limit, superseded(one, attempts), one is best)
        for one in (status.checkpoints if status else ())
    ]
    stop_at = _stop_at(snapshot, progress)
    coming = [
        _expected_row(snapshot, progress, one, one == stop_at)
        for one in expected_checkpoints(snapshot)
    ]
    past = rows + [row for row in coming if row.kind == "missing"]
    past.sort(key=lambda row: row.order, reverse=True)
    coming = [row for row in coming if row.kind != "missing"]
    coming.sort(key=lambda row: row.order)
    skipped = [
        CheckpointRow(
            clean(one.name, 200), "impossible", one.step, _epochs(one.step, progress), GRID_MOVED
        )
        for one in impossible_checkpoints(snapshot)
    ]
    counted = [row for row in past if not row.superseded]
    return CheckpointTable(
        (*past, *coming, *skipped),
        written=sum(row.kind == "written" for row in counted),
        total=sum(row.kind != "removed" for row in counted) + len(coming),
        past=len(past),
        trouble=_trouble(counted),
        attempts=_attempts(snapshot),
    )


#: the worst first
_TROUBLE = ("missing", "changed", "bad", "unknown", "not saved", "suspect")


def _trouble(rows: list[CheckpointRow]) -> str:
    """In as few words as can be."""
    number = Counter(_trouble_word(row) for row in rows)
    return ", ".join(f"{number[word]} {word}" for word in _TROUBLE if number[word])


def _trouble_word(row: CheckpointRow) -> str:
    if row.kind == "missing":
        return "not saved"
    if row.source is None or row.kind == "removed":
        return ""
    if row.kind == "gone":
        return "changed" if row.source.replaced else "missing"
    if row.problem:
        return "unknown" if row.source.complete is None else "bad"
    return "suspect" if row.remark else ""


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


# --------------------------------------------------------------------------- the best so far

#: of the run ranked last: what the ranking rests on, and the best file
_ranked: tuple[object, Checkpoint | None] = (None, None)


def best_checkpoint(snapshot: RunSnapshot) -> Checkpoint | None:
    """As the summary ranks them; None where no loss is known. Ranked again when a file, not when a step
    comes."""
    global _ranked
    status = snapshot.status
    if status is None or not any(one.was_good for one in status.checkpoints):
        return None
    first_steps = [(one.attempt, one.first_step) for one in status.attempts]
    bad = snapshot.loss.first_nonfinite_step
    basis = (snapshot.id, snapshot.state, status.checkpoints, first_steps, bad)
    if _ranked[0] != basis:
        from runner.history.review.best import rank

        found = rank(status.checkpoints, series=snapshot.loss, attempts=status.attempts)
        best = found[0].checkpoint if found and found[0].by else None
        _ranked = (basis, best)
    best = _ranked[1]
    # an equal object of an earlier reading is none of this snapshot's
    return next((one for one in status.checkpoints if one == best), None) if best else None


# --------------------------------------------------------------------------- written


def _written_row(
    one: Checkpoint,
    progress: Progress,
    now: float,
    untrusted: int | None,
    later: AttemptStatus | None,
    best: bool,
) -> CheckpointRow:
    kind = "removed" if one.removed else "gone" if one.missing else "written"
    exists = kind == "written"
    return CheckpointRow(
        name=clean(one.name, 200),
        kind=kind,
        step=one.step,
        epochs=_epochs(one.step, progress),
        age=ago(now - one.saved_at) if exists else "removed" if one.removed else "",
        fate=_fate(one) if exists else "",
        until=f"till {one.removed_at_step}" if exists and one.removed_at_step is not None else "",
        problem=_problem(one) if not one.removed else "",
        remark=_remark(one, untrusted, later) if exists else "",
        final=one.final,
        best=best,
        source=one,
        superseded=later is not None,
    )


def _remark(one: Checkpoint, untrusted: int | None, later: AttemptStatus | None) -> str:
    """What its weights show, or that the loss was NaN before it, or that attempt `later` left its past."""
    if later is not None:
        return f"attempt {later.attempt} trained this step again"
    sound = untrusted is None or one.step is None or one.step < untrusted
    if one.remark or sound or _problem(one):
        return clean(one.remark, 200)
    return f"saved after the loss became NaN at step {untrusted}"


def _problem(one: Checkpoint) -> str:
    """One sentence: deleted, or what verifying the file found; a problem of its state comes last."""
    if one.missing:
        return one.replaced or clean(one.problem, 200) or MISSING
    if one.problem:
        return clean(one.problem, 200)
    if one.size_bytes == 0:
        return "zero bytes"
    if one.complete is False:
        return "incomplete"
    if one.finite is False:
        return "not finite"
    return f"state: {clean(one.state_problem, 200)}" if one.state_problem else ""


def _fate(one: Checkpoint) -> str:
    """What save_last_n_* does with it; empty for files that stay."""
    if one.removed_at_step is not None:
        return f"deleted at step {one.removed_at_step}"
    if one.state_removed_at_step is not None and one.state_path is not None:
        return f"its state is deleted at step {one.state_removed_at_step}"
    return ""


# --------------------------------------------------------------------------- not written


def _expected_row(
    snapshot: RunSnapshot, progress: Progress, expected: ExpectedCheckpoint, stops: bool
) -> CheckpointRow:
    final = is_final(snapshot, expected)
    kind, when = _when(snapshot, progress, expected.step, final)
    return CheckpointRow(
        name=clean(expected.name, 200),
        kind=kind,
        step=expected.step,
        epochs=_epochs(expected.step, progress),
        age=when,
        fate="then it stops" if stops and kind == "expected" else "",
        final=final,
    )


def _stop_at(snapshot: RunSnapshot, progress: Progress) -> ExpectedCheckpoint | None:
    """The save that an ordered stop waits for."""
    armed = snapshot.status is not None and snapshot.status.stop_after_save
    return next_expected(snapshot, progress) if armed and is_live(snapshot) else None


def _when(snapshot: RunSnapshot, progress: Progress, step: int, final: bool) -> tuple[str, str]:
    if snapshot.state is RunState.ENDED:
        # after an early end the rest is no surprise; a success must have every file
        succeeded = snapshot.outcome is Outcome.SUCCEEDED
        return ("missing" if succeeded else "expected"), "not saved"
    if snapshot.state is RunState.LOST:
        return "expected", "not seen"
    # The file of a step is written after the step is shown. Whether it was, only status.json knows, and the
    # journal that `progress.step` is of runs ahead of it.
    status = snapshot.status
    listed_step = min(status.step if status is not None else 0, progress.step)
    saving = status is not None and status.saving_since is not None
    if listed_step > step and not final and not saving:
        return "missing", "not saved"
    wait = progress.seconds_until(step)
    if progress.step > 0 and (progress.step >= step or (wait is not None and wait < 1)):
        return "expected", "due now"
    return "expected", f"in {duration(wait)}" if wait is not None else ""
