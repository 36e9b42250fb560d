"""The trainer's processes: which belong to it, how to signal all of them, and how to prove that they are
gone.

Facts (measured on sd-scripts): `accelerate launch` forwards no signal, so the group is signalled; ranks of a
multi-GPU launch have their own sessions, so descendants are recorded before the first signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_BOOTED_AT = psutil.boot_time()


def _created_at(process: psutil.Process) -> float:
    """The same at every look, even if the machine's clock is set meanwhile: Linux counts it from the boot."""
    moved_s = psutil.boot_time() - _BOOTED_AT if sys.platform == "linux" else 0.0
    return process.create_time() - moved_s


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the training, distinguished from a reused pid by its create time."""

    pid: int
    created_at: float
    name: str
    same_group: bool

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return (
                abs(_created_at(process) - self.created_at) < 1.0
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def signal(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False if it has ended."""
        if not self.alive():
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)
            return True
        return False


def member_of(one: int | psutil.Process, pgid: int | None) -> Member | None:
    """The live process, or the one with this pid; None if there is none."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(one) if isinstance(one, int) else one
        if process.status() != psutil.STATUS_ZOMBIE:
            same_group = os.getpgid(process.pid) == pgid
            return Member(process.pid, _created_at(process), process.name(), same_group)
    return None


def family(roots: Iterable[int], pgid: int | None) -> dict[int, Member]:
    """Live descendants of `roots` (which are left out unless in the group) and all of the group."""
    found: dict[int, int | psutil.Process] = {pid: pid for pid in _group_pids(pgid)}
    for root in roots:
        if root > 0:
            with contextlib.suppress(psutil.Error):
                found |= {one.pid: one for one in psutil.Process(root).children(recursive=True)}
    members = (member_of(one, pgid) for one in found.values())
    return {member.pid: member for member in members if member is not None}


def _group_pids(pgid: int | None) -> set[int]:
    """Pids of the processes in a group; cheap system calls only."""
    pids = set()
    for pid in psutil.pids() if pgid is not None else ():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pgid:
                pids.add(pid)
    return pids


def signal_group(pgid: int, members: dict[int, Member], number: signal.Signals) -> bool:
    """Signal the trainer's group, only if one of its known members is still alive in it."""
    if not any(member.same_group and member.alive() for member in members.values()):
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)
        return True
    return False
