"""How much slower the same training is under plasma-tui than alone.

Each round trains the same steps three times, one after the other: the trainer alone; alone with the
TensorBoard events that plasma-tui asks for; under keeper and supervisor with a screen attached. The
order changes from round to round. On a shared machine the wall clock is noisy, so the processor
time that plasma-tui takes for itself is measured too: with all cores busy, that share is what a
training can lose.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.control.launch import start_run
from runner.store.rundir import RunDir
from scripts.bench.figures import Figure
from scripts.bench.limits import rounds
from scripts.bench.processes import cpu_s
from scripts.bench.runs import attach, spec_of, stop_run, supervisor_pid, wait_for

SLOWDOWN_BUDGET_PERCENT = 1.0
STEPS = 150
ROUNDS = 5
#: so long the rounds may take: as many as that is enough for, at least one
ROUNDS_S = 110.0
TIMED = Path(__file__).with_name("timed_trainer.py")
ARMS = ("bare", "events", "plasma")


@dataclass(frozen=True, slots=True)
class Training:
    """One training. `own_cpu_s`: processor time of supervisor and screen meanwhile."""

    wall_s: float
    cpu_s: float
    supervisor_cpu_s: float = 0.0
    screen_cpu_s: float = 0.0


def measure_slowdown(folder: Path) -> list[Figure]:
    from runner.demo.project import write_demo

    demo = folder / "demo"
    write_demo(demo, sys.executable)
    found: dict[str, list[Training]] = {arm: [] for arm in ARMS}
    arms: dict[str, Callable[[str], Training]] = {
        "bare": lambda name: _alone(demo, name, events=False),
        "events": lambda name: _alone(demo, name, events=True),
        "plasma": lambda name: _supervised(demo, name),
    }
    _alone(demo, "warm-up", events=False)
    for number in rounds(ROUNDS, ROUNDS_S):
        turn = number % len(ARMS)
        for arm in (*ARMS[turn:], *ARMS[:turn]):
            found[arm].append(arms[arm](f"{arm}-{number}"))
    return _figures(found)


def _figures(found: dict[str, list[Training]]) -> list[Figure]:
    bare = statistics.median(one.wall_s for one in found["bare"])
    bare_cpu = statistics.median(one.cpu_s for one in found["bare"])
    spread = (max(o.wall_s for o in found["bare"]) / min(o.wall_s for o in found["bare"]) - 1) * 100
    figures = []
    for arm, what in (("plasma", "under plasma-tui, screen open"), ("events", "by its event file")):
        wall = statistics.median(one.wall_s for one in found[arm]) / bare
        cpu = statistics.median(one.cpu_s for one in found[arm]) / bare_cpu
        budget = SLOWDOWN_BUDGET_PERCENT if arm == "plasma" else None
        note = f"wall, medians of {len(found[arm])}; bare {bare:.1f} s, spread {spread:.0f} %"
        figures += [
            Figure(
                "slowdown", f"training slowed {what}", ((wall - 1) * 100,), "%", budget, note=note
            ),
            Figure("slowdown", f"trainer's own CPU time {what}", ((cpu - 1) * 100,), "%"),
        ]
    cores = os.cpu_count() or 1
    for part in ("supervisor", "screen"):
        share = tuple(
            100 * getattr(one, f"{part}_cpu_s") / one.wall_s / cores for one in found["plasma"]
        )
        figures.append(
            Figure(
                "slowdown", f"{part} CPU, share of the machine", share, "%", note=f"{cores} cores"
            )
        )
    return figures


def _command(demo: Path, name: str, *, logs: Path | None) -> tuple[str, ...]:
    flags = [
        sys.executable, "-u", str(TIMED), str(demo / f"{name}.json"),
        "--pretrained_model_name_or_path", "builtin", "--dataset_config", "dataset.toml",
        "--output_dir", str(demo / f"out-{name}"), "--output_name", name,
        "--save_model_as", "safetensors", "--save_every_n_steps", "100", "--seed", "42",
        "--max_train_steps", str(STEPS), "--learning_rate", "1e-3", "--optimizer_type", "AdamW",
        "--network_module", "networks.lora", "--network_dim", "32", "--network_alpha", "16",
        "--max_data_loader_n_workers", "0",
    ]  # fmt: skip
    if logs is not None:
        flags += ["--logging_dir", str(logs), "--log_with", "tensorboard"]
    return tuple(flags)


def _alone(demo: Path, name: str, *, events: bool) -> Training:
    logs = demo / f"logs-{name}" if events else None
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    with (demo / f"{name}.log").open("wb") as log:
        done = subprocess.run(
            _command(demo, name, logs=logs),
            cwd=demo, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(
            f"the trainer ended with {done.returncode}: {_tail(demo / f'{name}.log')}"
        )
    return _result(demo, name)


def train_alone(demo: Path, name: str) -> Training:
    """The training of the slowdown figure, by itself."""
    return _alone(demo, name, events=False)


def _supervised(demo: Path, name: str) -> Training:
    output, logs = demo / f"out-{name}", demo / f"logs-{name}"
    spec, plan = spec_of(_command(demo, name, logs=logs), output, name, logging_dir=logs)
    run = start_run(spec, plan)
    try:
        with attach(run) as terminal:
            pids = (supervisor_pid(run), terminal.pid)
            before = [cpu_s(pid) for pid in pids]
            began = time.monotonic()
            wait_for(lambda: (demo / f"{name}.json").exists() or _over(run), 300.0, "the training")
            after = [cpu_s(pid) for pid in pids]
            watched_s = time.monotonic() - began
        if not (demo / f"{name}.json").exists():
            raise RuntimeError(f"the trainer under plasma-tui failed: {_tail(run.console)}")
        result = _result(demo, name)
        scale = result.wall_s / watched_s
        return Training(
            result.wall_s,
            result.cpu_s,
            (after[0] - before[0]) * scale,
            (after[1] - before[1]) * scale,
        )
    finally:
        stop_run(run, output)


def _over(run: RunDir) -> bool:
    return run.exit.exists()


def _result(demo: Path, name: str) -> Training:
    found = json.loads((demo / f"{name}.json").read_text())
    return Training(found["wall_s"], found["cpu_s"])


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-300:] if log.exists() else "no log"
