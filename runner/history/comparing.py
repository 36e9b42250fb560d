"""Reads the runs of a comparison, repeatedly while one is live. Everything here blocks."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from runner.history.compare import (
    LETTERS,
    MOST,
    ComparedRun,
    Comparison,
    compared_run,
    comparison,
    refuse_number,
)
from runner.history.compare_lines import Axis, lines_of
from runner.history.review.gather import review_of
from runner.history.review.model import Review
from runner.history.run_settings import settings_of
from runner.model import OVER, Checkpoint, RunListing, RunSnapshot
from runner.model.units import finite
from runner.store.labels import read_label
from runner.store.reader import RunReader
from runner.store.registry import LIVE
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer

#: what a review of an ended run depends on
Written = tuple[float, int, tuple[Checkpoint, ...]]


class Comparing:
    """`paths`: folders of 2 to 26 runs, named A, B, C in this order. `group`: whose runs they are, "" for runs
    chosen one by one. Raises ValueError for another number, WrittenByNewer."""

    def __init__(self, paths: Sequence[Path], group: str = "") -> None:
        refuse_number(len(paths))
        self._group = group
        for path in paths:
            refuse_newer(RunDir(path))
        self._paths = tuple(paths)
        self._readers = [RunReader(path, console=False) for path in self._paths]
        self._settings: list[dict[str, str]] | None = None
        #: of one `read`: until when it begins reviews, how many it made, how many it left
        self._until, self._done, self._left = 0.0, 0, 0
        self._reviews: dict[Path, tuple[Written, Review]] = {}

    def changed(self) -> bool:
        """A few stat calls per run: is there anything new?"""
        return any(reader.changed() for reader in self._readers)

    def read(self, budget_s: float = 0.4) -> Comparison:
        """What is known now, in about that time; `read_fraction` below 1: call again."""
        if self._settings is None:  # written once, so read once
            self._settings = [settings_of(path) for path in self._paths]
        share, self._until = budget_s / len(self._readers), time.monotonic() + budget_s
        self._left = self._done = 0
        snapshots = [reader.read(share) for reader in self._readers]
        runs = [
            self._compared(letter, snapshot, settings, path)
            for letter, snapshot, settings, path in zip(
                LETTERS, snapshots, self._settings, self._paths, strict=False
            )
        ]
        fraction = min(snapshot.read_fraction for snapshot in snapshots)
        fraction = min(fraction, 1 - self._left / len(runs))
        return comparison(runs, self._settings, fraction, self._group)

    def _compared(
        self, letter: str, snapshot: RunSnapshot, settings: dict[str, str], path: Path
    ) -> ComparedRun:
        """For an ended run, losses and best checkpoint are from its review, as everywhere else."""
        name = read_label(path).name
        if snapshot.state not in OVER or snapshot.read_fraction < 1:
            return compared_run(letter, snapshot, settings, name)
        status = snapshot.status
        beat_at, files = (status.heartbeat_at, status.checkpoints) if status else (0.0, ())
        written = beat_at, snapshot.loss.version, files
        known = self._reviews.get(path)
        if known is None or known[0] != written:
            if (
                self._done and time.monotonic() > self._until
            ):  # a review of a long run takes a while
                self._left += 1
                return compared_run(letter, snapshot, settings, name)
            known = self._reviews[path] = written, review_of(path, dataset=False)
            self._done += 1
        review = known[1]
        exact = {at: value for at, value in review.validations.items() if math.isfinite(value)}
        return compared_run(letter, review.snapshot, settings, name, review.candidates, exact)

    def read_all(self) -> Comparison:
        """Read to the current end, however long it takes."""
        made, before = self.read(1.0), -1.0
        while before < made.read_fraction < 1:
            before, made = made.read_fraction, self.read(1.0)
        return made


def chosen_of(group: Sequence[RunListing]) -> tuple[RunListing, ...]:
    """As many runs of a group as can be compared: those with the lowest losses, in the group's order. A run
    that never started is left out if it was started again."""
    newest = {one.name: one.id for one in group}
    runs = [one for one in group if one.step or one.state in LIVE or newest[one.name] == one.id]
    if len(runs) <= MOST:
        return tuple(runs)
    losses = {one.id: value for one in runs if (value := finite(one.smooth)) is not None}
    kept = sorted(runs, key=lambda one: (one.id not in losses, losses.get(one.id, 0.0)))[:MOST]
    return tuple(one for one in runs if one in kept)


#: the run keys of `compare --json`, besides its line
_OF_RUN = (
    *("letter", "id", "path", "name", "state", "outcome", "results", "exact", "steps_per_epoch"),
    "images_per_step",
)


def comparison_json(made: Comparison, axis: Axis) -> dict[str, Any]:
    """What `compare --json` prints: schema 1. Sizes are bytes, times seconds, steps true steps; unknown is
    null, and a null in a line is a NaN loss."""
    places = {made.runs[at].letter: one for at, one in made.ranking}
    return {
        "schema": 1,
        "axis": str(axis),
        "group": made.group or None,
        "best": made.runs[made.best].id if made.best is not None else None,
        "runs": [
            {name: msgspec.to_builtins(getattr(run, name)) for name in _OF_RUN}
            | {"place": places[run.letter].place if run.letter in places else None}
            | {"line": [[x, y] for x, y in line.points], "missing": line.missing or None}
            for run, line in zip(made.runs, lines_of(made.runs, axis), strict=True)
        ],
        "settings": [
            {"name": row.name, "values": list(row.values), "differs": row.differs}
            for row in made.settings
        ],
        "remarks": list(made.remarks),
    }
