"""The real `Actions`: the keys of the screen, done by the runner. Every method may block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.analysis.smoke import smoke_verdict
from runner.config.errors import ConfigError
from runner.config.model import Config
from runner.control import begin, launch
from runner.control import orders as control
from runner.control.gate import GateStatus, approval_of, approve, gate_status
from runner.model import Approval, CheckResult, RunListing
from runner.model.preview import Existing, Preview
from runner.preflight.existing_files import Consent
from runner.store.reader import RunReader
from runner.store.registry import RunNotFound, list_runs, resolve
from runner.store.rundir import RunDir
from tui.actions import ActionFailed, FlagSheet, OnCheck, Plan, Reader, Sent
from tui.viewmodel.preflight import CheckName
from tui.wiring_compare import CompareWiring
from tui.wiring_notices import NoticesWiring
from tui.wiring_replay import ReplayWiring
from tui.wiring_runs import RunsWiring
from tui.wiring_samples import SamplesWiring
from tui.wiring_summary import SummaryWiring

if TYPE_CHECKING:
    import threading

    from runner.preflight.cures.model import Cure
    from runner.trainers.sd_scripts.importers.find import Context, Found
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from runner.trainers.sd_scripts.importers.write import Written


class RunnerActions(
    RunsWiring, SummaryWiring, SamplesWiring, CompareWiring, ReplayWiring, NoticesWiring
):
    """What the app is given by the command."""

    def __init__(self, demo_folder: Path | None = None) -> None:
        self._demo_folder = demo_folder
        self._found: Context | None = None

    def open_reader(self, run_path: Path) -> Reader:
        return RunReader(run_path)

    def list_runs(self) -> Sequence[RunListing]:
        return list_runs()

    def run_path(self, run_id: str) -> Path:
        try:
            return resolve(run_id)
        except RunNotFound as error:
            raise ActionFailed(str(error)) from None

    def plan(self, config_path: Path) -> Plan:
        """Forecast, gate and the last smoke test; every problem of a file that cannot be read."""
        try:
            config = begin.load(config_path)
        except ConfigError as error:
            short = (replace(one, file=Path(one.file).name) for one in error.problems)
            problems = tuple(map(str, short))
            return Plan(config_path.name, problem=problems[0], problems=problems)
        gate = gate_status(config)
        return Plan(
            config.name,
            begin.forecast_of(config),
            gate=None if gate.open else gate.text,
            gate_status=gate,
            smoke_lines=_smoke_lines(gate),
            expect=config.expect,
            notes=config.notes,
        )

    def start_preview(self, config_path: Path) -> Preview:
        return begin.preview(_load(config_path))

    def start(
        self,
        config_path: Path,
        smoke: bool = False,
        on_check: OnCheck | None = None,
        overwrite: Sequence[Existing] = (),
    ) -> Sent:
        config = _load(config_path)
        consent = Consent(frozenset(overwrite), reason="confirmed on the screen")
        try:
            run = begin.start(config, smoke=smoke, on_check=on_check, consent=consent)
        except begin.ChecksFailed as error:
            first = error.failed[0]
            text = f"{first.title or first.name}: {first.detail or first.evidence}"
            more = f" (and {len(error.failed) - 1} more)" if len(error.failed) > 1 else ""
            raise ActionFailed(f"not started, a check failed: {text}{more}") from None
        except launch.WouldOverwrite as error:
            raise ActionFailed(f"not started: {error}; press s again to decide") from None
        except control.Refused as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"started {run.id}", run.path)

    def start_demo(self) -> Sent:
        from tui.exits import Fail
        from tui.verbs.demo import start_demo

        try:
            run = start_demo(self._demo_folder)
        except Fail as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"started {run.id}", run.path)

    def approve(self, run_path: Path) -> Sent:
        try:
            given = approve(run_path)
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"approved by {given.by}")

    def stop(self, run_path: Path, mode: str) -> Sent:
        try:
            sent = (
                control.cancel_stop(run_path) if mode == "cancel" else control.stop(run_path, mode)
            )
            answer = control.await_answer(run_path, sent)
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        if answer is None:
            return Sent("the order is given; the supervisor has not responded yet")
        if not answer.accepted:
            raise ActionFailed(answer.text)
        return Sent(answer.text)

    def resume_preview(self, run_path: Path) -> Preview:
        from runner.control.resume import (
            plan_resume,  # a tenth of a second that no first frame needs
        )

        try:
            return plan_resume(RunReader(run_path, console=False).read_all()).preview
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None

    def retry_preview(self, run_path: Path) -> Preview:
        from runner.control.retry import plan_retry

        try:
            return plan_retry(RunReader(run_path, console=False).read_all()).preview
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None

    def retry(self, run_path: Path) -> Sent:
        from runner.control.retry import carry_out, plan_retry

        try:
            started = carry_out(
                plan_retry(RunReader(run_path, console=False).read_all()),
                agreed="confirmed on the screen",
            )
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"tried again as {started.id}", started.path)

    def resume(self, run_path: Path) -> Sent:
        from runner.control.resume import plan_resume

        try:
            found = plan_resume(RunReader(run_path, console=False).read_all())
            launch.start_attempt(RunDir(run_path), found.approved(None))
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"resumed from step {found.from_step}", run_path)

    def free_gpu(self, run_path: Path | None = None) -> Sent:
        """Ask each ComfyUI that runs here; the sentence says what came of it."""
        from runner.hardware.comfy import free, port_users
        from runner.hardware.processes import running
        from runner.hardware.programs import COMFY, COMFY_PORT
        from runner.hardware.users import Listing, known_users

        listing = Listing.of(running())
        found = known_users(listing, frozenset())
        found += port_users(listing, found)
        ports = {user.port or COMFY_PORT for user in found if user.title == COMFY}
        if not ports:
            raise ActionFailed("no ComfyUI runs here")
        told = [free(port) for port in sorted(ports)]
        if not any(one.done for one in told):
            raise ActionFailed(told[0].text)
        return Sent(" ".join(one.text for one in told).rstrip("."))

    def adopt(self, run_path: Path) -> Sent:
        try:
            alive = control.adopt(run_path)
        except OSError as error:
            raise ActionFailed(f"no supervisor could be started: {error}") from None
        return Sent("supervised" if alive else "nothing to supervise")

    # ----------------------------------------------------------------- before a run

    def check_names(self) -> tuple[CheckName, ...]:
        from runner.preflight.registry import CHECKS

        return tuple(CheckName(check.name, check.title, check.slow) for check in CHECKS)

    def checks(
        self, config_path: Path, slow: bool, cancelled: threading.Event
    ) -> Iterator[CheckResult]:
        return begin.checks(_load(config_path), slow=slow, cancel=cancelled)

    def cure(self, config_path: Path, name: str, cancelled: threading.Event) -> Cure | None:
        from runner.preflight.registry import cure_for

        try:
            return cure_for(name, _load(config_path), cancelled=cancelled)
        except KeyError:
            raise ActionFailed(f"no check is named {name}") from None

    def look_again(self, config_path: Path, check: str) -> CheckResult | None:
        from runner.preflight.registry import CHECKS, run_checks

        wanted = [one for one in CHECKS if one.name == check]
        return next(run_checks(_load(config_path), checks=wanted), None)

    def approval(self, run_path: Path) -> Approval | None:
        return approval_of(run_path)

    def flags(self, config_path: Path, thorough: bool) -> FlagSheet:
        from tui.flagsheet import flag_sheet

        return flag_sheet(config_path, thorough)

    # ----------------------------------------------------------------- without a plasma.toml

    def find(self, project: Path) -> Found:
        return self._context(project).found

    def suggest(self, project: Path) -> Answers:
        from runner.trainers.sd_scripts.importers.fresh import suggested

        return suggested(self._context(project).found, project)

    def new_project(self, project: Path, answers: Answers) -> Imported:
        from runner.trainers.sd_scripts.importers.fresh import new_project

        return new_project(answers, context=self._context(project))

    def import_file(self, project: Path, source: str) -> Imported:
        from runner.trainers.sd_scripts.importers.files import import_file
        from runner.trainers.sd_scripts.importers.model import ImportRefused

        try:
            return import_file(Path(source).expanduser(), context=self._context(project))
        except ImportRefused as error:
            raise ActionFailed(str(error)) from None

    def write_project(self, project: Path, made: Imported) -> Written:
        from runner.trainers.sd_scripts.importers.write import AlreadyThere, write_project

        try:
            return write_project(project, made.config_text, files=made.files)
        except AlreadyThere:
            raise ActionFailed(
                f"{project / 'plasma.toml'} is there by now; leave and open it with `plasma-tui`"
            ) from None
        except OSError as error:
            raise ActionFailed(f"{project} cannot be written to: {error.strerror}") from None

    def missing(self, made: Imported) -> Sequence[str]:
        from runner.trainers.sd_scripts.importers.fresh import missing_of

        return missing_of(made.config_text)

    def _context(self, project: Path) -> Context:
        """What is on this machine is looked for once."""
        from runner.trainers.sd_scripts.importers.find import Context

        if self._found is None or self._found.project != project:
            self._found = Context.here(project)
        return self._found


def _load(config_path: Path) -> Config:
    """Raises ActionFailed with the first problem of the file."""
    try:
        return begin.load(config_path)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        raise ActionFailed(f"{error.problems[0]}{more}") from None


def _smoke_lines(gate: GateStatus) -> tuple[CheckResult, ...]:
    """As approved; else read from the run."""
    if gate.approval is not None and gate.approval.verdict:
        return gate.approval.verdict
    if gate.smoke_run is None:
        return ()
    try:
        return smoke_verdict(RunReader(resolve(gate.smoke_run), console=False).read_all())
    except (RunNotFound, OSError):
        return ()
