"""A program of ours whose clock is wrong, or jumps while it runs. The machine's own clock is never touched.

    python shifted_clock.py 3600,-86400 2.5 runner.supervisor.detach RUN

The first shift holds from the start; every 2.5 s the next one takes its place, and at last there is none.
The kernel's boot time is moved with it, as it is on a machine whose clock was set.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def shift(shifts: list[float], seconds: float) -> None:
    """Replace this process's clock."""
    import psutil._pslinux as platform

    real, boot, begin = time.time, platform.boot_time, time.monotonic()

    def now() -> float:
        number = int((time.monotonic() - begin) / seconds)
        return shifts[number] if number < len(shifts) else 0.0

    time.time = lambda: real() + now()
    platform.boot_time = lambda: boot() + now()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    shift([float(one) for one in sys.argv[1].split(",")], float(sys.argv[2]))
    module = sys.argv[3]
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
