"""Runs of the fake trainer: starting them, waiting for conditions, finding what is left."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from runner.control.launch import start_run
from runner.control.orders import Refused, stop
from runner.model import AttemptPlan, Forecast, JournalEvent, RunSnapshot, RunSpec, RunState
from runner.preflight.existing_files import Consent
from runner.store.journal import events_of
from runner.store.liveness import lock_held
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, new_run_id

FAKE = Path(__file__).parent.parent / "fake_trainer.py"
T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], seconds: float = 20.0, what: str = "") -> T:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.03)
    raise AssertionError(f"waited {seconds} s in vain for {what or condition}")


def fake_command(output: Path, *flags: str, name: str = "fake") -> tuple[str, ...]:
    return (
        sys.executable, "-u", str(FAKE), "--output_dir", str(output), "--output_name", name,
        "--seed", "42", *flags,
    )  # fmt: skip


def spec_for(
    output: Path,
    *flags: str,
    name: str = "fake",
    forecast: Forecast | None = None,
    grace_s: tuple[float, float] = (2.0, 1.0),
) -> tuple[RunSpec, AttemptPlan]:
    command = fake_command(output, *flags, name=name)
    spec = RunSpec(
        id=new_run_id(name),
        name=name,
        command=command,
        cwd=str(output.parent),
        env={"PYTHONUNBUFFERED": "1"},
        created_at=time.time(),
        host=os.uname().nodename,
        output_dir=str(output),
        output_name=name,
        stop_grace_s=grace_s,
        forecast=forecast,
    )
    plan = AttemptPlan(1, command, spec.env, spec.cwd, str(output), name)
    return spec, plan


def start(output: Path, *flags: str, name: str = "fake", **more: object) -> RunDir:
    spec, plan = spec_for(output, *flags, name=name, **more)  # type: ignore[arg-type]
    return start_run(spec, plan, consent=Consent(everything=True, reason="a test"))


def look(run: RunDir) -> RunSnapshot:
    return RunReader(run.path).read_all()


def events(run: RunDir) -> list[JournalEvent]:
    return events_of(run.events.read_bytes())[0]


def kinds(run: RunDir) -> list[str]:
    return [event.kind for event in events(run)]


def step_of(run: RunDir) -> int:
    return look(run).loss.last_step or 0


def wait_step(run: RunDir, step: int, seconds: float = 20.0) -> None:
    wait_for(lambda: step_of(run) >= step, seconds, f"step {step}")


def hurry(output: Path) -> None:
    """What the test wanted to see has been seen: the rest of the training needs no pauses."""
    output.with_name("hurry").touch()


def wait_end(run: RunDir, seconds: float = 30.0) -> RunSnapshot:
    """Until the run has been judged."""

    def ended() -> RunSnapshot | None:
        snapshot = look(run)
        over = snapshot.state is RunState.ENDED and snapshot.outcome is not None
        return snapshot if over else None

    return wait_for(ended, seconds, f"the end of {run.id}")


def processes_of(output: Path) -> list[psutil.Process]:
    """Every living process whose command line names the output folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(output) in words:
            found.append(process)
    return found


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def supervisors_of(path: Path) -> list[int]:
    """Living supervisors of a run: before they have their lock as well."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if "runner.supervisor.detach" in words and str(path) in words:
            found.append(process.pid)
    return found


def kill_supervisor(run: RunDir) -> None:
    for pid in supervisors_of(run.path):
        kill(pid)
    wait_for(lambda: not lock_held(run.lock))


def clean_up(run: RunDir, output: Path) -> None:
    """After a test, whatever happened: nothing stays behind."""
    with contextlib.suppress(Refused, OSError):
        stop(run.path, "now")
    for process in processes_of(output):
        with contextlib.suppress(psutil.Error):
            process.kill()
