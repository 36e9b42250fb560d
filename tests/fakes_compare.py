"""Fake actions of the comparison of runs, for tests of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.history.compare import LETTERS, Comparison, compared_run, comparison
from runner.model import RunSnapshot
from tui.actions import ActionFailed


class FakeComparing:
    """Shows these snapshots; `reads` counts. Set `pending` to have something new to read."""

    def __init__(self, snapshots: list[RunSnapshot], settings: list[dict[str, str]]) -> None:
        self.snapshots, self.settings = snapshots, settings
        self.fraction, self.pending, self.reads = 1.0, True, 0
        self.problem: Exception | None = None

    def changed(self) -> bool:
        return self.pending

    def read(self, budget_s: float) -> Comparison:
        self.reads += 1
        self.pending = False
        if self.problem is not None:
            raise self.problem
        runs = [
            compared_run(letter, snapshot, settings)
            for letter, snapshot, settings in zip(
                LETTERS, self.snapshots, self.settings, strict=False
            )
        ]
        return comparison(runs, self.settings, self.fraction)


class FakeCompare:
    """Mixed into `tests.fakes.FakeActions`. `compared`: what a comparison reads."""

    refuse: str | None
    compared: FakeComparing

    def comparing(self, run_paths: Sequence[Path]) -> FakeComparing:
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
        return self.compared
