"""What the app does before a run: reads plasma.toml, forecasts, runs the checks, and notices changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from runner.model import Approval, CheckResult, RunSnapshot
from tui.asking import ask
from tui.words.checklist import Checklist

if TYPE_CHECKING:
    from tui.app import PlasmaApp
    from tui.backend.results import Plan
    from tui.watch import FileWatch
    from tui.words.checklist import CheckName


class CheckRun:
    """One run of checks. `breakable`: Escape cancels it (not the one that a start waits for)."""

    def __init__(self, slow: bool, breakable: bool = True) -> None:
        self.slow, self.breakable = slow, breakable
        self.cancelled = threading.Event()


class Planner:
    """`plan` and `checklist` are those of the app's `config_path`, None and empty without one; `approval` is
    that of the open smoke test."""

    def __init__(self, app: PlasmaApp) -> None:
        self._app = app
        self.plan: Plan | None = None
        self.checklist = Checklist()
        self.approval: Approval | None = None
        self._checking: CheckRun | None = None
        self._watch: FileWatch | None = None

    # ----------------------------------------------------------------- the file

    def watch(self) -> None:
        """Notice changes of the present configuration."""
        from tui.watch import FileWatch

        if self._watch is not None:
            self._watch.stop()
        app = self._app
        if app.config_path is not None:
            self._watch = FileWatch(app.config_path, lambda: app.call_later(self._changed))
            self._watch.start()

    def _changed(self) -> None:
        if self._app.run_path is None:
            self._app.say("plasma.toml has changed; reading it again.", "dim", 4.0)
        self.read()

    def config_written(self) -> None:
        """This screen wrote plasma.toml: its change needs no notice."""
        if self._watch is not None:
            self._watch.seen()
        self.read()

    def stop(self) -> None:
        """The app is closing: nothing of ours may continue."""
        if self._watch is not None:
            self._watch.stop()
        self.cancel_checks()

    def edit(self) -> None:
        """Hand the terminal to an editor, then read the file again."""
        from tui.editor import edit

        if self._app.config_path is not None and edit(self._app, self._app.config_path):
            self.config_written()

    # ----------------------------------------------------------------- the plan

    def read(self, fresh: bool = True, slow: bool = False) -> None:
        """Read the file and forecast, then run the quick checks, or (`slow`) all. `fresh`: the file may differ
        from the one checked."""
        path, backend = self._app.config_path, self._app.backend
        if path is None:
            return

        def work() -> tuple[Plan, tuple[CheckName, ...]]:
            return backend.plan(path), backend.check_names()

        ask(self._app, work, partial(self._read, fresh, slow), self._failed, alone="plan")

    def _failed(self, problem: str) -> None:
        self._app.say(problem, "bad")

    def _read(self, fresh: bool, slow: bool, found: tuple[Plan, tuple[CheckName, ...]]) -> None:
        plan, names = found
        if plan.live_run is not None and self._app.run_path is None:
            self._app.navigator.show_run(plan.live_run)
            return
        self.plan = plan
        if fresh or self.checklist.known != names:
            self.checklist = Checklist(names)
        if plan.problems:
            self.cancel_checks()
            self.checklist = Checklist()
        elif self._app.run_path is None:
            run = self._checking
            # running checks continue, unless they check a file that has changed
            if run is None or (fresh and run.breakable) or slow:
                self.check(slow=slow or (run is not None and run.slow))
        self._app.refresh_monitor()

    # ----------------------------------------------------------------- the checks

    def check(self, *, slow: bool) -> None:
        """Run all checks (`slow`), or those that take no seconds."""
        path, backend = self._app.config_path, self._app.backend
        if path is None:
            return
        run = CheckRun(slow)
        self._begin(run)

        def work() -> None:
            for result in backend.checks(path, slow, run.cancelled):
                self._app.call_later(self._found, run, result)

        ask(
            self._app,
            work,
            lambda _: self._ended(run),
            lambda problem: self._ended(run, f"The checks did not run: {problem}"),
        )

    def start_checks(self) -> Callable[[CheckResult], None] | None:
        """Shows what a start finds; may be called from its thread. A start runs all checks itself; until its
        first result (it may be refused before) the results so far stay. None while a run is open."""
        app = self._app
        if app.config_path is None or app.run_path is not None:
            return None
        run = CheckRun(True, False)

        def found(result: CheckResult) -> None:
            app.call_later(self._found, run, result)

        return found

    def end_start_checks(self) -> None:
        """A start was answered: what it did not check is unknown."""
        if self._checking is not None and not self._checking.breakable:
            self.cancel_checks()
            self._app.refresh_monitor()

    def _begin(self, run: CheckRun) -> None:
        """From now on the results of this one are shown."""
        self.cancel_checks()
        names = {one.name for one in self.checklist.known if run.slow or not one.slow}
        self.checklist = self.checklist.begun(names, run.breakable)
        self._checking = run
        self._app.refresh_monitor()

    def cancel_checks(self) -> bool:
        """False if none run."""
        run, self._checking = self._checking, None
        if run is None:
            return False
        run.cancelled.set()
        self.checklist = self.checklist.ended()
        return True

    @property
    def checks_breakable(self) -> bool:
        """Do checks run that take long enough to be cancelled?"""
        run = self._checking
        return run is not None and run.breakable and run.slow

    def take_result(self, result: CheckResult) -> None:
        """One check ran by itself."""
        self.checklist = self.checklist.found(result)
        self._app.refresh_monitor()

    def _found(self, run: CheckRun, result: CheckResult) -> None:
        if not run.breakable and not run.cancelled.is_set() and run is not self._checking:
            self._begin(run)
        if run is self._checking:
            self.take_result(result)

    def _ended(self, run: CheckRun, problem: str = "") -> None:
        if run is not self._checking:
            return
        self._checking = None
        self.checklist = self.checklist.ended()
        if problem:
            self._failed(problem)
        self._app.refresh_monitor()

    # ----------------------------------------------------------------- the approval

    def run_ended(self, snapshot: RunSnapshot) -> None:
        """A smoke test may be approved already; its end may open the gate of the configuration."""
        if snapshot.spec is not None and snapshot.spec.smoke:
            self.read_approval()
            self.read(fresh=False)

    def read_approval(self) -> None:
        """Has the open smoke test been approved?"""
        path, backend = self._app.run_path, self._app.backend

        def found(approval: Approval | None) -> None:
            if path == self._app.run_path:
                self.approval = approval
                self._app.refresh_monitor()

        if path is not None:
            ask(self._app, partial(backend.approval, path), found, lambda _: None, alone="approval")
