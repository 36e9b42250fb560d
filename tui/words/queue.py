"""Words of queued runs, for the screen and the command. Pure."""

from __future__ import annotations

import time

from runner.model import RunListing, Waiting
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


def waiting_line(waiting: Waiting, now: float) -> str:
    """`queued: number 2 of 5, starts about 14:05`, or why it is held."""
    if waiting.held:
        return f"held: {waiting.reason}"
    at = expected(waiting.expected_start_at, now)
    facts = (
        waiting.reason,
        f"number {waiting.place} of {waiting.places}" if waiting.place else "",
        f"starts about {at}" if at and at != "now" else "",
    )
    known = ", ".join(fact for fact in facts if fact)
    return f"queued: {known}" if known else "queued"


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
