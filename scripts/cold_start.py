#!/usr/bin/env python3
"""How long the parts take to import in a fresh interpreter, compared with a bare Textual.

    .venv/bin/python scripts/cold_start.py [--repeat 7] [--json]

Prints the best and the median wall time, the best CPU time, how many modules are loaded, which of the heavy
ones, and how many times as long as a bare Textual the screen takes, by CPU time: a busy machine changes the
wall times much more. Exits with 1 when a part loads what it must not load at start-up, or when the screen
takes more than LIMIT times a bare Textual.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

#: what no start-up may load
HEAVY = ("torch", "numpy", "tensorboard", "accelerate", "plotext", "PIL", "scipy", "pandas")
#: best CPU time of the screen / best CPU time of a bare Textual, in the same rounds
LIMIT = 1.4
BARE, SCREEN = "bare Textual", "plasma-tui: screen"
PARTS = (
    ("bare interpreter", "pass"),
    (BARE, "import textual.app"),
    ("plasma-tui: command", "import tui.cli"),
    (SCREEN, "import tui.app"),
    ("config", "import runner.config.load"),
    ("preflight", "import runner.preflight.registry"),
    ("keeper", "import runner.process.keeper"),
    ("supervisor", "import runner.supervisor.main"),
)
#: with compiled modules, as a start has them; the first round writes those that are missing
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
_TELL = (
    "; import sys; print(len(sys.modules), *({heavy!r} & {{n.split('.')[0] for n in sys.modules}}))"
)


@dataclass(frozen=True, slots=True)
class Start:
    part: str
    best_ms: float
    median_ms: float
    cpu_ms: float
    modules: int
    heavy: tuple[str, ...]


def children_cpu_ms() -> float:
    """Of all children that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def measure(statement: str) -> tuple[float, float, str]:
    """(wall ms, CPU ms, what the interpreter printed) of one fresh interpreter."""
    source = statement + _TELL.format(heavy=set(HEAVY))
    begin, cpu_before_ms = time.perf_counter(), children_cpu_ms()
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    wall_ms = (time.perf_counter() - begin) * 1000
    if done.returncode:
        raise SystemExit(f"{statement}: {done.stderr.strip().splitlines()[-1]}")
    return wall_ms, children_cpu_ms() - cpu_before_ms, done.stdout


def measure_all(repeat: int) -> list[Start]:
    """In rounds, each part once: what else the machine does then slows all parts alike."""
    rounds = [[measure(statement) for _, statement in PARTS] for _ in range(repeat + 1)]
    starts = []
    for at, (part, _) in enumerate(PARTS):
        # the first round warms the disk cache
        walls_ms, cpus_ms, told = zip(*(one[at] for one in rounds[1:]), strict=True)
        modules, *heavy = told[0].split()
        best_ms, median_ms, cpu_ms = min(walls_ms), statistics.median(walls_ms), min(cpus_ms)
        starts.append(Start(part, best_ms, median_ms, cpu_ms, int(modules), tuple(heavy)))
    return starts


def screen_ratio(starts: list[Start]) -> float:
    cpu_ms = {start.part: start.cpu_ms for start in starts}
    return cpu_ms[SCREEN] / cpu_ms[BARE]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=7, help="fresh interpreters a part")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    starts = measure_all(options.repeat)
    ratio = screen_ratio(starts)
    if options.json:
        parts = [asdict(start) for start in starts]
        print(json.dumps({"parts": parts, "screen_ratio": round(ratio, 3)}, indent=2))
    else:
        print(f"{'part':22}{'best':>9}{'median':>9}{'CPU':>9}{'modules':>9}  heavy")
        for s in starts:
            walls = f"{s.best_ms:6.0f} ms{s.median_ms:6.0f} ms{s.cpu_ms:6.0f} ms"
            print(f"{s.part:22}{walls}{s.modules:9}  {' '.join(s.heavy) or 'none'}")
        print(f"screen / bare Textual: {ratio:.2f} (CPU, best of {options.repeat}, limit {LIMIT})")
    return 1 if any(start.heavy for start in starts) or ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
