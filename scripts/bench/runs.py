"""Runs to measure on: live ones with the pacer as their trainer, and folders of ended ones."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from runner.control.launch import start_run
from runner.control.orders import Refused, stop
from runner.model import AttemptPlan, AttemptStatus, Outcome, Phase, RunSpec, RunState, Status
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from scripts.bench.limits import waiting
from scripts.bench.terminal import DEFAULT_SIZE, Size, Terminal

PACER = Path(__file__).with_name("pacer.py")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that is being trained by the pacer. `stamps`: step and time.monotonic() a line."""

    run: RunDir
    output: Path
    stamps: Path

    def printed(self) -> dict[int, float]:
        """When each step was printed, by time.monotonic()."""
        lines = self.stamps.read_text().splitlines() if self.stamps.exists() else []
        pairs = (line.split() for line in lines)
        return {int(pair[0]): float(pair[1]) for pair in pairs if len(pair) == 2}

    def supervisor_pid(self) -> int:
        return supervisor_pid(self.run)

    def wait_step(self, step: int, seconds: float = 60.0) -> None:
        """Until the trainer has printed `step`."""
        wait_for(lambda: max(self.printed(), default=0) >= step, seconds, f"step {step}")


def wait_for(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true value of `condition`. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    with waiting(what):
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.02)
    raise TimeoutError(f"waited {seconds:g} s for {what}")


def spec_of(
    command: tuple[str, ...], output: Path, name: str, *, logging_dir: Path | None = None
) -> tuple[RunSpec, AttemptPlan]:
    """A run of any trainer's command line."""
    logs = str(logging_dir) if logging_dir is not None else None
    env: dict[str, str | None] = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    spec = RunSpec(
        id=new_run_id(name),
        name=name,
        command=command,
        cwd=str(output.parent),
        env=env,
        created_at=time.time(),
        host=socket.gethostname(),
        output_dir=str(output),
        output_name=name,
        logging_dir=logs,
        stop_grace_s=(1.0, 1.0),
    )
    plan = AttemptPlan(1, command, env, spec.cwd, str(output), name, logging_dir=logs)
    return spec, plan


def supervisor_pid(run: RunDir) -> int:
    """Who supervises the run; waits until it has said so."""

    def told() -> int | None:
        with contextlib.suppress(Unreadable):
            return read_json(run.status, Status).supervisor_pid
        return None

    return wait_for(told, 10.0, "the supervisor's first word")


@contextlib.contextmanager
def live_run(
    folder: Path,
    name: str,
    steps: int,
    pause_s: tuple[float, float],
    *,
    exact: bool = True,
    silent_after: int = 0,
    save_every: int = 0,
) -> Iterator[LiveRun]:
    """A training of the pacer under a real keeper and supervisor; stopped and gone afterwards.
    `exact`: the pacer writes TensorBoard events, and the supervisor reads them."""
    output, stamps = folder / f"out-{name}", folder / f"{name}.stamps"
    command = [
        sys.executable, "-u", str(PACER), "--output_dir", str(output), "--output_name", name,
        "--steps", str(steps), "--pause", *map(str, pause_s), "--stamps", str(stamps),
        "--silent_after", str(silent_after), "--save_every_n_steps", str(save_every),
    ]  # fmt: skip
    logs = folder / f"logs-{name}" if exact else None
    if logs is not None:
        command += ["--logging_dir", str(logs)]
    run = start_run(*spec_of(tuple(command), output, name, logging_dir=logs))
    try:
        yield LiveRun(run, output, stamps)
    finally:
        stop_run(run, output)


def stop_run(run: RunDir, output: Path) -> None:
    """Order the stop, then make sure that nothing of this run is left."""
    with contextlib.suppress(Refused, OSError):
        stop(run.path, "now")
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: not _members(run, output), 15.0, "the end of the run")
    for process in _members(run, output):
        with contextlib.suppress(psutil.Error):
            process.kill()


def stop_all() -> None:
    """What a measurement that was interrupted has left: every process that names the folder of its runs."""
    home = str(runs_root().parent)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(word.startswith(home) for word in words):
            with contextlib.suppress(psutil.Error):
                process.kill()


def _members(run: RunDir, output: Path) -> list[psutil.Process]:
    """Trainer, keeper and supervisor of one run: their command lines name its folders."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and (str(output) in words or str(run.path) in words):
            found.append(process)
    return found


def ended_run(name: str, steps: int) -> RunDir:
    """A run folder as a supervisor leaves it behind, with `steps` rows. Nothing has been trained:
    the losses are noise around a falling line."""
    output = runs_root().parent / "out-ended"
    spec, plan = spec_of(("train_network.py",), output, name)
    run = RunDir(runs_root() / spec.id)
    run.inbox_done.mkdir(parents=True)
    now = time.time()
    write_json(run.spec, spec)
    write_json(run.attempt(1), plan)
    write_json(run.preflight, {"schema": 1, "passed": True, "checks": []})
    run.events.touch()
    run.lock.touch()
    _write_rows(run.steps, steps)
    run.console.write_text("running training\nmodel saved.\n")
    status = Status(
        state=RunState.ENDED,
        attempt=1,
        heartbeat_at=now,
        phase=Phase.FINISHED,
        outcome=Outcome.SUCCEEDED,
        step=steps,
        total_steps=steps,
        epoch=10,
        epochs=10,
        batches_per_epoch=max(1, steps // 10),
        device="cpu",
        loss=0.08,
        average=0.08,
        started_at=now - steps * 0.5,
        ended_at=now,
        trained_s=steps * 0.5,
        attempts=(AttemptStatus(1, now - steps * 0.5, 1, steps),),
    )
    write_json(run.status, status)
    return run


def _write_rows(path: Path, steps: int) -> None:
    noise = random.Random(7)
    factors = [0.5 + noise.random() for _ in range(997)]
    with path.open("w") as stream:
        for first in range(1, steps + 1, 10_000):
            rows = []
            for step in range(first, min(steps, first + 9_999) + 1):
                loss = (0.08 + 0.1 * 1000 / (1000 + step)) * factors[step % 997]
                rows.append(f"[{step},{step * 0.5:.3f},{loss:.7g},{loss:.3g},0.0001,1]\n")
            stream.write("".join(rows))


def attach_command(run: RunDir) -> tuple[str, ...]:
    """`plasma-tui attach RUN` as a person starts it."""
    script = Path(sys.executable).with_name("plasma-tui")
    words = (str(script),) if script.exists() else (sys.executable, "-m", "tui.cli")
    return (*words, "attach", run.id)


def attach(run: RunDir, size: Size = DEFAULT_SIZE) -> Terminal:
    """The screen on a run."""
    return Terminal(attach_command(run), size)


@contextlib.contextmanager
def own_home(folder: Path) -> Iterator[Path]:
    """Runs of the measurements go to a folder of their own."""
    kept = {name: os.environ.get(name) for name in ("PLASMA_HOME", "XDG_CONFIG_HOME")}
    os.environ["PLASMA_HOME"] = str(folder / "home")
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    try:
        yield folder
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
