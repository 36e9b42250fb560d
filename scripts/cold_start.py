#!/usr/bin/env python3
"""How long the parts take to import in a fresh interpreter, beside a bare Textual.

    .venv/bin/python scripts/cold_start.py [--repeat 5] [--json]

Prints the best and the median wall time, how many modules are loaded, and which of the heavy ones.
Exits with 1 when a part loads what it never may at start-up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

#: what no start-up may load
HEAVY = ("torch", "numpy", "tensorboard", "accelerate", "plotext", "PIL", "scipy", "pandas")
PARTS = (
    ("bare interpreter", "pass"),
    ("bare Textual", "import textual.app"),
    ("plasma-tui: command", "import tui.cli"),
    ("plasma-tui: screen", "import tui.app"),
    ("config", "import runner.config.load"),
    ("preflight", "import runner.preflight.registry"),
    ("keeper", "import runner.process.keeper"),
    ("supervisor", "import runner.supervisor.main"),
)
_TELL = (
    "; import sys; print(len(sys.modules), *({heavy!r} & {{n.split('.')[0] for n in sys.modules}}))"
)


@dataclass(frozen=True, slots=True)
class Start:
    part: str
    best_ms: float
    median_ms: float
    modules: int
    heavy: tuple[str, ...]


def measure(part: str, statement: str, repeat: int) -> Start:
    source = statement + _TELL.format(heavy=set(HEAVY))
    walls_ms, told = [], ""
    for _ in range(repeat + 1):  # the first one warms the disk cache and is dropped
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60
        )
        walls_ms.append((time.perf_counter() - begin) * 1000)
        if done.returncode:
            raise SystemExit(f"{part}: {done.stderr.strip().splitlines()[-1]}")
        told = done.stdout
    modules, *heavy = told.split()
    walls_ms = walls_ms[1:]
    return Start(part, min(walls_ms), statistics.median(walls_ms), int(modules), tuple(heavy))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=5, help="fresh interpreters a part")
    parser.add_argument("--json", action="store_true", help="one JSON list")
    options = parser.parse_args()
    starts = [measure(part, statement, options.repeat) for part, statement in PARTS]
    if options.json:
        print(json.dumps([asdict(start) for start in starts], indent=2))
    else:
        print(f"{'part':22}{'best':>9}{'median':>9}{'modules':>9}  heavy")
        for s in starts:
            walls = f"{s.best_ms:6.0f} ms{s.median_ms:6.0f} ms"
            print(f"{s.part:22}{walls}{s.modules:9}  {' '.join(s.heavy) or 'none'}")
    return 1 if any(start.heavy for start in starts) else 0


if __name__ == "__main__":
    sys.exit(main())
