"""The real `Actions`: the keys of the screen, done by the runner. Every method may block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner import begin, control, launch
from runner.config.errors import ConfigError
from runner.gate import GateStatus, approve, gate_status
from runner.model import RunListing
from runner.preflight.registry import in_order
from runner.reader import RunReader
from runner.registry import RunNotFound, list_runs, resolve
from runner.resume import plan_resume
from runner.rundir import RunDir
from tui.actions import ActionFailed, Plan, Reader, Sent


class RunnerActions:
    """What the app is given by the command."""

    def __init__(self, demo_folder: Path | None = None) -> None:
        self._demo_folder = demo_folder

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
        """Forecast and the quick checks; the slow ones run when a start is asked for."""
        try:
            config = begin.load(config_path)
        except ConfigError as error:
            return Plan(config_path.name, problem=str(error))
        results = in_order(begin.checks(config, slow=False))
        gate = gate_status(config)
        closed = None if gate.open else gate.text
        return Plan(config.name, begin.forecast_of(config), results, gate=closed)

    def start(self, config_path: Path, smoke: bool = False) -> Sent:
        try:
            run = begin.start(begin.load(config_path), smoke=smoke)
        except ConfigError as error:
            raise ActionFailed(str(error)) from None
        except begin.ChecksFailed as error:
            first = error.failed[0]
            text = f"{first.title or first.name}: {first.detail or first.evidence}"
            more = f" (and {len(error.failed) - 1} more)" if len(error.failed) > 1 else ""
            raise ActionFailed(f"not started, a check failed: {text}{more}") from None
        except (begin.GateClosed, launch.StartRefused) as error:
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

    def gate(self, config_path: Path) -> GateStatus:
        try:
            return gate_status(begin.load(config_path))
        except ConfigError as error:
            raise ActionFailed(str(error)) from None

    def approve(self, run_path: Path) -> Sent:
        try:
            given = approve(run_path)
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"approved by {given.by}")

    def stop(self, run_path: Path, mode: str) -> Sent:
        try:
            if mode == "cancel":
                control.cancel_stop(run_path)
                return Sent("taking back asked for")
            control.stop(run_path, mode)
        except (control.Refused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent("stop ordered")

    def resume(self, run_path: Path) -> Sent:
        try:
            found = plan_resume(RunReader(run_path, console=False).read_all())
            launch.start_attempt(RunDir(run_path), found.plan)
        except (control.Refused, launch.StartRefused, OSError) as error:
            raise ActionFailed(str(error)) from None
        return Sent(f"resumed from step {found.from_step}", run_path)

    def adopt(self, run_path: Path) -> Sent:
        try:
            alive = control.adopt(run_path)
        except OSError as error:
            raise ActionFailed(f"no supervisor could be started: {error}") from None
        return Sent("supervised" if alive else "nothing to supervise")
