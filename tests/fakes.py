"""What the app is given in tests: readers and actions without files or processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.model import Approval, CheckResult, RunListing, RunSnapshot
from runner.model.preview import Existing, Preview
from runner.preflight.cures.model import Cure
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.fresh import Answers
from runner.trainers.sd_scripts.importers.model import Imported
from runner.trainers.sd_scripts.importers.write import Written
from tests.builders import NOW
from tests.fakes_compare import FakeCompare
from tests.fakes_notices import FakeNotices
from tests.fakes_replay import FakeReplay
from tests.fakes_runs import FakeRuns
from tests.fakes_samples import FakeSamples
from tests.fakes_summary import FakeSummary
from tui.actions import ActionFailed, FlagSheet, OnCheck, Plan, Sent
from tui.viewmodel.preflight import CheckName


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


class FakeActions(FakeRuns, FakeSummary, FakeSamples, FakeCompare, FakeReplay, FakeNotices):
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
        self.slow: set[str] = set()
        self.slow_may_end = threading.Event()
        self.cures: dict[str, Cure] = {}
        self.cured: dict[str, CheckResult] = {}
        self.approved: Approval | None = None
        self.found = Found()
        self.preview = Preview("Resume spyke", ("From step 400 to 920.",))
        self.start_shown = Preview(
            "Start spyke", ("Project: /p/plasma.toml", "Output: /p/out/spyke")
        )
        self.sheets: dict[bool, FlagSheet] = {}

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

    def start_preview(self, config_path: Path) -> Preview:
        return self.start_shown

    def start(
        self,
        config_path: Path,
        smoke: bool = False,
        on_check: OnCheck | None = None,
        overwrite: Sequence[Existing] = (),
    ) -> Sent:
        what = ("smoke" if smoke else "start", config_path, *overwrite)
        return self._order(*what, run_path=Path("/state/runs/new"))

    def approve(self, run_path: Path) -> Sent:
        return self._order("approve", run_path)

    def start_demo(self) -> Sent:
        return self._order("demo", run_path=Path("/state/runs/demo"))

    def stop(self, run_path: Path, mode: str) -> Sent:
        return self._order("stop", run_path, mode)

    def resume_preview(self, run_path: Path) -> Preview:
        return self._preview()

    def retry_preview(self, run_path: Path) -> Preview:
        return self._preview()

    def _preview(self) -> Preview:
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
        return self.preview

    def retry(self, run_path: Path) -> Sent:
        return self._order("retry", run_path)

    def resume(self, run_path: Path) -> Sent:
        return self._order("resume", run_path)

    def adopt(self, run_path: Path) -> Sent:
        return self._order("adopt", run_path)

    def free_gpu(self, run_path: Path | None) -> Sent:
        return self._order("free", run_path)

    # ----------------------------------------------------------------- before a run

    def check_names(self) -> tuple[CheckName, ...]:
        checks = self.made_plan.checks if self.made_plan is not None else ()
        return tuple(CheckName(c.name, c.title or c.name, c.name in self.slow) for c in checks)

    def checks(
        self, config_path: Path, slow: bool, cancelled: threading.Event
    ) -> Iterator[CheckResult]:
        assert self.made_plan is not None
        for check in sorted(self.made_plan.checks, key=lambda one: one.name in self.slow):
            if check.name not in self.slow:
                yield check
            elif slow:
                while not self.slow_may_end.wait(0.01):
                    if cancelled.is_set():
                        return
                yield check

    def cure(self, config_path: Path, name: str, cancelled: threading.Event) -> Cure | None:
        self.orders.append(("cure?", name))
        return self.cures.get(name)

    def look_again(self, config_path: Path, check: str) -> CheckResult | None:
        self.orders.append(("look again", check))
        return self.cured.get(check)

    def approval(self, run_path: Path) -> Approval | None:
        return self.approved

    def flags(self, config_path: Path, thorough: bool) -> FlagSheet:
        return self.sheets[thorough]

    # ----------------------------------------------------------------- without a plasma.toml

    def find(self, project: Path) -> Found:
        return self.found

    def suggest(self, project: Path) -> Answers:
        return Answers(name="lora")

    def new_project(self, project: Path, answers: Answers) -> Imported:
        self.orders.append(("new", answers))
        return Imported(f'name = "{answers.name}"\n')

    def import_file(self, project: Path, source: str) -> Imported:
        self.orders.append(("import", source))
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
        return Imported('name = "imported"\n', ("--mystery 3: no such flag",), (), source)

    def write_project(self, project: Path, made: Imported) -> Written:
        self.orders.append(("write", made.config_text))
        return Written(project / "plasma.toml")

    def missing(self, made: Imported) -> Sequence[str]:
        return ()

    def _order(self, *what: object, run_path: Path | None = None) -> Sent:
        self.orders.append(what)
        if self.refuse is not None:
            raise ActionFailed(self.refuse)
        return Sent(f"{what[0]} given", run_path)


def fixed_clock() -> Callable[[], float]:
    return lambda: NOW
