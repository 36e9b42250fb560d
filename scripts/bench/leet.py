"""`wandb leet` beside ours: the terminal UI of Weights & Biases, if pip can install it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil

from scripts.bench.figures import Figure, unmeasured
from scripts.bench.processes import cpu_s, rss_mb
from scripts.bench.replay import first_seen
from scripts.bench.terminal import Terminal, terminal_environment

STARTS = 6
IDLE_S = 12.0
LOGGED_STEPS = 500
_LOG = f"""
import math, wandb
run = wandb.init(mode="offline", project="bench", name="leet-run", dir=".")
for step in range({LOGGED_STEPS}):
    run.log({{"loss": 0.08 + 0.1 * math.exp(-step / 150), "lr": 1e-4}})
run.finish()
"""


def measure_leet(folder: Path) -> list[Figure]:
    """Installs wandb into an environment of its own, writes an offline run, opens leet on it."""
    home = folder / "leet"
    home.mkdir()
    try:
        python = _install(home)
    except (OSError, subprocess.SubprocessError) as error:
        return [unmeasured("leet", "wandb leet", f"not installed: {error}"[:120])]
    environment = terminal_environment(
        {
            "HOME": str(home),
            "XDG_CONFIG_HOME": None,
            "WANDB_DIR": str(home),
            "WANDB_MODE": "offline",
        }
    )
    subprocess.run(
        [str(python), "-c", _LOG], cwd=home, env=environment, check=True, capture_output=True
    )
    run = next((home / "wandb").glob("offline-run-*"))
    command = (str(python.with_name("wandb")), "leet", "run", str(run))
    starts = [_first_frame_ms(command, environment, home) for _ in range(STARTS + 1)]
    figures = [Figure("leet", "wandb leet: first useful frame", tuple(starts[1:]), "ms")]
    return figures + _idle(command, environment, home)


def _install(home: Path) -> Path:
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "wandb",
    ]
    subprocess.run(install, check=True, stdout=sys.stderr, env=dict(os.environ))
    return python


def _useful(text: str) -> bool:
    return "loss" in text and f"{LOGGED_STEPS}"[:2] in text


def _first_frame_ms(command: tuple[str, ...], environment: dict[str, str], home: Path) -> float:
    with Terminal(command, environment=environment, folder=home) as terminal:
        terminal.wait_for(_useful, 30.0, "leet's loss chart")
        at_s = first_seen(terminal.chunks(), terminal.size.columns, terminal.size.rows, _useful)
        return ((at_s or time.monotonic()) - terminal.started_at) * 1000


def _idle(command: tuple[str, ...], environment: dict[str, str], home: Path) -> list[Figure]:
    with Terminal(command, environment=environment, folder=home) as terminal:
        terminal.wait_for(_useful, 30.0, "leet's loss chart")
        time.sleep(3.0)
        root = psutil.Process(terminal.pid)
        pids = [root.pid, *(child.pid for child in root.children(recursive=True))]
        began, before = time.monotonic(), sum(map(cpu_s, pids))
        time.sleep(IDLE_S)
        took_s = time.monotonic() - began
        cpu = 100 * (sum(map(cpu_s, pids)) - before) / took_s
        sent = terminal.bytes_since(began) / took_s
        memory = sum(map(rss_mb, pids))
    return [
        Figure("leet", "wandb leet: RSS of its processes", (memory,), "MB"),
        Figure("leet", "wandb leet: idle CPU", (cpu,), "%"),
        Figure("leet", "wandb leet: idle bytes", (sent,), "B/s"),
    ]
