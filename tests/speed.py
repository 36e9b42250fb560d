"""Speed without seconds: how many times as long something takes as a fixed piece of Python work beside it.

Both are measured in CPU time of this process, so neither the machine nor what runs beside the tests decides.
One unit takes 5 to 20 ms. Limits in seconds belong in scripts/bench/.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_ratio(work: Callable[[], object]) -> float:
    """CPU time of `work` in units; what else the process does meanwhile counts, too."""
    unit_s = _unit_s()
    began_s = time.process_time()
    work()
    spent_s = time.process_time() - began_s
    return spent_s / max(unit_s, _unit_s())


def _unit_s() -> float:
    best_s = float("inf")
    for _ in range(3):
        began_s = time.process_time()
        seen: dict[int, str] = {}
        for number in range(60_000):
            seen[number % 1000] = str(number)
        best_s = min(best_s, time.process_time() - began_s)
    return best_s
