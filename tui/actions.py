"""What the screen asks of the outside world, and what it gets back.

The app knows only these protocols; `tui/cli.py` hands in what does the work. Every method may block and
is called from a worker thread, never from the screen's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.model import Approval, CheckResult, Expectation, Forecast, RunListing, RunSnapshot
from runner.model.lean import dataclass
from tui.actions_compare import CompareActions
from tui.actions_notices import NoticeActions
from tui.actions_replay import ReplayActions
from tui.actions_runs import RunsActions
from tui.actions_samples import SamplesActions
from tui.actions_summary import SummaryActions
from tui.viewmodel.preflight import CheckName

if TYPE_CHECKING:  # a screen on a run needs none of these, and they take time to import
    import threading

    from runner.config.catalog import FlagReport
    from runner.config.flags import FlagValue
    from runner.control.gate import GateStatus
    from runner.model.preview import Existing, Preview
    from runner.preflight.cures.model import Cure
    from runner.trainers.sd_scripts.importers.find import Found
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from runner.trainers.sd_scripts.importers.write import Written

OnCheck = Callable[[CheckResult], None]


class ActionFailed(Exception):
    """An order that was refused or could not be given; one sentence with what to do."""


class Reader(Protocol):
    """Reads one run again and again (`runner.store.reader.RunReader`)."""

    def changed(self) -> bool:
        """A few stats: is there anything new to read?"""

    def read(self, budget_s: float) -> RunSnapshot:
        """What is known now, in about `budget_s`; `read_fraction` < 1 asks for another call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration would start. `problem`: why it cannot be read or started, one sentence;
    `problems`: all that is wrong with the file, a sentence with file and line each;
    `gate`: what must happen before the long run may start (a smoke test, an approval), None if nothing;
    `live_run`: a run that already writes what this one would, opened instead of a second start;
    `checks`: results that are known already; `smoke_lines`: the verdict of the last smoke test with
    these settings; `notes`: what was read with a grain of salt."""

    name: str
    forecast: Forecast | None = None
    checks: tuple[CheckResult, ...] = ()
    problem: str | None = None
    live_run: Path | None = None
    gate: str | None = None
    problems: tuple[str, ...] = ()
    gate_status: GateStatus | None = None
    smoke_lines: tuple[CheckResult, ...] = ()
    expect: Expectation | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagSheet:
    """The flags of a trainer's script. `given`: those of [train] in plasma.toml, `smoke`: of [smoke]."""

    script: str
    report: FlagReport
    given: dict[str, FlagValue] = field(default_factory=dict)
    smoke: dict[str, FlagValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that was given; what comes of it will show as an event. `run_path`: a run that it
    started and that should be opened."""

    text: str
    run_path: Path | None = None


class Actions(
    RunsActions,
    SummaryActions,
    SamplesActions,
    CompareActions,
    ReplayActions,
    NoticeActions,
    Protocol,
):
    """Everything the keys can do beyond the screen. All may raise ActionFailed."""

    def open_reader(self, run_path: Path) -> Reader: ...

    def list_runs(self) -> Sequence[RunListing]: ...

    def run_path(self, run_id: str) -> Path: ...

    def plan(self, config_path: Path) -> Plan:
        """Forecast and gate; the checks are asked for by themselves."""

    def start_preview(self, config_path: Path) -> Preview:
        """What `start` would do, and which existing files it would overwrite."""

    def start(
        self,
        config_path: Path,
        smoke: bool = False,
        on_check: OnCheck | None = None,
        overwrite: Sequence[Existing] = (),
    ) -> Sent:
        """`overwrite`: the existing files that a person agreed to overwrite."""

    def approve(self, run_path: Path) -> Sent:
        """A person's yes to a smoke test: the long run with the same settings may start."""

    def start_demo(self) -> Sent: ...

    def stop(self, run_path: Path, mode: str) -> Sent:
        """`mode`: default, after_save, now (as in runner.control.orders.stop), or cancel: take back a stop
        that waits for the next save."""

    def resume_preview(self, run_path: Path) -> Preview:
        """What `resume` would do; refuses with the reason where it cannot."""

    def resume(self, run_path: Path) -> Sent: ...

    def retry_preview(self, run_path: Path) -> Preview:
        """What `retry` would do: the cure of the run's cause applied; refuses where none is known."""

    def retry(self, run_path: Path) -> Sent:
        """Go on, or begin again, with the cure of the run's cause."""

    def adopt(self, run_path: Path) -> Sent: ...

    def free_gpu(self, run_path: Path | None) -> Sent:
        """Ask the ComfyUI of this machine to unload its models; nothing is ended. `run_path`: the run that
        its memory is wanted for, None before one."""

    # ----------------------------------------------------------------- before a run

    def check_names(self) -> tuple[CheckName, ...]:
        """All checks, in the order of the panel."""

    def checks(
        self, config_path: Path, slow: bool, cancelled: threading.Event
    ) -> Iterator[CheckResult]:
        """Each result as soon as it is known; `slow`: with those that take seconds."""

    def cure(self, config_path: Path, name: str, cancelled: threading.Event) -> Cure | None:
        """What can be done about what the check of that name finds now; nothing is changed."""

    def look_again(self, config_path: Path, check: str) -> CheckResult | None:
        """The one check by itself."""

    def approval(self, run_path: Path) -> Approval | None:
        """The approval that lies with a smoke test."""

    def flags(self, config_path: Path, thorough: bool) -> FlagSheet:
        """The script's flags. Not `thorough`: only if they are remembered, at once."""

    # ----------------------------------------------------------------- without a plasma.toml

    def find(self, project: Path) -> Found: ...

    def suggest(self, project: Path) -> Answers: ...

    def new_project(self, project: Path, answers: Answers) -> Imported:
        """The text of a plasma.toml from these answers; nothing is written."""

    def import_file(self, project: Path, source: str) -> Imported:
        """The same from a script or configuration."""

    def write_project(self, project: Path, made: Imported) -> Written: ...

    def missing(self, made: Imported) -> Sequence[str]:
        """What a text still lacks."""
