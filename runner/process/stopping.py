"""Stopping a training for good: INT, TERM, KILL, with patience between, and proof at the end.

sd-scripts saves nothing on a signal, so when to begin is the caller's choice; once begun, nothing of the
training may be left (a trainer orphaned by a signal to its launcher alone goes on training).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable

from runner.process.family import Member, family, signal_group

POLL_S = 0.1
#: a torchrun-like launcher gives its ranks 30 s of its own before it kills them
RANKS_GRACE_S = 35.0
#: killed processes leave at once, unless they wait for a disk or a driver
KILL_PATIENCE_S = 5.0
#: reading the process table takes 0.1 s, more on a busy machine: KILL must not wait for it
LOOK_PATIENCE_S = 0.4

Tell = Callable[..., None]


async def stop_training(
    roots: tuple[int | None, ...],
    pgid: int,
    known: dict[int, Member],
    grace_s: tuple[float, float],
    tell: Tell,
    hurry: asyncio.Event,
) -> bool:
    """Climb the ladder; each rung is told as an event. True when no process of the training is left.

    `known`: members seen by now, which may have left the tree since. `hurry`: once it is set, KILL is next,
    whatever the rung. The keeper is never signalled.
    """
    members = dict(known)
    if not members:
        await _look(members, roots, pgid)
    ranks = any(not m.same_group for m in members.values() if m.name.startswith("python"))
    patience = (
        max(grace_s[0], RANKS_GRACE_S) if ranks and grace_s[0] >= 5 else grace_s[0],
        grace_s[1],
    )
    for number, wait_s in ((signal.SIGINT, patience[0]), (signal.SIGTERM, patience[1])):
        if hurry.is_set() or not signal_group(pgid, members, number):
            break
        tell("signalled", signal=number.name, processes=_living(members))
        if await _gone(members, roots, pgid, wait_s, hurry):
            break
    await _kill(members, roots, pgid, tell)
    left = _living(members)
    tell("all_gone" if not left else "survivors", processes=left, seen=len(members))
    return not left


async def _kill(
    members: dict[int, Member], roots: tuple[int | None, ...], pgid: int, tell: Tell
) -> None:
    """KILL until nobody is left: a process that was forked meanwhile is killed like the others."""
    told: set[int] = set()
    deadline = time.monotonic() + KILL_PATIENCE_S
    while True:
        left = _living(members)
        if left:
            signal_group(pgid, members, signal.SIGKILL)
            for member in members.values():
                member.signal(signal.SIGKILL)
        if not told.issuperset(left):
            tell("signalled", signal="SIGKILL", processes=left)
            told.update(left)
        await _look(members, roots, pgid)
        if not _living(members) or time.monotonic() > deadline:
            return
        await asyncio.sleep(POLL_S)


async def _look(members: dict[int, Member], roots: tuple[int | None, ...], pgid: int) -> None:
    """Add who belongs to the training now. Where looking takes too long, those who are known must do."""
    with contextlib.suppress(TimeoutError):
        found = await asyncio.wait_for(asyncio.to_thread(family, roots, pgid), LOOK_PATIENCE_S)
        members.update(found)


def _living(members: dict[int, Member]) -> list[int]:
    return sorted(member.pid for member in members.values() if member.alive())


async def _gone(
    members: dict[int, Member],
    roots: tuple[int | None, ...],
    pgid: int,
    wait_s: float,
    hurry: asyncio.Event,
) -> bool:
    """Wait until nobody is left, or for `hurry`; children born meanwhile count too."""
    deadline = time.monotonic() + wait_s
    look = 0.0
    while time.monotonic() < deadline and not hurry.is_set():
        if time.monotonic() >= look:
            await _look(members, roots, pgid)
            look = time.monotonic() + 1.0
        if not _living(members):
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), POLL_S)
    return not _living(members)
