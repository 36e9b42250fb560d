"""Finds a checkpoint by `best`, a step, a name or `final`. Blocking."""

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
    """No such checkpoint; one sentence with the available ones."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """`why`: the reasons of a ranking, empty for one chosen by name."""

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
    written = without_replaced(status, Path(spec.cwd), run.path).checkpoints
    there = [c for c in written if not (c.removed or c.missing)]
    replaced = [c for c in written if c.replaced]
    if not there:
        gone = f": {replaced[0].name} was {replaced[0].replaced}" if replaced else ""
        raise NotChosen(f"run {run.id} has no checkpoint that still exists{gone}")
    # available names, the newest ones if there are many
    names = ", ".join([str(c.step) if c.step is not None else c.name for c in there][-12:])
    why: tuple[str, ...] = ()
    if which == BEST:
        from runner.history.review.gather import review_of

        candidates = review_of(run_path).candidates
        if not candidates:
            told = f"run {run.id} has no complete, finite checkpoint"
            raise NotChosen(f"{told}: choose one with --checkpoint ({names})")
        chosen, why = candidates[0].checkpoint, (*candidates[0].reasons, *candidates[0].cautions)
    elif found := [c for c in there if _is_meant(c, which)]:
        # of one step in two attempts, the training continued with the newer one
        chosen = max(found, key=lambda c: (c.attempt, c.final, c.saved_at))
    elif lost := [c for c in replaced if _is_meant(c, which)]:
        told = f"{lost[0].name} of run {run.id} was {lost[0].replaced}"
        raise NotChosen(f"{told}: it cannot be exported")
    else:
        raise NotChosen(f"run {run.id} has no checkpoint {which!r}: it has {names}")
    return Chosen(chosen, Path(spec.cwd) / chosen.path, why)


def _is_meant(one: Checkpoint, which: str) -> bool:
    if which == FINAL:
        return one.final
    if which.isdecimal() and one.step == int(which):
        return True
    return which in (one.name, PurePath(one.name).stem, one.path)
