"""What the app is given in tests: readers and actions without files or processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from runner.model import RunListing, RunSnapshot
from tests.builders import NOW
from tui.actions import ActionFailed, Plan, Sent


class FakeReader:
    """Hands out one snapshot until it is replaced."""

    def __init__(self, snapshot: RunSnapshot) -> None:
        self.snapshot = snapshot
        self.error: Exception | None = None
        self.reads = 0
        self._new = True

    def put(self, snapshot: RunSnapshot) -> None:
        self.snapshot, self._new = snapshot, True

    def changed(self) -> bool:
        return self._new

    def read(self, budget_s: float) -> RunSnapshot:
        self.reads += 1
        if self.error is not None:
            raise self.error
        self._new = False
        return self.snapshot


class FakeActions:
    """Records what was ordered; `refuse` makes every order fail with that sentence."""

    def __init__(
        self,
        snapshot: RunSnapshot | None = None,
        runs: Sequence[RunListing] = (),
        plan: Plan | None = None,
    ) -> None:
        self.reader = FakeReader(snapshot) if snapshot is not None else None
        self.runs = list(runs)
        self.made_plan = plan
        self.orders: list[tuple[object, ...]] = []
        self.refuse: str | None = None
        self.opened: list[Path] = []

    def open_reader(self, run_path: Path) -> FakeReader:
        self.opened.append(run_path)
        assert self.reader is not None
        return self.reader

    def list_runs(self) -> Sequence[RunListing]:
        return list(self.runs)

    def run_path(self, run_id: str) -> Path:
        return Path("/state/runs") / run_id

    def plan(self, config_path: Path) -> Plan:
        assert self.made_plan is not None
        return self.made_plan

    def start(self, config_path: Path, smoke: bool = False) -> Sent:
        what = "smoke" if smoke else "start"
        return self._order(what, config_path, run_path=Path("/state/runs/new"))

    def approve(self, run_path: Path) -> Sent:
        return self._order("approve", run_path)

    def start_demo(self) -> Sent:
        return self._order("demo", run_path=Path("/state/runs/demo"))

    def stop(self, run_path: Path, mode: str) -> Sent:
        return self._order("stop", run_path, mode)

    def resume(self, run_path: Path) -> Sent:
        return self._order("resume", run_path)

    def adopt(self, run_path: Path) -> Sent:
        return self._order("adopt", run_path)

    def _order(self, *what: object, run_path: Path | None = None) -> Sent:
        self.orders.append(what)
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
        return Sent(f"{what[0]} given", run_path)


def fixed_clock() -> Callable[[], float]:
    return lambda: NOW
