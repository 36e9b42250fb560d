"""What sampling the hardware costs, and what a day of it leaves in memory.

Cost: the supervisor's own reading (board, sums, warnings, lines, the list of GPU users) in a process of its
own beside a tree of three processes. Growth: a day of readings through sums, warnings and lines.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from scripts.bench.figures import Figure

CPU_BUDGET_PERCENT = 0.5
GROWTH_BUDGET_MB = 1.0
SECONDS = 40
ROOT = Path(__file__).resolve().parents[2]

_COST = """
import json, subprocess, sys, time, os
from runner.hardware.board import Board, default_sources
from runner.hardware.processes import UserWatch
from runner.hardware.samples import Cadence, line_of
from runner.hardware.used import UseMeter
from runner.hardware.watch import About, HardwareWatch
nap = [sys.executable, "-c", "import time; x = bytearray(1 << 26); time.sleep(90)"]
children = [subprocess.Popen(nap) for _ in range(3)]
board = Board({"output": "."}, default_sources())
board.start()
meter, watch, cadence, users = UseMeter(), HardwareWatch(), Cadence(), UserWatch()
about = About("cuda", None, True)
time.sleep(4)
wall, cpu = time.perf_counter(), time.process_time()
for turn in range(int(sys.argv[1]) // 2):
    time.sleep(2)
    sample = board.sample(os.getpid(), "cuda")
    meter.add(sample, training=True, device="cuda")
    watch.add(sample, about)
    watch.findings(about)
    if turn % 5 == 0:
        users.users(sample.gpus)
    if cadence.due(sample.at):
        line_of(sample)
cost = 100 * (time.process_time() - cpu) / (time.perf_counter() - wall)
for child in children:
    child.kill()
print(json.dumps(cost))
"""

_GROWTH = """
import json, tracemalloc
from dataclasses import replace
from runner.hardware.samples import Cadence, line_of
from runner.hardware.used import UseMeter
from runner.hardware.watch import About, HardwareWatch
from runner.model import GpuSample, HardwareSample
meter, watch, cadence, about = UseMeter(), HardwareWatch(), Cadence(), About("cuda", None, True)
card = GpuSample("GPU-1", "nvml", "a card", 0, 90.0, 1 << 34, 1 << 35)
def day(begin, seconds):
    for second in range(begin, begin + seconds, 2):
        gpu = replace(card, percent=float(second % 100), power_w=100.0 + second % 7)
        sample = HardwareSample(float(second), 50.0, 1 << 33, 1 << 34, 0, 1 << 32, gpus=(gpu,))
        meter.add(sample, training=True, device="cuda")
        watch.add(sample, about)
        watch.findings(about)
        if cadence.due(sample.at):
            line_of(sample)
day(0, 600)
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
day(600, 86400)
print(json.dumps((tracemalloc.get_traced_memory()[0] - before) / 1e6))
"""


def measure_hardware(folder: Path) -> list[Figure]:
    cost = _ask(_COST, str(SECONDS))
    growth = _ask(_GROWTH)
    return [
        Figure(
            "hardware", "sampling the hardware", (cost,), "%", CPU_BUDGET_PERCENT,
            note=f"of one core, over {SECONDS} s, every source and the list of GPU users",
        ),
        Figure(
            "hardware", "memory of a day of readings", (growth,), "MB", GROWTH_BUDGET_MB,
            note="43,200 of them through sums, warnings and lines",
        ),
    ]  # fmt: skip


def _ask(source: str, *words: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", source, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))
