"""Human-readable numbers. None is always `unknown`, never zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

UNKNOWN = "unknown"


def clock(shape: str, at: float | None) -> str:
    """Local time, `shape` as for `strftime`. UNKNOWN for none, and for a time that no calendar has."""
    try:
        return UNKNOWN if at is None else datetime.fromtimestamp(at).strftime(shape)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN


def finite(value: float | None) -> float | None:
    """The value; None for NaN and infinity, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first few names and how many more."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


#: a longer time, as a damaged file or another machine may claim, is none
LONGEST_S = 1e10


def duration(seconds: float | None) -> str:
    """`37 s`, `11 min`, `1 h 12 min`, `3 d 4 h`: two units at most, so that it does not flicker."""
    if seconds is None or not abs(seconds) < LONGEST_S:
        return UNKNOWN
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 3 else f"{round(whole / 60)} min"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def ago(seconds: float | None) -> str:
    """How long ago, in steps of five seconds up to a minute: an age should not change every second."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 5:
        return "now"
    if seconds < 60:
        return f"{int(seconds // 5) * 5} s"
    return duration(seconds // 60 * 60)


def pace(seconds_per_step: float | None) -> str:
    """`3.1 s/step`, or `12 steps/s` if a step takes less than half a second."""
    if seconds_per_step is None or not 0 < seconds_per_step < LONGEST_S:
        return UNKNOWN
    if seconds_per_step >= 0.5:
        return f"{_three(seconds_per_step)} s/step"
    return f"{_three(1 / seconds_per_step)} steps/s"


def _three(value: float) -> str:
    if value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}"


def file_size(size_bytes: float | None) -> str:
    """Decimal units, as file managers and `[expect] checkpoint_mb` count."""
    return _scaled(size_bytes, 1000.0)


def memory_size(size_bytes: float | None) -> str:
    """Units of 1024, as memory is sold: a 16 GB machine shows 16 GB."""
    return _scaled(size_bytes, 1024.0)


def _scaled(size_bytes: float | None, unit: float) -> str:
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    value, name = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < unit * 0.9995:
            break
        value, name = value / unit, larger
    if name == "B":
        return f"{value:.0f} B"
    return f"{value:.1f} {name}" if value < 99.95 else f"{value:.0f} {name}"


def pressure_word(level: int) -> str:
    """Of macOS's memory pressure: 1 is normal, 2 a warning, 4 critical; levels above are even worse."""
    if level >= 4:
        return "critical"
    return "high" if level >= 2 else "normal"


def loss(value: float | None) -> str:
    """Four digits after the point for the usual losses, three significant ones elsewhere."""
    if value is None:
        return UNKNOWN
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0 or 0.001 <= abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:.3g}"


def count(number: int, noun: str) -> str:
    """`1 warning`, `2 warnings`, `no warnings`."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def percent(fraction: float | None) -> str:
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    return f"{fraction * 100:.0f} %"


def change_percent(percent_value: float) -> str:
    """A change without its sign: one digit after the point below 10 %."""
    size = abs(percent_value)
    return f"{size:.1f} %" if size < 1 else f"{size:.0f} %"
