"""Stopping a training for good: INT, TERM, KILL, with patience between, and proof at the end.

sd-scripts saves nothing on a signal, so when to begin is the caller's choice; once begun, nothing of the
training may be left (a trainer orphaned by a signal to its launcher alone goes on training).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

from runner.process import Member, family, signal_group

POLL_S = 0.1
#: a torchrun-like launcher gives its ranks 30 s of its own before it kills them
RANKS_GRACE_S = 35.0

Tell = Callable[..., None]


async def stop_training(
    roots: tuple[int | None, ...],
    pgid: int,
    known: dict[int, Member],
    grace_s: tuple[float, float],
    tell: Tell,
) -> bool:
    """Climb the ladder; each rung is told as an event. True when no process of the training is left.

    `known`: members seen earlier, which may have left the tree since. The keeper is never signalled.
    """
    members = {**known, **family(roots, pgid)}
    ranks = any(not m.same_group for m in members.values() if m.name.startswith("python"))
    patience = (
        max(grace_s[0], RANKS_GRACE_S) if ranks and grace_s[0] >= 5 else grace_s[0],
        grace_s[1],
    )
    for number, wait_s in ((signal.SIGINT, patience[0]), (signal.SIGTERM, patience[1])):
        if not signal_group(pgid, members, number):
            break
        tell("signalled", signal=number.name, processes=_living(members))
        if await _gone(members, roots, pgid, wait_s):
            break
    left = _living(members)
    if left:
        signal_group(pgid, members, signal.SIGKILL)
        for member in members.values():
            member.signal(signal.SIGKILL)
        tell("signalled", signal="SIGKILL", processes=left)
        await _gone(members, roots, pgid, 5.0)
    members.update(family(roots, pgid))
    left = _living(members)
    tell("all_gone" if not left else "survivors", processes=left, seen=len(members))
    return not left


def _living(members: dict[int, Member]) -> list[int]:
    return sorted(member.pid for member in members.values() if member.alive())


async def _gone(
    members: dict[int, Member], roots: tuple[int | None, ...], pgid: int, wait_s: float
) -> bool:
    """Wait until nobody is left; children born meanwhile count too."""
    deadline = time.monotonic() + wait_s
    look = 0.0
    while time.monotonic() < deadline:
        if time.monotonic() >= look:
            members.update(family(roots, pgid))
            look = time.monotonic() + 1.0
        if not _living(members):
            return True
        await asyncio.sleep(POLL_S)
    return not _living(members)
