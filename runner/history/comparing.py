"""Reads the runs of a comparison, repeatedly while one is live. Everything here blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from runner.history.compare import (
    LETTERS,
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
from runner.model import OVER, RunSnapshot
from runner.store.labels import read_label
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer


class Comparing:
    """`paths`: folders of 2 to 8 runs, named A, B, C in this order. Raises ValueError for another number,
    WrittenByNewer."""

    def __init__(self, paths: Sequence[Path]) -> None:
        refuse_number(len(paths))
        for path in paths:
            refuse_newer(RunDir(path))
        self._paths = tuple(paths)
        self._readers = [RunReader(path, console=False) for path in self._paths]
        self._settings: list[dict[str, str]] | None = None
        self._reviews: dict[Path, tuple[tuple[float, int], Review]] = {}

    def changed(self) -> bool:
        """A few stat calls per run: is there anything new?"""
        return any(reader.changed() for reader in self._readers)

    def read(self, budget_s: float = 0.4) -> Comparison:
        """What is known now, in about that time; `read_fraction` below 1: call again."""
        if self._settings is None:  # written once, so read once
            self._settings = [settings_of(path) for path in self._paths]
        share = budget_s / len(self._readers)
        snapshots = [reader.read(share) for reader in self._readers]
        runs = [
            self._compared(letter, snapshot, settings, path)
            for letter, snapshot, settings, path in zip(
                LETTERS, snapshots, self._settings, self._paths, strict=False
            )
        ]
        fraction = min(snapshot.read_fraction for snapshot in snapshots)
        return comparison(runs, self._settings, fraction)

    def _compared(
        self, letter: str, snapshot: RunSnapshot, settings: dict[str, str], path: Path
    ) -> ComparedRun:
        """For an ended run, losses and best checkpoint are from its review, as everywhere else."""
        name = read_label(path).name
        if snapshot.state not in OVER or snapshot.read_fraction < 1:
            return compared_run(letter, snapshot, settings, name)
        written = (snapshot.status.heartbeat_at if snapshot.status else 0.0, snapshot.loss.version)
        known = self._reviews.get(path)
        if known is None or known[0] != written:
            known = self._reviews[path] = written, review_of(path, dataset=False)
        review = known[1]
        return compared_run(letter, review.snapshot, settings, name, review.candidates)

    def read_all(self) -> Comparison:
        """Read to the current end, however long it takes."""
        made, before = self.read(1.0), -1.0
        while before < made.read_fraction < 1:
            before, made = made.read_fraction, self.read(1.0)
        return made


#: the run keys of `compare --json`, besides its line
_OF_RUN = (
    *("letter", "id", "path", "name", "state", "outcome", "results", "exact", "steps_per_epoch"),
    "images_per_step",
)


def comparison_json(made: Comparison, axis: Axis) -> dict[str, Any]:
    """What `compare --json` prints: schema 1. Sizes are bytes, times seconds, steps true steps; unknown is
    null, and a null in a line is a NaN loss."""
    return {
        "schema": 1,
        "axis": str(axis),
        "runs": [
            {name: msgspec.to_builtins(getattr(run, name)) for name in _OF_RUN}
            | {"line": [[x, y] for x, y in line.points], "missing": line.missing or None}
            for run, line in zip(made.runs, lines_of(made.runs, axis), strict=True)
        ],
        "settings": [
            {"name": row.name, "values": list(row.values), "differs": row.differs}
            for row in made.settings
        ],
        "remarks": list(made.remarks),
    }
