"""Words about another machine whose runs are listed. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tui.text import clean
from tui.words.runs import DAY_S, date_of, when

if TYPE_CHECKING:
    from runner.hosts.runs import HostRuns
    from runner.model import RunListing


def host_lines(states: Iterable[HostRuns], now: float) -> list[str]:
    """One for each host with something to say: no answer, or more runs than are listed."""
    return [line for one in states if (line := host_line(one, now))]


def host_line(one: HostRuns, now: float) -> str:
    """`gpu2: no answer since 14:02; its runs as of 3 min ago (timed out)`; empty: all is well."""
    name = clean(one.host, 60)
    if one.problem:
        since, age, why = _since(one.since, now), _age(one, now), clean(one.problem, 200)
        return f"{name}: no answer{since}{age} ({why})"
    if one.total > len(one.runs):
        return f"{name}: {len(one.runs)} of {one.total} runs are listed"
    return ""


def _since(at: float | None, now: float) -> str:
    if at is None or now - at < 60:
        return ""
    shape = "%H:%M" if now - at < DAY_S else "%Y-%m-%d %H:%M"
    return f" since {time.strftime(shape, time.localtime(at))}"


def _age(one: HostRuns, now: float) -> str:
    """A run in sight may be over by now."""
    if one.read_at is None or not one.runs:
        return ""
    return f"; its runs as of {when(one.read_at, now) or date_of(one.read_at)}"


def together(local: Sequence[RunListing], states: Iterable[HostRuns]) -> tuple[RunListing, ...]:
    """The runs of this machine and of the others."""
    return (*local, *(run for one in states for run in one.runs))
