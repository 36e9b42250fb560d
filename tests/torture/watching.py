"""Watches one run from outside: its supervisor's memory, processor time and open files, and how far each reader
of the training is. Nothing here writes into the run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import psutil

from runner.control.launch import start_run
from runner.control.orders import start_supervisor
from runner.model import Forecast, Status
from runner.store.journal import Unreadable, read_json
from runner.store.rundir import RunDir, runs_root
from scripts.bench.many import plasma_command
from scripts.bench.processes import MEGABYTE, cpu_s, rss_mb, waited_s
from scripts.bench.runs import spec_of, stop_run, wait_for
from tests.torture.soak_trainer import followed

_BAR = re.compile(rb"\| (\d+)/\d+ \[")
#: how long a new supervisor may need to be seen at all: a hung one must not hang the test
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `printed`: the trainer's newest step, `step`: the newest in the ledger, `unread`: bytes of the
    console that the supervisor has not read."""

    at_s: float
    pid: int
    rss_mb: float
    cpu_s: float
    fds: int
    printed: int
    step: int
    unread: int
    catching_up: bool


def printed(console: Path) -> int:
    """The last step that the trainer's bar shows."""
    with contextlib.suppress(OSError), console.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 8192))
        found = _BAR.findall(stream.read())
        return int(found[-1]) if found else 0
    return 0


def status_of(run: RunDir) -> Status | None:
    with contextlib.suppress(Unreadable):
        return read_json(run.status, Status)
    return None


def look(run: RunDir) -> Sample | None:
    """None while there is no supervisor."""
    status = status_of(run)
    if status is None or status.supervisor_pid is None:
        return None
    pid = status.supervisor_pid
    with contextlib.suppress(psutil.Error, OSError):
        if not _alive(pid):
            return None
        return Sample(
            time.monotonic(),
            pid,
            rss_mb(pid),
            cpu_s(pid),
            psutil.Process(pid).num_fds(),
            printed(run.console),
            followed(run.steps),
            run.console.stat().st_size - status.offset,
            bool(status.evaluating),
        )
    return None


@contextlib.contextmanager
def training(
    script: str,
    folder: Path,
    name: str,
    *flags: str,
    exact: bool = False,
    forecast: Forecast | None = None,
) -> Iterator[RunDir]:
    """A run of a script beside this file, which gets the path of its ledger; stopped and gone afterwards.
    `exact`: with event files."""
    output = folder / f"out-{name}"
    command = [
        sys.executable, "-u", str(Path(__file__).with_name(script)),
        "--output_dir", str(output), "--output_name", name, *flags,
    ]  # fmt: skip
    logs = folder / f"logs-{name}" if exact else None
    if logs is not None:
        command += ["--logging_dir", str(logs)]
    spec, plan = spec_of(tuple(command), output, name, logging_dir=logs)
    words = (*command, "--ledger", str(RunDir(runs_root() / spec.id).steps))
    spec = replace(spec, command=words, forecast=forecast)
    run = start_run(spec, replace(plan, command=words))
    try:
        yield run
    finally:
        stop_run(run, output)


def kill_supervisor(run: RunDir) -> int:
    """SIGKILL, and wait for its end. The pid that it had."""
    status = wait_for(lambda: status_of(run), PATIENCE_S, "a status")
    pid = status.supervisor_pid or 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not _alive(pid), PATIENCE_S, "the death of the supervisor")
    return pid


def adopt_again(run: RunDir) -> tuple[float, float]:
    """Start a new supervisor. Seconds until its first heartbeat, and those without its waits for a core, which
    the machine's other work decides."""
    began, began_at = time.monotonic(), time.time()
    start_supervisor(run)

    def beats() -> int | None:
        status = status_of(run)
        return status.supervisor_pid if status and status.heartbeat_at >= began_at else None

    pid = wait_for(beats, PATIENCE_S, "the heartbeat of a new supervisor")
    seconds = time.monotonic() - began
    return seconds, seconds - (waited_s(pid) or 0.0)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended. `cpu_s`: its processor time, children included."""

    code: int
    cpu_s: float
    wall_s: float
    peak_mb: float
    output: bytes
    errors: bytes


def command(*words: str) -> Done:
    """`plasma-tui WORDS` to its end."""
    began, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen([*plasma_command(), *words], stdout=out, stderr=errors)
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, peak_mb(child.pid))
            time.sleep(0.02)
        child.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        wall_s, spent_s = time.monotonic() - began, used.ru_utime + used.ru_stime
        return Done(code, spent_s, wall_s, peak, out.read(4 * MEGABYTE), errors.read())


def _alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def live_cost(samples: Sequence[Sample], first: float, last: float) -> tuple[float, float]:
    """Processor milliseconds of the supervisor per 1,000 steps and per second, while it follows the trainer
    between two steps: the least squares of both, because a slow machine has more seconds per step."""
    rows = []
    for before, after in pairwise(samples):
        same = before.pid == after.pid and not before.catching_up and not after.catching_up
        if same and first <= before.step and after.step <= last:
            step, second = after.step - before.step, after.at_s - before.at_s
            rows.append((step / 1000, second, 1000 * (after.cpu_s - before.cpu_s)))
    aa, ab, bb = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    ay, by = (sum(r[i] * r[2] for r in rows) for i in (0, 1))
    det = aa * bb - ab * ab
    return ((bb * ay - ab * by) / det, (aa * by - ab * ay) / det) if det > 1e-9 else (0.0, 0.0)


def median_rss(samples: Sequence[Sample], first: float, last: float) -> float:
    """Megabytes between two steps; 0 for none."""
    return statistics.median([s.rss_mb for s in samples if first <= s.step <= last] or [0.0])


def peak_mb(pid: int) -> float:
    """The most memory that a process has used so far; 0 for none, or where the system does not tell."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    return 0.0
