"""Fake actions of the list of runs, for tests of the screen."""

from __future__ import annotations

from pathlib import Path

from runner.control.remove import Removal
from runner.model import Label, RunSnapshot
from tests.builders import snapshot
from tui.actions import ActionFailed, Sent


class FakeRuns:
    """Mixed into `tests.fakes.FakeActions`. `labels`, `removals`: by the name of the run's folder."""

    orders: list[tuple[object, ...]]
    refuse: str | None
    labels: dict[str, Label]
    removals: dict[str, Removal]

    def label(self, run_path: Path) -> Label:
        return self._labels().get(run_path.name, Label())

    def relabel(self, run_path: Path, label: Label) -> Sent:
        self._told("relabel", run_path, label)
        self._labels()[run_path.name] = label
        return Sent("label kept")

    def glance(self, run_path: Path) -> RunSnapshot:
        known: dict[str, RunSnapshot] = self.__dict__.setdefault("glances", {})
        return known.get(run_path.name) or snapshot(id=run_path.name, path=str(run_path))

    def removal(self, run_path: Path) -> Removal:
        known: dict[str, Removal] = self.__dict__.setdefault("removals", {})
        plain = Removal(
            run_path.name,
            run_path.name,
            str(run_path),
            12_400_000,
            31,
            ("The run folder with its 31 files, 12.4 MB.",),
            ("5 checkpoints in /project/output.",),
        )
        return known.get(run_path.name, plain)

    def remove(self, run_path: Path, *, with_checkpoints: bool = False) -> Sent:
        self._told("remove", run_path, with_checkpoints)
        return Sent(f"removed {run_path.name}")

    def _labels(self) -> dict[str, Label]:
        found: dict[str, Label] = self.__dict__.setdefault("labels", {})
        return found

    def _told(self, *what: object) -> None:
        self.orders.append(what)
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
