"""Round places on an x axis, and their words."""

from __future__ import annotations

import math

#: seconds between two ticks
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
#: cells that a number and the space around it take
_CELLS_EACH = 12


def axis_ticks(end: float, room: int, *, whole: bool, time: bool) -> list[tuple[float, str]]:
    """(x, label) from left to right, 0 left out. `whole`: only whole numbers; `time`: x are seconds."""
    if end <= 0 or not math.isfinite(end):
        return []
    wanted = max(1, room // _CELLS_EACH)
    step = time_step(end / wanted) if time else round_step(end / wanted)
    if whole and not time:
        step = max(1.0, step)
    count = min(1000, math.floor(end / step + 1e-9))
    return [
        (k * step, time_text(k * step) if time else f"{k * step:.10g}") for k in range(1, count + 1)
    ]


def round_step(raw: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, at least `raw`."""
    size: float = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if raw <= size * factor * (1 + 1e-9):
            if factor == 2.5 and size < 10:  # 2.5 steps are none
                continue
            return size * factor
    return size * 10


def time_step(raw_s: float) -> float:
    fitting = [step for step in _TIMES if step >= raw_s]
    return float(fitting[0]) if fitting else math.ceil(raw_s / 86400) * 86400.0


def time_text(seconds: float) -> str:
    """`45 s`, `10 min`, `1:30 h`, `2 d`: what fits under a tick."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}:{rest:02} min" if rest else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    if hours >= 48 and not rest and hours % 24 == 0:
        return f"{hours // 24} d"
    return f"{hours}:{rest // 60:02} h" if rest else f"{hours} h"
