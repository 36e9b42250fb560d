"""Finds the checkpoint of a run that a person means: `best`, a step, a name, `final`. Blocking."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.model import Checkpoint, RunSpec
from runner.store.identity import without_replaced
from runner.store.journal import Unreadable, read_json
from runner.store.norms import read_status
from runner.store.rundir import RunDir

BEST, FINAL = "best", "final"


class NotChosen(Exception):
    """No such checkpoint; one sentence with what there is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """`why`: the reasons of a ranking, empty for one that was named."""

    checkpoint: Checkpoint
    path: Path
    why: tuple[str, ...] = ()


def choose(run_path: Path, which: str = BEST) -> Chosen:
    """Raises NotChosen."""
    run = RunDir(run_path)
    try:
        spec, status = read_json(run.spec, RunSpec), read_status(run)
    except Unreadable as error:
        raise NotChosen(f"run {run.id} cannot be read: {error}") from None
    status = without_replaced(status, Path(spec.cwd), run.path)
    there = [c for c in status.checkpoints if not (c.removed or c.missing)]
    if not there:
        gone = next((f": {c.name} was {c.replaced}" for c in status.checkpoints if c.replaced), "")
        raise NotChosen(f"run {run.id} has no checkpoint that still exists{gone}")
    if which == BEST:
        from runner.history.review.gather import review_of

        candidates = review_of(run_path).candidates
        if not candidates:
            raise NotChosen(
                f"no checkpoint of run {run.id} is whole and finite: name one with --checkpoint "
                f"({_names(there)})"
            )
        first = candidates[0]
        return _chosen(spec, first.checkpoint, (*first.reasons, *first.cautions))
    found = [c for c in there if _is_meant(c, which)]
    if not found:
        lost = next((c for c in status.checkpoints if c.replaced and _is_meant(c, which)), None)
        if lost is not None:
            raise NotChosen(
                f"{lost.name} of run {run.id} was {lost.replaced}: it cannot be exported"
            )
        raise NotChosen(f"run {run.id} has no checkpoint {which!r}: it has {_names(there)}")
    # of one step in two attempts, the newer is what the training went on with
    return _chosen(spec, max(found, key=lambda c: (c.attempt, c.final, c.saved_at)))


def _chosen(spec: RunSpec, one: Checkpoint, why: tuple[str, ...] = ()) -> Chosen:
    return Chosen(one, Path(spec.cwd) / one.path, why)


def _is_meant(one: Checkpoint, which: str) -> bool:
    if which == FINAL:
        return one.final
    if which.isdecimal() and one.step == int(which):
        return True
    return which in (one.name, PurePath(one.name).stem, one.path)


def _names(there: list[Checkpoint]) -> str:
    """What can be asked for, the newest ones if there are many."""
    steps = [str(c.step) if c.step is not None else c.name for c in there]
    return ", ".join(steps[-12:])
