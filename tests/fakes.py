"""What the app is given in tests: a backend and readers without files or processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config.catalog import Flag
from runner.config.channels import Channels
from runner.control.remove import Removal
from runner.history.compare import LETTERS, Comparison, compared_run, comparison
from runner.history.comparing import Comparing
from runner.history.replay import ReplayReader
from runner.hosts.runs import HostRuns
from runner.hosts.settings import Host
from runner.model import Approval, CheckResult, Label, RunListing, RunSnapshot
from runner.model.preview import Existing, Preview
from runner.model.refusal import Refusal
from runner.notify.channel import Result
from runner.notify.message import trial_message
from runner.preflight.cures.model import Cure
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.fresh import Answers
from runner.trainers.sd_scripts.importers.model import Imported
from runner.trainers.sd_scripts.importers.write import Written
from tests.builders import NOW
from tests.builders import snapshot as make_snapshot
from tui.backend.door import Backend, OnCheck, own_id
from tui.backend.results import (
    ExportAnswer,
    FlagAnswer,
    FlagSheet,
    NoticeTarget,
    Plan,
    Sent,
    SummarySheet,
)
from tui.backend.samples import SampleReader
from tui.words.checklist import CheckName
from tui.words.samples import SampleSheet

if TYPE_CHECKING:
    from tui.backend.results import Reader


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


class FakeSampleReader(SampleReader):
    """The same with the sheet of sample images."""

    def __init__(self, sheet: SampleSheet) -> None:
        self.sheet = sheet
        self.error: Exception | None = None
        self.reads = 0
        self._new = True

    def put(self, sheet: SampleSheet) -> None:
        self.sheet, self._new = sheet, True

    def changed(self) -> bool:
        return self._new

    def read(self) -> SampleSheet:
        self.reads += 1
        if self.error is not None:
            raise self.error
        self._new = False
        return self.sheet


class FakeComparing(Comparing):
    """Shows these snapshots; `reads` counts. Set `pending` to have something new to read."""

    def __init__(self, snapshots: list[RunSnapshot], settings: list[dict[str, str]]) -> None:
        self.snapshots, self.settings = snapshots, settings
        self.fraction, self.pending, self.reads = 1.0, True, 0
        self.group = ""
        self.problem: Exception | None = None

    def changed(self) -> bool:
        return self.pending

    def read(self, budget_s: float = 0.4) -> Comparison:
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
        return comparison(runs, self.settings, self.fraction, self.group)


class FakeBackend(Backend):
    """Records what was ordered; `refuse` makes every order fail with that sentence. Only recordings are read
    as they are: that is quick."""

    def __init__(
        self,
        snapshot: RunSnapshot | None = None,
        runs: Sequence[RunListing] = (),
        plan: Plan | None = None,
    ) -> None:
        super().__init__()
        self.reader = FakeReader(snapshot) if snapshot is not None else None
        self.runs = list(runs)
        self.made_plan = plan
        self.orders: list[tuple[object, ...]] = []
        self.refuse: str | None = None
        self.opened: list[Path] = []
        self.replayed: tuple[tuple[Path, float | None], ...] = ()
        #: checks that take seconds, and until when
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
        #: by the name of the run's folder
        self.labels: dict[str, Label] = {}
        self.removals: dict[str, Removal] = {}
        self.glances: dict[str, RunSnapshot] = {}
        self.compared = FakeComparing([], [])
        #: what other machines answer
        self.far: dict[str, HostRuns] = {}
        #: earlier runs to compare with
        self.earlier: Sequence[RunSnapshot] = ()
        self.sample_reader = FakeSampleReader(SampleSheet())
        #: what comes of the channels
        self.notice_results: Sequence[Result] = ()
        self.sheet: SummarySheet | None = None
        #: set: the summary comes only after it
        self.summary_may_come: threading.Event | None = None
        self.summary_refusal: str | None = None
        self.folders: tuple[str, ...] = ()
        self.export_answer = ExportAnswer(True, "Copied to /loras/x.safetensors: 72.1 MB.")
        self.exported: tuple[tuple[str, str, str], ...] = ()
        self.shown_folders: tuple[str, ...] = ()

    def _may(self) -> None:
        if self.refuse is not None:
            raise Refusal(self.refuse)

    def _order(self, *what: object, run_path: Path | None = None) -> Sent:
        self.orders.append(what)
        self._may()
        return Sent(f"{what[0]} given", run_path)

    # ----------------------------------------------------------------- reading runs

    def open_reader(self, run_path: Path) -> Reader:
        self.opened.append(run_path)
        assert self.reader is not None
        return self.reader

    def open_replay(self, run_path: Path, speed: float | None = None) -> ReplayReader:
        self.replayed = (*self.replayed, (run_path, speed))
        return super().open_replay(run_path, speed)

    def comparing(self, run_paths: Sequence[Path], group: str = "") -> Comparing:
        self._may()
        self.compared.group = group
        return self.compared

    def earlier_run(self, run_path: Path, number: int) -> RunSnapshot | None:
        self._may()
        return self.earlier[number] if number < len(self.earlier) else None

    def samples(self, run_path: Path) -> SampleReader:
        return self.sample_reader

    def list_runs(self, *, at_leisure: bool = False) -> Sequence[RunListing]:
        return list(self.runs)

    def run_path(self, key: str) -> Path:
        return Path("/state/runs") / own_id(key)

    def glance(self, run_path: Path) -> RunSnapshot:
        known = self.glances.get(run_path.name)
        return known or make_snapshot(id=run_path.name, path=str(run_path))

    # ----------------------------------------------------------------- other machines

    def hosts(self) -> tuple[Host, ...]:
        return tuple(map(Host, self.far))

    def remembered(self, host: str) -> HostRuns:
        return HostRuns(host)

    def ask_host(self, host: Host, before: HostRuns, cancelled: threading.Event) -> HostRuns:
        return self.far[host.name]

    # ----------------------------------------------------------------- runs of the list

    def label(self, run_path: Path) -> Label:
        return self.labels.get(run_path.name, Label())

    def relabel(self, run_path: Path, label: Label) -> Sent:
        self._order("relabel", run_path, label)
        self.labels[run_path.name] = label
        return Sent("label saved")

    def removal(self, run_path: Path) -> Removal:
        name = run_path.name
        goes, stays = (
            "The run folder with its 31 files, 12.4 MB.",
            "5 checkpoints in /project/output.",
        )
        plain = Removal(name, name, str(run_path), 12_400_000, 31, (goes,), (stays,))
        return self.removals.get(name, plain)

    def remove(self, run_path: Path, *, with_checkpoints: bool = False) -> Sent:
        self._order("remove", run_path, with_checkpoints)
        return Sent(f"removed {run_path.name}")

    # ----------------------------------------------------------------- the summary

    def summary(self, run_path: Path) -> SummarySheet:
        if self.summary_may_come is not None:
            self.summary_may_come.wait(10)
        if self.summary_refusal is not None:
            raise Refusal(self.summary_refusal)
        assert self.sheet is not None
        return self.sheet

    def export_folders(self, run_path: Path) -> tuple[str, ...]:
        return self.folders

    def export(self, source: str, folder: str, name: str) -> ExportAnswer:
        self.exported = (*self.exported, (source, folder, name))
        return self.export_answer

    def show_folder(self, path: str) -> str:
        self.shown_folders = (*self.shown_folders, path)
        return "Asked xdg-open to open it"

    # ----------------------------------------------------------------- orders

    def start_preview(self, config_path: Path) -> Preview:
        return self.start_shown

    def start(
        self,
        config_path: Path,
        smoke: bool = False,
        on_check: OnCheck | None = None,
        overwrite: Sequence[Existing] = (),
        queue: bool = False,
    ) -> Sent:
        what = ("smoke" if smoke else "queue" if queue else "start", config_path, *overwrite)
        return self._order(*what, run_path=Path("/state/runs/new"))

    def start_demo(self) -> Sent:
        sent = self._order("demo", run_path=Path("/state/runs/demo"))
        return replace(sent, config_path=Path("/p/plasma-demo/plasma.toml"))

    def approve(self, run_path: Path) -> Sent:
        return self._order("approve", run_path)

    def stop(self, run_path: Path, mode: str) -> Sent:
        return self._order("stop", run_path, mode)

    def resume_preview(self, run_path: Path) -> Preview:
        self._may()
        return self.preview

    retry_preview = resume_preview

    def resume(self, run_path: Path) -> Sent:
        return self._order("resume", run_path)

    def retry(self, run_path: Path) -> Sent:
        return self._order("retry", run_path)

    def move_in_queue(self, run_path: Path, where: str) -> Sent:
        return self._order(where, run_path)

    def release(self, run_path: Path) -> Sent:
        return self._order("release", run_path)

    def adopt(self, run_path: Path) -> Sent:
        return self._order("adopt", run_path)

    def free_gpu(self, run_path: Path | None = None) -> Sent:
        return self._order("free", run_path)

    def notice_target(self, run_path: Path | None, config_path: Path | None) -> NoticeTarget:
        self.orders.append(("notice", run_path, config_path))
        return NoticeTarget(trial_message("spyke"), channels=Channels(("tell",)))

    def test_channels(self, target: NoticeTarget) -> Sequence[Result]:
        return self.notice_results

    # ----------------------------------------------------------------- before a run

    def plan(self, config_path: Path) -> Plan:
        assert self.made_plan is not None
        return self.made_plan

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

    def set_flag(
        self, config_path: Path, sheet: FlagSheet, section: str, flag: Flag, typed: str | None
    ) -> FlagAnswer:
        self._order("flag", section, flag.name, typed)
        given = dict(sheet.given) | ({flag.name: typed} if typed is not None else {})
        if typed is None:
            del given[flag.name]
        made = replace(sheet, given=given, source=sheet.source + b"+")
        return FlagAnswer(made, sheet.source)

    def restore_flags(self, config_path: Path, sheet: FlagSheet, source: bytes) -> FlagAnswer:
        self._order("restore", source)
        return FlagAnswer(replace(self.sheets[True], source=source), sheet.source)

    # ----------------------------------------------------------------- without a plasma.toml

    def find(self, project: Path) -> Found:
        return self.found

    def suggest(self, project: Path) -> Answers:
        return Answers(name="lora")

    def new_project(self, project: Path, answers: Answers) -> Imported:
        self.orders.append(("new", answers))
        return Imported(f'name = "{answers.name}"\n')

    def import_file(self, project: Path, source: str) -> Imported:
        self._order("import", source)
        return Imported('name = "imported"\n', ("--mystery 3: no such flag",), (), source)

    def write_project(self, project: Path, made: Imported) -> Written:
        self.orders.append(("write", made.config_text))
        return Written(project / "plasma.toml")

    def missing(self, made: Imported) -> Sequence[str]:
        return ()


def fixed_clock() -> Callable[[], float]:
    return lambda: NOW
