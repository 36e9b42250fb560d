"""Finds a checkpoint by `best`, a step, a name or `final`. Blocking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.model import Checkpoint, RunSpec
from runner.store.journal import Unreadable, read_json
from runner.store.norms import read_status
from runner.store.own_files import OwnFiles, as_recorded
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
    written = OwnFiles(run.path).checked(as_recorded(status), spec, math.inf).checkpoints
    lost = [c for c in written if c.missing or c.unseen]
    there = [c for c in written if not (c.removed or c.missing or c.unseen)]
    if not there:
        gone = f": {_lost_words(lost[0])}" if lost else ""
        raise NotChosen(f"run {run.id} has no checkpoint that can be exported{gone}")
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
    elif meant := [c for c in lost if _is_meant(c, which)]:
        raise NotChosen(
            f"{_lost_words(meant[0])}, so it cannot be exported: run {run.id} has {names}"
        )
    else:
        raise NotChosen(f"run {run.id} has no checkpoint {which!r}: it has {names}")
    return Chosen(chosen, Path(spec.cwd) / chosen.path, why)


def _lost_words(one: Checkpoint) -> str:
    if one.replaced:
        return f"{one.name} was {one.replaced}"
    return f"{one.name} is {one.problem}" if one.missing else f"{one.name} {one.problem}"


def _is_meant(one: Checkpoint, which: str) -> bool:
    if which == FINAL:
        return one.final
    if which.isdecimal() and one.step == int(which):
        return True
    return which in (one.name, PurePath(one.name).stem, one.path)
