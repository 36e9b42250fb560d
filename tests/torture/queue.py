"""A queue of six whose processes are all killed at random: every run ends, in order, none twice.

    python -m tests.torture.queue --seed 1 --rounds 10 [--gpus]

Each round: six short trainings of the fake trainer in one slot. While they wait and train, any process of the
queue gets SIGKILL: waiting processes, supervisors, keepers, launchers, trainers, sometimes all at once, after
which a person types `plasma-tui runs`. Exit code 1 when something was lost. With --gpus the (fake) driver has
two GPUs; some runs name theirs, and may then be passed by runs on the other one.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from runner.control.launch import start_run
from runner.control.queueing import QueueRequest
from runner.model import AttemptPlan, RunSpec, RunState
from runner.store.journal import step_rows
from runner.store.reader import RunReader
from runner.store.rundir import RunDir, new_run_id

FAKE = Path(__file__).parent.parent / "fake_trainer.py"
NVML = FAKE.parent / "fake_nvml" / "nvml.c"
RUNS, STEPS, DELAY_S = 6, 14, 0.1
#: kills of a round; then it is left alone
KILLS = 14
#: by then every run must have ended
PATIENCE_S = 300.0
VISIBLE = "CUDA_VISIBLE_DEVICES"
_MARK = re.compile(rb"^--- plasma-tui attempt (\d+) ", re.M)


@dataclass
class Round:
    """`lost`: what went wrong, a sentence each; `killed`: what got SIGKILL; `pins`: by output name, the GPU
    that a run names, "" for any; None: a machine with one slot; `seen`: where it was seen training."""

    seed: int
    folder: Path
    size: int = RUNS
    kills: int = KILLS
    pins: dict[str, str] | None = None
    seen: dict[str, str] = field(default_factory=dict)
    runs: list[RunDir] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    took_s: float = 0.0

    # ------------------------------------------------------------- processes

    def processes(self) -> Iterator[tuple[psutil.Process, str]]:
        """Every living process of the queue, with its part."""
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if not any(word.startswith(str(self.folder)) for word in words):
                continue
            line = " ".join(words)
            if "runner.supervisor.detach" in line:
                yield process, "supervisor or waiting process"
            elif "keeper.py" in line:
                yield process, "keeper"
            elif str(FAKE) in line:
                yield process, "launcher" if "--launcher" in words else "trainer"

    def training(self) -> dict[str, str]:
        """The output names of the trainings that live, with their GPUs, "" without one."""
        found = {}
        for process, part in self.processes():
            if part in ("launcher", "trainer"):
                with contextlib.suppress(psutil.Error, ValueError, IndexError):
                    words = process.cmdline()
                    gpu = process.environ().get(VISIBLE, "")
                    found[words[words.index("--output_name") + 1]] = gpu[-1:]
        return found

    # ------------------------------------------------------------- the round

    def start(self, rng: random.Random) -> None:
        for number in range(self.size):
            name, output = f"run{number}", self.folder / f"out{number}"
            if self.pins is not None:
                self.pins[name] = pin = rng.choice(("0", "0", "1", ""))
                os.environ.pop(VISIBLE, None)
                os.environ.update({VISIBLE: pin} if pin else {})
            launcher = ("--launcher",) if rng.random() < 0.4 else ()
            command = (
                sys.executable, "-u", str(FAKE), *launcher, "--output_dir", str(output),
                "--output_name", name, "--steps", str(STEPS), "--delay", str(DELAY_S), "--seed", "1",
            )  # fmt: skip
            spec = RunSpec(
                new_run_id(name), name, command, str(self.folder), {}, time.time(), socket.gethostname(),
                str(output), name,
            )  # fmt: skip
            plan = AttemptPlan(1, command, {}, spec.cwd, str(output), name)
            self.runs.append(start_run(spec, plan, queue=QueueRequest(), wait_s=120))

    def suffer(self, rng: random.Random) -> None:
        began = time.monotonic()
        kills = 0
        next_at = began + rng.uniform(0, 1.5)
        looked_at = began
        while not self.over():
            now = time.monotonic()
            if now - began > PATIENCE_S:
                self.lost.append(f"not all runs ended within {PATIENCE_S:.0f} s: {self.states()}")
                return
            together = self.training()
            self.seen |= together
            if len(set(together.values())) < len(together):
                self.lost.append(f"{together} trained at the same time in one slot")
            if kills < self.kills and now >= next_at:
                kills += self.kill(rng)
                next_at = time.monotonic() + rng.uniform(0.1, 2.5)
            if kills >= self.kills and now - looked_at > 10.0:
                looked_at = now
                self.look()
            time.sleep(0.1)

    def kill(self, rng: random.Random) -> int:
        living = list(self.processes())
        if not living:
            self.look()
            return 1
        if rng.random() < 0.15:
            self.killed.append(f"all {len(living)}")
            for process, _ in living:
                _kill(process)
            time.sleep(rng.uniform(0, 1.0))
            self.command("runs")
            return 1
        part = rng.choice(sorted({part for _, part in living}))
        process = rng.choice([one for one, kind in living if kind == part])
        self.killed.append(part)
        _kill(process)
        return 1

    def look(self) -> None:
        """What a person does: the list, then what is still open."""
        self.command("runs")
        for run in self.runs:
            snapshot = RunReader(run.path, console=False).read_small()
            if snapshot.outcome is None and not snapshot.supervisor_alive:
                self.command("show", run.id)

    def command(self, *words: str) -> None:
        command = [sys.executable, "-m", "tui.cli", *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    def over(self) -> bool:
        return all(
            snapshot.state is RunState.ENDED and snapshot.outcome is not None
            for snapshot in (RunReader(run.path, console=False).read_small() for run in self.runs)
        )

    def states(self) -> str:
        read = (RunReader(run.path, console=False).read_small() for run in self.runs)
        return ", ".join(f"{one.id}: {one.state} {one.outcome}" for one in read)

    # ------------------------------------------------------------- the claims

    def judge(self) -> None:
        begun: dict[str, float] = {}
        for run in self.runs:
            starts = sorted(path.name for path in run.path.glob("attempt-*.started"))
            if starts != ["attempt-1.started"]:
                self.lost.append(f"{run.id} has {starts}")
                continue
            begun[f"run{self.runs.index(run)}"] = run.started(1).stat().st_mtime
            console = run.console.read_bytes() if run.console.exists() else b""
            marks = _MARK.findall(console)
            if len(marks) != 1:
                self.lost.append(f"{run.id} was started {len(marks)} times")
            steps = (
                [row[0] for row in step_rows(run.steps.read_bytes())[0]]
                if run.steps.exists()
                else []
            )
            if len(set(steps)) != len(steps):
                self.lost.append(f"{run.id} has steps twice: {steps}")
            if run.queued.exists():
                self.lost.append(f"{run.id} still has queued.json")
        for (first, at), (later, before) in itertools.combinations(begun.items(), 2):
            pin = (self.pins or {}).get(first, "")
            if before < at and (not pin or self.seen.get(later, pin) == pin):
                self.lost.append(f"{later} began before {first}: {begun}, {self.pins}, {self.seen}")
        left = [entry.name for entry in (self.folder / "home" / "queue").glob("*/*")]
        if left:
            self.lost.append(f"the queue still has {left}")

    def clean_up(self) -> None:
        for _ in range(20):
            living = list(self.processes())
            if not living:
                return
            for process, _ in living:
                _kill(process)
            time.sleep(0.1)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        process.send_signal(signal.SIGKILL)


def fake_driver(folder: Path) -> dict[str, str]:
    """The environment of a machine with two GPUs."""
    library = ("cc", "-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-o")
    subprocess.run([*library, folder / "libnvidia-ml.so.1", NVML], check=True)
    (folder / "nvml.txt").write_text("cards 2\n")
    return {
        "FAKE_NVML": str(folder / "nvml.txt"),
        "LD_LIBRARY_PATH": str(folder),
        "PLASMA_SLOTS": "",
    }


def torture(
    seed: int, scratch: Path, size: int = RUNS, kills: int = KILLS, *, gpus: bool = False
) -> Round:
    """One round."""
    rng = random.Random(seed)
    folder = scratch / f"queue-{seed}"
    folder.mkdir(parents=True)
    one = Round(seed, folder, size, kills, {} if gpus else None)
    before = dict(os.environ)
    os.environ |= {"PLASMA_HOME": str(folder / "home"), "PLASMA_SLOTS": "1"}
    os.environ |= fake_driver(folder) if gpus else {}
    began = time.monotonic()
    try:
        one.start(rng)
        one.suffer(rng)
        _wait_for_silence(one)
        one.judge()
    finally:
        one.clean_up()
        one.took_s = round(time.monotonic() - began, 1)
        os.environ.clear()
        os.environ.update(before)
    if not one.lost:
        shutil.rmtree(folder, ignore_errors=True)
    return one


def _wait_for_silence(one: Round, wait_s: float = 30.0) -> None:
    """The last supervisors write their summaries and clean the queue."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and any(one.processes()):
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.queue", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--gpus", action="store_true")
    options = parser.parse_args()
    scratch = options.scratch or Path(tempfile.mkdtemp(prefix="queue-torture-"))
    failed = 0
    for seed in range(options.seed, options.seed + options.rounds):
        found = torture(seed, scratch, gpus=options.gpus)
        failed += bool(found.lost)
        print(f"seed {seed}: {found.took_s} s, killed {', '.join(found.killed)}", flush=True)
        for text in found.lost:
            print(f"  LOST {text}", flush=True)
    print(f"{options.rounds} rounds, {failed} with losses", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
