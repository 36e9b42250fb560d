"""The folder `notices/` of a run: one file per notification, first pending, then with its result.

A notification is stored before it is sent, so it survives a kill -9. Its file is named after its occasion:
the same occasion is never reported twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.files.private import FOLDER_MODE, open_lock, private_opener
from runner.notify.channel import Result
from runner.notify.message import Message
from runner.process.spawn import module_command, start_detached
from runner.store.journal import readable, write_json
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir

HOUR_S = 3600.0
#: attempts at one notification before giving up
MOST_TRIES = 3
#: the sending process forks at once; longer than this means the machine has other problems
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Note:
    """A notification and its result. `done_at` None: pending. `held`: not sent, there were too many."""

    message: Message
    tries: int = 0
    done_at: float | None = None
    results: tuple[Result, ...] = ()
    held: bool = False


class Box:
    """The notifications of one run. Writes raise OSError."""

    def __init__(self, run: RunDir) -> None:
        self.folder = run.notices

    def put(self, message: Message) -> bool:
        """Store it for sending; False if this occasion was already reported."""
        known = readable(self._path(message), Note) or Note(message)
        if known.done_at is not None:
            return False
        self.folder.mkdir(FOLDER_MODE, exist_ok=True)
        self._write(replace(known, message=message))
        return True

    def waiting(self) -> list[Note]:
        """Pending ones, oldest occasion first."""
        found = [note for note in self._all() if note.done_at is None]
        return sorted(found, key=lambda note: (note.message.end, note.message.at))

    def sent_lately(self, now: float) -> int:
        """How many were actually sent within the last hour."""
        times = [n.done_at for n in self._all() if n.done_at is not None and not n.held]
        return sum(now - HOUR_S < at <= now for at in times)

    def count_try(self, note: Note) -> Note:
        """Before anything is sent."""
        return self._write(replace(note, tries=note.tries + 1))

    def close(self, note: Note, results: tuple[Result, ...], *, held: bool = False) -> None:
        """It was sent, or will not be."""
        self._write(replace(note, done_at=time.time(), results=results, held=held))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process sends at a time; waits for the previous one."""
        fd = open_lock(self.folder / "lock")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _path(self, message: Message) -> Path:
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', message.key)}.json"

    def _write(self, note: Note) -> Note:
        write_json(self._path(note.message), note, durable=True)
        return note

    def _all(self) -> list[Note]:
        paths = sorted(path for path in self.folder.glob("*.json") if path.name[0] != ".")
        return [note for path in paths if (note := readable(path, Note)) is not None]


# --------------------------------------------------------------------------- the sending process


def send_waiting(run: RunDir) -> None:
    """Send pending ones in a detached process, without waiting for it. Raises OSError,
    subprocess.TimeoutExpired."""
    with open(run.log, "ab", opener=private_opener) as log:
        child = start_detached(module_command("runner.notify", str(run.path)), log)
    child.wait(PATIENCE_S)


def anything_waiting(run: RunDir) -> bool:
    """Is a notification pending without a sender? Cheap if a run has none."""
    box = Box(run)
    return box.folder.is_dir() and bool(box.waiting()) and not lock_held(box.folder / "lock")
