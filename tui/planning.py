"""What the app does before a run: it reads plasma.toml, forecasts, checks, and notices changes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from textual import work
from textual.app import SuspendNotSupported

from runner.model import Approval, CheckResult
from tui.asking import told
from tui.backend.door import Backend
from tui.backend.results import Plan
from tui.looks import Looks
from tui.messages import (
    ApprovalRead,
    CheckFound,
    ChecksEnded,
    ConfigChanged,
    OrderAnswered,
    PlanMade,
)
from tui.watch import FileWatch
from tui.words.checklist import Checklist


@dataclass(eq=False)
class CheckRun:
    """One run of checks. `breakable`: Escape ends it (not the one that a start waits for)."""

    config_path: Path
    slow: bool
    breakable: bool = True
    cancelled: threading.Event = field(default_factory=threading.Event)


class Planning(Looks, inherit_bindings=False):
    """`plan` and `checklist` are those of `config_path`; None and empty without one."""

    def __init__(self, backend: Backend, config_path: Path | None) -> None:
        super().__init__()
        self.backend = backend
        self.config_path = config_path
        self.run_path: Path | None = None
        self.plan: Plan | None = None
        self.checklist = Checklist()
        self.approval: Approval | None = None
        self._checking: CheckRun | None = None
        self._watch: FileWatch | None = None

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        raise NotImplementedError

    def planning_changed(self) -> None:
        """Plan, checklist or approval is another one: show it."""
        raise NotImplementedError

    # ----------------------------------------------------------------- the file

    def watch_config(self) -> None:
        """Notice changes of the present configuration."""
        if self._watch is not None:
            self._watch.stop()
        if self.config_path is not None:
            self._watch = FileWatch(self.config_path, lambda: self.post_message(ConfigChanged()))
            self._watch.start()

    def end_start_checks(self) -> None:
        """A start was answered: what it did not look at is not known."""
        if self._checking is not None and not self._checking.breakable:
            self.break_off_checks()
            self.planning_changed()

    def stop_planning(self) -> None:
        """The app is leaving: nothing of ours may go on."""
        if self._watch is not None:
            self._watch.stop()
        self.break_off_checks()

    def on_config_changed(self, message: ConfigChanged) -> None:
        if self.run_path is None:
            self.say("plasma.toml has changed: it is read again.", "dim", 4.0)
        self.make_plan()

    def config_written(self) -> None:
        """This screen wrote plasma.toml: its change needs no notice."""
        if self._watch is not None:
            self._watch.seen()
        self.make_plan()

    def edit_config(self) -> None:
        """Give the terminal to an editor; afterwards the file is read again."""
        if self.config_path is None:
            return
        from tui.editor import NoEditor, pick_editor

        try:
            editor = pick_editor(os.environ)
            with self.suspend(), _interrupts_are_the_editors():
                code = subprocess.call([*editor.command, str(self.config_path)])
        except NoEditor as error:
            self.say(f"{error}.", "bad")
            return
        except SuspendNotSupported:
            self.say("This terminal cannot be given to an editor.", "bad")
            return
        except OSError as error:
            self.say(f"{editor.command[0]} cannot be started: {error.strerror}.", "bad")
            return
        if self._watch is not None:
            self._watch.seen()
        self.refresh(layout=True)
        if code:
            self.say(f"{editor.command[0]} ended with code {code}.", "warn", 6.0)
        elif editor.note:
            self.say(f"{editor.note[:1].upper()}{editor.note[1:]}.", "dim", 6.0)
        self.make_plan()

    # ----------------------------------------------------------------- the plan

    @work(thread=True, exclusive=True, group="plan", exit_on_error=False)
    def make_plan(self, fresh: bool = True, slow: bool = False) -> None:
        """Read the file and forecast, then look at what is quickly looked at, or (`slow`) at everything.
        `fresh`: it may be another file than the one checked."""
        if self.config_path is None:
            return
        try:
            plan = self.backend.plan(self.config_path)
            names = self.backend.check_names()
        except Exception as error:  # border: whatever goes wrong is a sentence, never a crash
            self.post_message(OrderAnswered(told(error), ok=False))
        else:
            self.post_message(PlanMade(plan, names, fresh, slow))

    def take_plan(self, message: PlanMade) -> None:
        """Show it, and look at what is quickly looked at."""
        self.plan = message.plan
        old = self.checklist
        same = old.known == message.names and not message.fresh
        self.checklist = old if same else Checklist(message.names)
        if message.plan.problems:
            self.break_off_checks()
            self.checklist = Checklist()
        elif self.run_path is None:
            self._check_again(message)
        self.planning_changed()

    def _check_again(self, message: PlanMade) -> None:
        """Checks that go on are not broken off, unless they look at a file that is no more."""
        run = self._checking
        if run is not None and (not message.fresh or not run.breakable) and not message.slow:
            return
        self.begin_checks(slow=message.slow or (run is not None and run.slow))

    # ----------------------------------------------------------------- the checks

    def begin_checks(self, *, slow: bool) -> None:
        """Look at everything (`slow`), or at what takes no seconds."""
        if self.config_path is None:
            return
        run = CheckRun(self.config_path, slow)
        self._begin(run)
        self._look(run)

    def checks_of_a_start(self) -> CheckRun | None:
        """A start looks at everything itself; its results are shown as they come. Until the first one
        (it may be refused before) what was found stays."""
        return None if self.config_path is None else CheckRun(self.config_path, True, False)

    def _begin(self, run: CheckRun) -> None:
        """From now on the results of this one are shown."""
        self.break_off_checks()
        names = {one.name for one in self.checklist.known if run.slow or not one.slow}
        self.checklist = self.checklist.begun(names, run.breakable)
        self._checking = run
        self.planning_changed()

    def break_off_checks(self) -> bool:
        """End the checks that run; False if there are none."""
        run, self._checking = self._checking, None
        if run is None:
            return False
        run.cancelled.set()
        self.checklist = self.checklist.ended()
        return True

    @property
    def checks_breakable(self) -> bool:
        """Do checks run that take long enough to be broken off?"""
        run = self._checking
        return run is not None and run.breakable and run.slow

    def take_result(self, result: CheckResult) -> None:
        """One check was looked at by itself."""
        self.checklist = self.checklist.found(result)
        self.planning_changed()

    @work(thread=True, group="checks", exit_on_error=False)
    def _look(self, run: CheckRun) -> None:
        problem = None
        try:
            for result in self.backend.checks(run.config_path, run.slow, run.cancelled):
                self.post_message(CheckFound(run, result))
        except Exception as error:  # border, as above
            problem = told(error)
        self.post_message(ChecksEnded(run, problem))

    def on_check_found(self, message: CheckFound) -> None:
        run = message.run
        if not run.breakable and not run.cancelled.is_set() and run is not self._checking:
            self._begin(run)
        if message.run is self._checking:
            self.checklist = self.checklist.found(message.result)
            self.planning_changed()

    def on_checks_ended(self, message: ChecksEnded) -> None:
        if message.run is not self._checking:
            return
        self._checking = None
        self.checklist = self.checklist.ended()
        if message.problem is not None:
            self.say(f"The checks were not run: {message.problem}", "bad")
        self.planning_changed()

    # ----------------------------------------------------------------- the approval

    @work(thread=True, exclusive=True, group="approval", exit_on_error=False)
    def read_approval(self, run_path: Path) -> None:
        """Has somebody said yes to this smoke test?"""
        with contextlib.suppress(OSError):
            self.post_message(ApprovalRead(run_path, self.backend.approval(run_path)))

    def on_approval_read(self, message: ApprovalRead) -> None:
        if message.run_path == self.run_path:
            self.approval = message.approval
            self.planning_changed()


@contextlib.contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    """ctrl+c in the editor's terminal reaches us as well; a handler, unlike ignoring, is not handed
    down to the editor."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
