"""Files of a run folder that are read repeatedly: each reader keeps its position."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from runner.files.regular_file import open_regular
from runner.store.journal import LineTail, Newer, Unreadable, lines_of, read_json

T = TypeVar("T")

CONSOLE_LINES = 2000
#: more unread data than this is skipped, except its end
_CONSOLE_BYTES, _CONSOLE_END_BYTES = 1 << 20, 1 << 18


class Cached(Generic[T]):
    """A small file, decoded again only when its stat has changed. For a torn file the last good `value`
    stays, and `problem` is one sentence. Of a `newer` version's file nothing is kept."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path, self.kind = path, kind
        self.value: T | None = None
        self.problem: str | None = None
        self.newer = ""
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        return self._stat() != self._seen

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> T | None:
        seen = self._stat()
        if seen != self._seen:
            self.newer = ""
        if seen is None:
            self.value = self.problem = None
        elif seen != self._seen:
            try:
                self.value, self.problem = read_json(self.path, self.kind), None
            except Newer as error:
                self.value, self.problem, self.newer = None, str(error), str(error)
            except Unreadable as error:
                self.problem = str(error)
        self._seen = seen
        return self.value


class JournalTail(LineTail, Generic[T]):
    """The values of a growing journal, each passed to `take` once; `restart`: the file was replaced."""

    def __init__(
        self,
        path: Path,
        kind: type[T],
        take: Callable[[list[T]], None],
        restart: Callable[[], None],
    ) -> None:
        super().__init__(path)
        self._kind, self._take, self._restart = kind, take, restart
        self.bad_lines = 0

    def changed(self) -> bool:
        return super().changed() or self.pending_bytes > 0

    def read_values(self, budget_s: float) -> None:
        for block in self.read(budget_s):
            if self.restarted:
                self._restart()
                self.restarted = False
            values, bad = lines_of(block, self._kind)
            self.bad_lines += bad
            self._take(values)

    def begin_near_end(self, keep_bytes: int) -> None:
        """A week of readings is not needed to show the last half hour."""
        try:
            begin = self.path.stat().st_size - keep_bytes
            if begin > 0:
                with open_regular(self.path) as stream:
                    stream.seek(begin)
                    self.offset = begin + len(stream.readline())
        except OSError:
            return


class ConsoleTail:
    """The newest lines of console.log, of a bar its last state; both `\\r` and `\\n` end a line."""

    def __init__(self, path: Path) -> None:
        self.version = 0
        self._path = path
        self._lines: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._offset = -1
        self._inode: int | None = None
        self._rest = b""

    @property
    def lines(self) -> tuple[str, ...]:
        partial = _shown(self._rest)
        return (*self._lines, partial) if partial else tuple(self._lines)

    def changed(self) -> bool:
        try:
            return self._path.stat().st_size != self._offset
        except OSError:
            return False

    def read(self) -> None:
        try:
            with open_regular(self._path) as stream:
                found = os.fstat(stream.fileno())
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._inode, self._rest = found.st_ino, b""
                    self._offset = max(0, found.st_size - _CONSOLE_END_BYTES)
                    self._lines.clear()
                if found.st_size - self._offset > _CONSOLE_BYTES:
                    self._offset, self._rest = found.st_size - _CONSOLE_END_BYTES, b""
                stream.seek(self._offset)
                data = stream.read(_CONSOLE_BYTES)
        except OSError:
            return
        if not data:
            return
        self._offset += len(data)
        self.version += 1
        *lines, rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = rest[-65536:]
        self._lines.extend(_shown(line[-4096:]) for line in lines)


def _shown(line: bytes) -> str:
    return line.rsplit(b"\r", 1)[-1].decode("utf-8", "replace")
