"""A figure that jumps is shown as its mean over some seconds. Pure.

Since macOS 15 the driver reports 0 % now and then in the middle of work: single readings are no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable

WINDOW_S = 20.0


def mean_of_last(
    points: Iterable[tuple[float, float | None]], now: float, window_s: float = WINDOW_S
) -> float | None:
    """Mean of the readings of the last `window_s` seconds. `points`: when (the clock of `now`) and how much,
    None: not measured. None: nothing was measured in that time, which is not 0."""
    values = [value for at, value in points if value is not None and 0 <= now - at <= window_s]
    return sum(values) / len(values) if values else None
