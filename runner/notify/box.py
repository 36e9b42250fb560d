"""The folder `notices/` of a run: one file a notice, first as something to be sent, then with what came of it.

A notice is put down before it is sent, so whoever comes after a kill -9 finds it. Its file is named after its
occasion: the same occasion is not told twice.
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

from runner.files.private import FILE_MODE, FOLDER_MODE
from runner.notify.message import Message
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import RunDir

HOUR_S = 3600.0
#: so many processes may die over one notice before it is given up
MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one channel; `text` names no address and no secret."""

    channel: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A notice and its fate. `done_at` None: still to be sent. `held`: not sent, there were too many."""

    message: Message
    tries: int = 0
    done_at: float | None = None
    results: tuple[Result, ...] = ()
    held: bool = False


class Box:
    """The notices of one run."""

    def __init__(self, run: RunDir) -> None:
        self.folder = run.notices

    def _path(self, key: str) -> Path:
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', key)}.json"

    def put(self, message: Message) -> bool:
        """Put it down to be sent; False if this occasion has been told. Raises OSError."""
        known = self._read(self._path(message.key))
        if known is not None and known.done_at is not None:
            return False
        self.folder.mkdir(FOLDER_MODE, exist_ok=True)
        tries = known.tries if known is not None else 0
        write_json(self._path(message.key), Note(message, tries), durable=True)
        return True

    def waiting(self) -> list[Note]:
        """Those to be sent, the oldest occasion first."""
        found = [note for note in self._all() if note.done_at is None]
        return sorted(found, key=lambda note: (note.message.end, note.message.at))

    def sent_lately(self, now: float) -> int:
        """How many were really sent within the last hour."""
        times = [n.done_at for n in self._all() if n.done_at is not None and not n.held]
        return sum(now - HOUR_S < at <= now for at in times)

    def count_try(self, note: Note) -> Note:
        """Before anything is sent. Raises OSError."""
        tried = replace(note, tries=note.tries + 1)
        write_json(self._path(note.message.key), tried, durable=True)
        return tried

    def close(self, note: Note, results: tuple[Result, ...], *, held: bool = False) -> None:
        """It was sent, or is not going to be. Raises OSError."""
        done = replace(note, done_at=time.time(), results=results, held=held)
        write_json(self._path(note.message.key), done, durable=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process sends at a time; waits for the one before."""
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _all(self) -> list[Note]:
        try:
            names = sorted(p for p in self.folder.iterdir() if p.suffix == ".json")
        except OSError:
            return []
        notes = (self._read(path) for path in names if not path.name.startswith("."))
        return [note for note in notes if note is not None]

    @staticmethod
    def _read(path: Path) -> Note | None:
        try:
            return read_json(path, Note)
        except Unreadable:
            return None
