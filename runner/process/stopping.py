"""Stops a training completely: INT, TERM, KILL, with waits in between, and proof at the end.

sd-scripts saves nothing on a signal, so the caller decides when to begin; once begun, no process of the
training may be left (a trainer orphaned by a signal to its launcher alone keeps training).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from runner.process.family import Member, family, signal_group

POLL_S = 0.1
#: a torchrun-like launcher gives its ranks 30 s before it kills them
RANKS_GRACE_S = 35.0
#: killed processes exit at once, unless they wait for a disk or a driver
KILL_PATIENCE_S = 5.0
#: reading the process table takes 0.1 s, more on a busy machine: KILL must not wait for it
LOOK_PATIENCE_S = 0.4

Emit = Callable[..., None]


async def stop_training(
    roots: tuple[int, ...],
    pgid: int,
    known: dict[int, Member],
    grace_s: tuple[float, float],
    emit: Emit,
    hurry: asyncio.Event,
) -> bool:
    """Escalate signals; each one is an event. True when no process of the training is left.

    `known`: members seen so far, which may have left the tree since. `hurry`: once set, KILL is next,
    whatever the previous signal. The keeper is never signalled.
    """
    group = _Group(roots, pgid, dict(known))
    if not known:
        await group.look()
    members = group.members.values()
    ranks = any(not m.same_group for m in members if m.name.startswith("python"))
    after_int_s, after_term_s = grace_s
    if ranks and after_int_s >= 5:
        after_int_s = max(after_int_s, RANKS_GRACE_S)
    for number, wait_s in ((signal.SIGINT, after_int_s), (signal.SIGTERM, after_term_s)):
        if hurry.is_set() or not signal_group(pgid, group.members, number):
            break
        emit("signalled", signal=number.name, processes=group.living)
        if await group.gone(wait_s, hurry):
            break
    await group.kill(emit)
    left = group.living
    emit("all_gone" if not left else "survivors", processes=left, seen=len(members))
    return not left


@dataclass(slots=True)
class _Group:
    """The processes of a training seen so far."""

    roots: tuple[int, ...]
    pgid: int
    members: dict[int, Member]

    @property
    def living(self) -> list[int]:
        return sorted(member.pid for member in self.members.values() if member.alive())

    async def look(self) -> None:
        """Add current members. If that takes too long, use the known ones."""
        with contextlib.suppress(TimeoutError):
            found = asyncio.to_thread(family, self.roots, self.pgid)
            self.members.update(await asyncio.wait_for(found, LOOK_PATIENCE_S))

    async def gone(self, wait_s: float, hurry: asyncio.Event) -> bool:
        """Wait until none is left, or for `hurry`; children born meanwhile count too."""
        deadline, look_at = time.monotonic() + wait_s, 0.0
        while time.monotonic() < deadline and not hurry.is_set():
            if time.monotonic() >= look_at:
                await self.look()
                look_at = time.monotonic() + 1.0
            if not self.living:
                return True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), POLL_S)
        return not self.living

    async def kill(self, emit: Emit) -> None:
        """KILL until none is left: a process that was forked meanwhile is killed like the others."""
        told: set[int] = set()
        deadline = time.monotonic() + KILL_PATIENCE_S
        while True:
            left = self.living
            if left:
                signal_group(self.pgid, self.members, signal.SIGKILL)
                for member in self.members.values():
                    member.signal(signal.SIGKILL)
            if not told.issuperset(left):
                emit("signalled", signal="SIGKILL", processes=left)
                told.update(left)
            await self.look()
            if not self.living or time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_S)
