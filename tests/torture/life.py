"""One training and everything that belongs to it: its processes by role, its phases by its console."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from runner.control import launch, orders
from runner.control.orders import Refused
from runner.control.resume import plan_resume
from runner.model import Outcome, RunSnapshot, RunState
from runner.preflight.existing_files import Consent
from runner.store.journal import Unreadable
from runner.store.liveness import lock_held
from runner.store.norms import read_status
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, runs_root
from scripts.bench.terminal import Terminal, terminal_environment
from tests.torture.project import Trainer, prepared, write_project

#: what a phase begins with in the console of its attempt, and within how many seconds after it a fault comes
PHASES: dict[str, tuple[bytes | None, float]] = {
    "starting": (None, 1.2),
    "caching": (b"INFO", 0.8),
    "training": (b"epoch ", 1.5),
    "saving a checkpoint": (b"saving checkpoint", 0.05),
    "saving a state": (b"aving state at", 0.05),
    "verifying": (b"saving checkpoint", 0.6),
    "ending": (b"saving last state", 0.3),
    "ended": (b"model saved.", 1.2),
}
#: phases of which there are several in an attempt
REPEATED = ("training", "saving a checkpoint", "saving a state", "verifying")
SCREEN = ("-m", "tui.cli", "attach")
#: generous: a machine that does other work at the same time is slow
ATTEMPT_S = 400.0
POLL_S = 0.004
#: looking at every process of the machine costs milliseconds
LOOK_S = 0.7


#: what is wrong with an attempt that has its verdict
Check = Callable[["Life", RunSnapshot], Iterable[str]]


class Overdue(Exception):
    """Something that must happen did not; one sentence."""


def copy_folder(folder: Path, target: Path) -> None:
    """Without pipes and devices: a fault puts them into the inbox."""

    def special(at: str, names: list[str]) -> set[str]:
        paths = {name: Path(at, name) for name in names}
        return {n for n, p in paths.items() if not (p.is_symlink() or p.is_file() or p.is_dir())}

    shutil.copytree(folder, target, symlinks=True, ignore=special)


@dataclass
class Life:
    """`folder` holds the project and PLASMA_HOME, and belongs to this life alone. `notes`: what was done when,
    for a person who looks for the reason of a loss."""

    seed: int
    folder: Path
    trainer: Trainer
    launcher: str = "python"
    workers: int = 0
    run: RunDir = field(default_factory=lambda: RunDir(Path("not started")))
    attempt: int = 1
    notes: list[str] = field(default_factory=list)
    screens: list[Terminal] = field(default_factory=list)
    #: what must be undone when the life is over, whatever happened
    undo: list[Callable[[], None]] = field(default_factory=list)
    #: seconds from the death of a supervisor's successor's start to its first heartbeat
    readopted_s: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    #: files of the run folder whose content a fault destroyed
    destroyed: set[str] = field(default_factory=set)
    #: steps whose only record a fault destroyed may be missing
    gaps_allowed: bool = False
    #: a full disk may cut a line of a journal, which is then written again
    torn_lines_allowed: bool = False
    #: outcomes that this attempt may have, and what else must hold once it has its verdict
    allowed: set[str] = field(default_factory=lambda: {"succeeded"})
    checks: list[Check] = field(default_factory=list)
    #: what was wrong before the end of the life, a sentence each
    wrong: list[str] = field(default_factory=list)
    #: a fault deleted checkpoints
    output_deleted: bool = False
    #: a fault deleted the run folder: the training ends, and nothing of it may come back
    gone: bool = False
    #: its console, still open
    gone_console: BinaryIO | None = None
    #: and another fault may have ended the trainer of its newest attempt
    harmed: bool = False
    began_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._read = (-1, b"")
        self._settled = 0

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def output(self) -> Path:
        return self.project / "out"

    def note(self, text: str) -> None:
        self.notes.append(f"{time.monotonic() - self.began_at:6.2f} {text}")

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """The first attempt."""
        os.environ["PLASMA_HOME"] = str(self.folder / "home")
        shutil.rmtree(
            self.project / "img", ignore_errors=True
        )  # of a life that was ended with its harness
        self.project.mkdir(parents=True, exist_ok=True)  # a fault may have prepared its disk
        config = write_project(
            self.project, self.trainer, launcher=self.launcher, workers=self.workers
        )
        plan = prepared(config)
        self.run = RunDir(runs_root() / plan.spec.id)
        self.note(f"start {self.run.id} {self.launcher} workers {self.workers}")
        launch.start_run(plan.spec, plan.plan, consent=Consent(everything=True, reason="torture"))

    def resume(self) -> bool:
        """The next attempt. False: the program refuses, for a reason that is noted."""
        try:
            planned = plan_resume(self.look())
            launch.start_attempt(self.run, planned.plan)
        except Refused as error:
            self.note(f"resume refused: {error}")
            return False
        self.attempt = planned.plan.attempt
        self.note(f"resumed from step {planned.from_step}, attempt {self.attempt}")
        return True

    def look(self) -> RunSnapshot:
        return RunReader(self.run.path).read_all()

    def over(self) -> bool:
        """Has the newest attempt its verdict?"""
        with contextlib.suppress(Unreadable):
            status = read_status(self.run)
            return status.attempt >= self.attempt and status.outcome is not None
        return False

    def adopt(self) -> None:
        """What each screen and command does that meets a run without a supervisor."""
        if not orders.needs_adoption(self.run.path):
            return
        began, before = time.time(), time.monotonic()
        if not orders.adopt(self.run.path, wait_s=20.0):
            self.note("adoption failed")
            return
        pid = None
        while time.monotonic() - before < 20.0 and lock_held(self.run.lock):
            with contextlib.suppress(Unreadable):
                status = read_status(self.run)
                if status.heartbeat_at >= began:
                    pid = status.supervisor_pid
                    break
            time.sleep(0.01)
        if pid is not None or self.over():
            self.readopted_s.append(time.monotonic() - before)

    def wait_end(self) -> RunSnapshot:
        """Until the attempt has its verdict; a dead supervisor gets a successor, as from any screen."""
        deadline = time.monotonic() + ATTEMPT_S
        due = 0.0
        while not (self.over() and not lock_held(self.run.lock)):
            if time.monotonic() > deadline:
                raise Overdue(f"attempt {self.attempt} has no verdict after {ATTEMPT_S:.0f} s")
            if not self.run.path.exists():
                raise Overdue("the run folder is gone")
            self.adopt()
            if time.monotonic() > due:
                self.measure()
                due = time.monotonic() + LOOK_S
            time.sleep(0.05)
        return self.look()

    def settle(self) -> RunSnapshot:
        """The attempt's verdict, compared with what its faults allow. Nothing but success is allowed to the
        next one."""
        last = self.wait_end()
        if (
            self._settled == self.attempt
        ):  # a fault has seen this end itself, and nothing could be resumed
            return last
        self._settled = self.attempt
        outcome = str(last.outcome)
        cause = last.status.cause.key if last.status and last.status.cause else ""
        self.note(f"attempt {self.attempt}: {outcome} {cause}")
        if outcome not in self.allowed:
            self.wrong.append(
                f"attempt {self.attempt} ended {outcome} ({cause}), allowed: {sorted(self.allowed)}"
            )
        for check in self.checks:
            self.wrong += check(self, last)
        # a checkpoint that a fault deleted stays missing, whatever later attempts do
        self.allowed = {"succeeded", "failed"} if self.output_deleted else {"succeeded"}
        self.checks = []
        return last

    def wait_gone(self) -> None:
        """Until no process but screens is left of a life whose run folder was deleted."""
        deadline = time.monotonic() + ATTEMPT_S
        while set(self.processes()) - {"screen"}:
            if time.monotonic() > deadline:
                raise Overdue(f"{sorted(self.processes())} outlive their run folder")
            time.sleep(LOOK_S)

    # ------------------------------------------------------------------ phases

    def console(self) -> bytes:
        """Of the newest attempt."""
        try:
            size = self.run.console.stat().st_size
            if size != self._read[0]:
                self._read = size, self.run.console.read_bytes()
        except OSError:
            return b""
        whole = self._read[1]
        at = whole.rfind(b"--- plasma-tui attempt %d " % self.attempt)
        return whole[at:] if at >= 0 else b""

    def reach(self, phase: str) -> str:
        """Wait for a random moment of the phase; returns the phase in which the run is then: a later
        one if this one was over."""
        begin, within_s = PHASES[phase]
        number = self.random.randint(1, 4) if phase in REPEATED else 1
        delay_s = self.random.uniform(0.0, within_s)
        deadline = time.monotonic() + ATTEMPT_S
        due = time.monotonic() + LOOK_S
        met = False
        while begin is not None and self.console().count(begin) < number:
            met = True
            if time.monotonic() > due:  # a supervisor that is dead cannot say that the run is over
                if self.over() or time.monotonic() > deadline:
                    return "ended"
                self.adopt()
                due = time.monotonic() + LOOK_S
            time.sleep(POLL_S)
        time.sleep(delay_s)
        if self.over():
            return "ended"
        return phase if met else self._coarse_phase()

    def _coarse_phase(self) -> str:
        """By the last sign in the console."""
        console = self.console()
        for phase in ("ended", "ending", "training"):
            if (PHASES[phase][0] or b"") in console:
                return "ending" if phase == "ended" else phase
        return "caching" if b"INFO" in console else "starting"

    # ------------------------------------------------------------------ processes

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The living processes of this life by role; the trainer's children are workers."""
        found: dict[str, list[psutil.Process]] = {}
        mark = str(self.folder)
        for process in psutil.process_iter(["cmdline", "status", "ppid"]):
            words = process.info["cmdline"] or []
            if process.info["status"] == psutil.STATUS_ZOMBIE or not any(mark in w for w in words):
                continue
            found.setdefault(self._role(process, words), []).append(process)
        return found

    def _role(self, process: psutil.Process, words: list[str]) -> str:
        text = " ".join(words)
        if "keeper.py" in text:
            return "keeper"
        if "tui.cli" in text:
            return "screen"
        if "supervisor" in text or "runner.checkpoints" in text or "spawn" in text:
            return "supervisor" if "supervisor.detach" in text else "helper"
        if "accelerate" in text and "launch" in text:
            return "launcher"
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            if parent is not None and words == parent.cmdline():
                return "worker"
        return "trainer"

    def left(self, patience_s: float = 10.0) -> dict[str, list[int]]:
        """What still lives, but the attached screens, by role. A supervisor that finds nothing to do needs a
        moment to find that out."""
        deadline = time.monotonic() + patience_s
        while True:
            found = self.processes()
            found.pop("screen", None)
            if not found or time.monotonic() > deadline:
                return {role: [one.pid for one in some] for role, some in found.items()}
            time.sleep(0.2)

    def signal(self, role: str, number: signal.Signals) -> list[int]:
        """Send it to every process with this role; returns the pids that got it."""
        hit = []
        for process in self.processes().get(role, ()):
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                os.kill(process.pid, number)
                hit.append(process.pid)
        return hit

    def measure(self) -> None:
        """The supervisor's memory, MB."""
        for process in self.processes().get("supervisor", ()):
            with contextlib.suppress(psutil.Error):
                self.resident_mb = max(self.resident_mb, process.memory_info().rss / 1e6)

    def open_screen(self) -> Terminal:
        command = (sys.executable, *SCREEN, str(self.run.path))
        screen = Terminal(command, environment=terminal_environment(), folder=self.folder)
        self.screens.append(screen)
        return screen

    # ------------------------------------------------------------------ the end

    def clean_up(self) -> None:
        """Nothing of this life stays behind."""
        for screen in self.screens:
            with contextlib.suppress(OSError):
                screen.close()
        for action in reversed(self.undo):
            with contextlib.suppress(OSError, psutil.Error):
                action()
        for processes in self.processes().values():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def succeeded(snapshot: RunSnapshot) -> bool:
    return snapshot.state is RunState.ENDED and snapshot.outcome is Outcome.SUCCEEDED
