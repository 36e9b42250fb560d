"""The trainer's processes: who belongs to it, and how to signal them all and prove that they are gone.

Facts (measured on sd-scripts): `accelerate launch` forwards no signal, so the group is signalled; ranks of a
multi-GPU launch live in sessions of their own, so descendants are noted before the first signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the training, told from a later one with the same number by its create time."""

    pid: int
    created_at: float
    name: str
    same_group: bool

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.created_at) < 1.0
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def signal(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False if it is gone."""
        if not self.alive():
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)
            return True
        return False


def member_of(pid: int, pgid: int) -> Member | None:
    """The living process with this number; None if there is none."""
    with contextlib.suppress(psutil.Error):
        return _member(psutil.Process(pid), pgid)
    return None


def _member(process: psutil.Process, pgid: int) -> Member | None:
    with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        group = os.getpgid(process.pid)
        return Member(process.pid, process.create_time(), process.name(), group == pgid)
    return None


def family(roots: tuple[int | None, ...], pgid: int | None) -> dict[int, Member]:
    """Living descendants of `roots` (which are left out unless in the group) and all of the group."""
    found: dict[int, Member] = {}
    group = pgid if pgid is not None else -1
    for root in roots:
        if root is None or root <= 0:
            continue
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(root).children(recursive=True):
                member = _member(child, group)
                if member is not None:
                    found[member.pid] = member
    if pgid is not None:
        for pid in _group_pids(pgid) - found.keys():
            with contextlib.suppress(psutil.Error):
                member = _member(psutil.Process(pid), group)
                if member is not None:
                    found[member.pid] = member
    return found


def _group_pids(pgid: int) -> set[int]:
    """Numbers of the processes in a group; cheap system calls only."""
    pids = set()
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pgid:
                pids.add(pid)
    return pids


def signal_group(pgid: int, members: dict[int, Member], number: signal.Signals) -> bool:
    """Signal the trainer's group, only if one of its known members still lives in it."""
    if not any(member.same_group and member.alive() for member in members.values()):
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)
        return True
    return False
