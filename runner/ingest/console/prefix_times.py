"""The time in a line's prefix, in any of the usual formats. Pure."""

from __future__ import annotations

import calendar
import re
import time

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_CLOCK = r"(?P<h>\d\d?):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,](?P<fraction>\d{1,9})\d*)?(?P<half> ?[AP]M)?"
_FORMATS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<y>\d{4})[-/.](?P<mo>\d\d?)[-/.](?P<d>\d\d?)[T ,_]+"
        + _CLOCK
        + r"(?: ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d))?",
        r"(?P<name>[A-Z][a-z]{2}) +(?P<d>\d\d?),? (?:(?P<y>\d{4}),? )?" + _CLOCK,
        r"(?<!\d)(?P<epoch>1[5-9]\d{8}|[2-3]\d{9})(?:\.(?P<fraction>\d{1,9})\d*)?(?!\d)",
        r"(?<!\d)" + _CLOCK,
    )
)
_DAY_S = 86400.0


class PrefixClock:
    """`near_at`: when the log was last written, for formats without a year or a day. `undated`: some times
    had no day."""

    def __init__(self, near_at: float) -> None:
        self._near_at = near_at
        self.undated = False
        self._last: tuple[str, float | None] = ("", None)
        self._days = 0
        self._before = 0.0

    def time_of(self, prefix: str) -> float | None:
        """Seconds since 1970, local time without a zone. None: it has no time."""
        if prefix != self._last[0]:
            self._last = prefix, self._read(prefix)
        return self._last[1]

    def _read(self, prefix: str) -> float | None:
        match = next(filter(None, (known.search(prefix) for known in _FORMATS)), None)
        if match is None:
            return None
        found = match.groupdict()
        fraction = float(f"0.{found['fraction']}") if found["fraction"] else 0.0
        try:
            if found.get("epoch"):
                return int(found["epoch"]) + fraction
            return self._dated(found) + fraction
        except (ValueError, OverflowError):
            return None

    def _dated(self, found: dict[str, str | None]) -> float:
        hour, minute, second = (int(found[name] or 0) for name in ("h", "mi", "s"))
        if found["half"]:
            hour = hour % 12 + (12 if found["half"].strip() == "PM" else 0)
        if max(hour / 24, minute / 60, second / 61) >= 1:
            raise ValueError(found)
        near = time.localtime(self._near_at)
        clock = (hour, minute, second, 0, 0, -1)
        if not found.get("d"):
            # the first time is taken as of the day of the log, later ones as of the days after it
            self.undated = True
            of_day = hour * 3600.0 + minute * 60 + second
            self._days += of_day < self._before - _DAY_S / 2
            self._before = of_day
            return time.mktime((near.tm_year, near.tm_mon, near.tm_mday + self._days, *clock))
        name = found.get("name")
        month = int(found["mo"] or 0) if "mo" in found else _MONTHS.get(name or "", 0)
        day, year = int(found["d"] or 0), int(found["y"] or near.tm_year)
        if not (1 <= month <= 12 and 1 <= day <= 31 and year >= 1970):
            raise ValueError(found)
        zone = found.get("zone")
        if zone:
            clock_there = (year, month, day, hour, minute, second, 0, 0, 0)
            return calendar.timegm(clock_there) - _offset_s(zone)
        at = time.mktime((year, month, day, *clock))
        if not found["y"] and at > self._near_at + _DAY_S:
            at = time.mktime((year - 1, month, day, *clock))
        return at


def _offset_s(zone: str) -> float:
    digits = zone.replace(":", "")[1:]
    if not digits.isdigit():
        return 0.0
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
