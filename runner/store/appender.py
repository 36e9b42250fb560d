"""Appends to a journal, whatever a full disk or another program does to the file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from runner.files.private import private_opener
from runner.store.journal import DISK_FULL
from runner.store.rundir import RunDir

#: a deleted file is created again after this time: whoever deletes the folder has finished by then
DELETION_S = 0.5
#: lines refused by a full disk are kept up to this size
OWED_BYTES = 1 << 24


class Appender:
    """Appends lines to a journal; survives a torn tail, a full disk, and other programs that cut, replace or
    delete the file. Refused lines are kept, up to OWED_BYTES, and written before later ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        #: when the disk last had no room for a line, Unix time
        self.full_at: float | None = None
        self._owed = b""
        self._missing_since: float | None = None
        self._fd = self._open()
        self._seen = _mark(os.fstat(self._fd))

    def _open(self) -> int:
        return private_opener(str(self.path), os.O_RDWR | os.O_APPEND | os.O_CREAT)

    def look(self) -> bool:
        """Follow the file. True: another program changed it since the last look, so lines may be lost."""
        try:
            found = self.path.lstat()
        except OSError:
            if not RunDir(self.path.parent).is_there:
                self._missing_since = None
                return False  # gone with its folder: if that was moved, the open file is still the journal
            self._missing_since = self._missing_since or time.monotonic()
            if time.monotonic() - self._missing_since < DELETION_S:
                return False
        else:
            if os.path.samestat(found, os.fstat(self._fd)):
                before, self._seen = self._seen, _mark(found)
                return before != self._seen
        try:
            new = self._open()
        except OSError:
            return False  # a disk that is full or read-only: the next look may succeed
        os.close(self._fd)
        self._fd, self._seen, self._missing_since = new, _mark(os.fstat(new)), None
        return True

    def append(self, line: bytes) -> bool:
        """Write one line (or several, joined). False if the disk refused; `problem` says why."""
        self.look()
        lines = self._owed + line.rstrip(b"\n") + b"\n"
        if self._missing_since is not None:
            self.problem = f"{self.path.name}: deleted"
            self._owe(lines)
            return False
        try:
            data = (b"\n" if self._is_torn() else b"") + lines
            written = os.write(self._fd, data)
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror}"
            if error.errno in DISK_FULL:
                self.full_at = time.time()
            self._owe(lines)
            return False
        finally:  # a refused write may change the file's time, too
            self._seen = _mark(os.fstat(self._fd))
        # a partially written line is written again: readers skip the torn one
        done = data.rfind(b"\n", 0, written) + 1
        self._owe(data[done:])
        if self._owed:
            self.full_at = time.time()
        self.problem = f"{self.path.name}: disk full" if self._owed else None
        return not self._owed

    def _is_torn(self) -> bool:
        """Asked of the file itself: it may have been cut."""
        size = os.fstat(self._fd).st_size
        return size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def _owe(self, lines: bytes) -> None:
        self._owed = (
            lines if len(lines) <= OWED_BYTES else lines[: lines.rfind(b"\n", 0, OWED_BYTES) + 1]
        )

    def retry(self) -> None:
        """Write lines that were refused before, if any."""
        if self._owed:
            owed, self._owed = self._owed, b""
            self.append(owed)

    def close(self) -> None:
        os.close(self._fd)


def _mark(found: os.stat_result) -> tuple[int, int]:
    """Changes with every write."""
    return found.st_size, found.st_mtime_ns
