"""The last minutes of a gauge. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runner.model import HardwareSample
from runner.model.units import duration

#: a history holds means over so many seconds: it moves on seldom, and reaches back far
BIN_S = 8.0
BINS = 90
#: single readings of Apple's GPU are spiky, with zeros between: their mean over so long is the figure
MEAN_S = 20.0

Value = Callable[[HardwareSample], float | None]


def history(samples: Sequence[HardwareSample], value: Value) -> tuple[float | None, ...]:
    """Means over whole bins of the clock, oldest first; a bin without a value is None. The bin that
    is still filling is left out, so that a history changes once a bin."""
    if not samples:
        return ()
    newest = int(samples[-1].at // BIN_S)
    sums: dict[int, tuple[float, int]] = {}
    for sample in reversed(samples):
        at = int(sample.at // BIN_S)
        if at < newest - BINS:
            break
        found = value(sample) if at < newest else None
        if found is not None:
            total, number = sums.get(at, (0.0, 0))
            sums[at] = (total + found, number + 1)
    if not sums:
        return ()
    means = {at: total / number for at, (total, number) in sums.items()}
    return tuple(means.get(at) for at in range(min(means), newest))


def recent_mean(
    samples: Sequence[HardwareSample], value: Value, over_s: float = MEAN_S
) -> float | None:
    """Of the last readings."""
    found = []
    for sample in reversed(samples):
        if samples[-1].at - sample.at > over_s:
            break
        one = value(sample)
        if one is not None:
            found.append(one)
    return sum(found) / len(found) if found else None


def span(samples: Sequence[HardwareSample]) -> str:
    """How long a history is, as in `the last ...`; empty while it is too short to show."""
    if not samples:
        return ""
    seconds = min(samples[-1].at - samples[0].at, BINS * BIN_S)
    seconds = seconds // 60 * 60 or seconds // 30 * 30
    if seconds <= 0:
        return ""
    return "minute" if seconds == 60 else duration(seconds)
