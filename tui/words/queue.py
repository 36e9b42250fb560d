"""Words of queued runs, for the screen and the command. Pure."""

from __future__ import annotations

import time

from runner.model import RunListing
from tui.text import clean

DAY_S = 86_400


def expected(at: float | None, now: float | None = None) -> str:
    """`14:05`; with the day if it is not today. "" for an unknown time."""
    if at is None:
        return ""
    now = time.time() if now is None else now
    try:
        when, today = time.localtime(at), time.localtime(now)
    except (ValueError, OverflowError, OSError):
        return ""
    if at <= now:
        return "now"
    if when[:3] == today[:3]:
        return time.strftime("%H:%M", when)
    return time.strftime("%a %H:%M" if at - now < 6 * DAY_S else "%Y-%m-%d %H:%M", when)


def place_of(one: RunListing) -> int | None:
    return one.waiting.place if one.waiting is not None else None


def waits_for(one: RunListing) -> str:
    """One phrase: why a held run is held, else what it waits for."""
    waiting = one.waiting
    if waiting is not None and waiting.held:
        return clean(f"held: {waiting.reason}", 300)
    if waiting is not None and waiting.reason:
        return clean(waiting.reason, 300)
    if waiting is None or waiting.place is None:
        return clean(f"the queue of {one.host}", 100)
    return f"its turn, number {waiting.place} of {waiting.places}"
