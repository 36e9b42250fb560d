"""The processes of an attempt whose record could not be written, or cannot be read: a full disk, no free
inode.

A trainer is known by its output: stdout or stderr is the run's console.log, and so for its children. Its
keeper is known by its command line. Nothing is considered dead, and nothing is started in its place, before
searching for both.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from runner.files.private import FILE_MODE
from runner.files.regular_file import open_regular
from runner.model import ExitRecord, KeeperRecord
from runner.store.attempt import newest_attempt
from runner.store.journal import Unreadable, read_json, readable
from runner.store.liveness import created_at, is_keeper, same_process
from runner.store.rundir import RunDir

#: create times and file times use ticks of different clocks
_SLACK_S = 2.0
#: a keeper records its start, and starts its trainer; the clock may be set a little meanwhile
_STARTING_S = 60.0
_BLOCK_BYTES = 1 << 20
#: what Linux adds to the name of an open file that was deleted
_DELETED = " (deleted)"


def keeper_pids(run: RunDir, attempt: int | None = None) -> list[int]:
    """The live keepers of a run folder (and of this attempt), oldest first."""
    import psutil

    found = [pid for pid in psutil.pids() if is_keeper(pid, run.path, attempt)]
    return sorted(found, key=lambda pid: created_at(pid) or 0.0)


def writing_pids(run: RunDir) -> list[int]:
    """Live processes with output to this run's console.log, oldest first."""
    pids = [pid for pid, path in _outputs() if path == os.path.realpath(run.console)]
    return sorted(dict.fromkeys(pids), key=lambda pid: created_at(pid) or 0.0)


def open_console(run: RunDir) -> BinaryIO | None:
    """console.log after it was deleted: its writers still have it open. None: it is gone."""
    for pid in writing_pids(run):
        for number in (1, 2):
            with contextlib.suppress(OSError):
                path = Path(f"/proc/{pid}/fd/{number}")
                if str(path.readlink()) == os.path.realpath(run.console) + _DELETED:
                    return open_regular(path)
    return None


def folders_with_processes(age_s: float = 0.0) -> frozenset[str]:
    """The real paths of the run folders with a live process writing to console.log; the answer may be `age_s`
    old."""
    global _folders
    now = time.monotonic()
    if now - _folders[0] >= age_s:
        split = (os.path.split(path) for _, path in _outputs())
        _folders = now, frozenset(folder for folder, name in split if name == "console.log")
    return _folders[1]


_folders: tuple[float, frozenset[str]] = -math.inf, frozenset()


def _outputs() -> Iterator[tuple[int, str]]:
    """(pid, file) of the stdout and stderr of every readable process."""
    import psutil

    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error, ValueError):
            if sys.platform == "linux":
                for number in (1, 2):
                    path = str(Path(f"/proc/{pid}/fd/{number}").readlink())
                    yield pid, path.removesuffix(_DELETED)
            else:
                for one in psutil.Process(pid).open_files():
                    if one.fd in (1, 2):
                        yield pid, os.path.realpath(one.path)


def still_runs(run: RunDir) -> bool:
    """Is any process of the newest attempt alive, whatever its records say? An exit recorded by its keeper
    ends it: background leftovers of a trainer may keep writing."""
    try:
        attempt = newest_attempt(run)
        if read_json(run.exit, ExitRecord).attempt >= attempt:
            return False
    except (Unreadable, OSError):
        pass
    return bool(keeper_pids(run) or writing_pids(run))


def was_started(run: RunDir, attempt: int) -> bool:
    """Did a keeper begin this attempt? By its mark; if that was deleted, by what else it wrote."""
    if run.started(attempt).exists():
        return True
    records = readable(run.keeper, KeeperRecord), readable(run.exit, ExitRecord)
    if any(one is not None and one.attempt >= attempt for one in records):
        return True
    return attempt_offset(run, attempt) is not None


def mark_started(run: RunDir, attempt: int) -> None:
    """Create the mark that a keeper must create first, unless it exists: no keeper can start this attempt
    later. Its time is before any start: it may replace a deleted one. A full disk may refuse it."""
    with contextlib.suppress(OSError):
        os.close(os.open(run.started(attempt), os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        planned = run.attempt(attempt)
        before = planned.stat().st_mtime if planned.exists() else 0.0
        os.utime(run.started(attempt), (before, before))


def record_of(run: RunDir, attempt: int) -> KeeperRecord | None:
    """Who runs the attempt, from live processes only; None: none, or its keeper has not started anything yet.
    `keeper_pid` is -1 if the keeper has ended."""
    try:
        begun = run.started(attempt).stat().st_mtime
    except OSError:
        begun = 0.0
    keepers = keeper_pids(run, attempt)
    pids = [pid for pid in writing_pids(run) if pid not in keepers]
    if attempt > 1:  # may be left over from an earlier attempt
        pids = [pid for pid in pids if (created_at(pid) or 0.0) >= begun - _SLACK_S]
    for pid in pids:
        with contextlib.suppress(OSError):
            return KeeperRecord(
                attempt=attempt,
                keeper_pid=keepers[0] if keepers else -1,
                pid=pid,
                pgid=os.getpgid(pid),
                started_at=created_at(pid) or begun,
                console_offset=attempt_offset(run, attempt) or 0,
            )
    return None


def still_names(run: RunDir, record: KeeperRecord, trainer_created_at: float | None) -> bool:
    """Do the pids of this record still belong to the run? After a reboot, and once every pid was used, other
    programs have them. `trainer_created_at`: as a supervisor saw it."""
    if is_keeper(record.keeper_pid, run.path) or writing_pids(run):
        return True
    # not only that exact process: it must also have been started when the record says
    known = trainer_created_at
    begun = known is not None and abs(known - record.started_at) < _STARTING_S
    return begun and same_process(record.pid, known)


def attempt_mark(attempt: int) -> bytes:
    """What the keeper writes first into console.log."""
    return f"--- plasma-tui attempt {attempt} ".encode()


def attempt_offset(run: RunDir, attempt: int) -> int | None:
    """Where an attempt's line starts in console.log: written by its keeper just before it starts the trainer.
    None: the keeper did not get that far."""
    mark = attempt_mark(attempt)
    found, offset, rest = None, 0, b""
    with contextlib.suppress(OSError), open_regular(run.console) as stream:
        while block := stream.read(_BLOCK_BYTES):
            data = rest + block
            at = data.find(mark)
            while at >= 0:
                if (at == 0 and offset == 0) or data[at - 1 : at] == b"\n":
                    found = offset + at
                at = data.find(mark, at + 1)
            keep = len(mark)  # a mark, and the byte before it, may be truncated
            offset, rest = offset + len(data) - keep, data[-keep:]
    return found
