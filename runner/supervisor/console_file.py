"""console.log as a supervisor reads it: the file that the trainer writes, whatever becomes of its name.

It is the only record of what the trainer printed, so it is kept open: if it is deleted or replaced, the trainer
writes on into the open file. If it is cut, reading continues at its new end, and the verdict says so.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import BinaryIO

from runner.files.regular_file import open_regular
from runner.store.unrecorded import attempt_mark, open_console
from runner.supervisor.context import AttemptContext

#: searching the processes for a deleted file costs milliseconds
SEARCH_S = 2.0


class ConsoleFile:
    """`offset`: the byte up to which everything was read. `damaged`: part of the output is missing."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._stream: BinaryIO | None = None
        self._search_at = 0.0
        self.offset = 0
        self.damaged = False

    def begin(self, offset: int) -> None:
        """At the attempt's first byte, which its keeper wrote before everything else."""
        context, size = self._context, self.size
        before = context.before.offset if context.before and context.resumes_supervision else 0
        mark, self.offset = attempt_mark(context.attempt), min(offset, size)
        whole = self.read(len(mark)) == mark
        self.offset = min(offset, size)
        begun = context.keeper() is not None or before > 0
        self.damaged = before > size or (begun and not whole)

    @property
    def size(self) -> int:
        """0: there is none."""
        stream = self._opened()
        return os.fstat(stream.fileno()).st_size if stream is not None else 0

    def read(self, most_bytes: int) -> bytes:
        """The next bytes; none if there are none yet."""
        stream = self._opened()
        if stream is None:
            return b""
        try:
            size = os.fstat(stream.fileno()).st_size
            if size < self.offset:
                self.offset, self.damaged = size, True
            stream.seek(self.offset)
            data = stream.read(most_bytes)
        except OSError:  # a network disk lost it
            stream.close()
            self._stream = None
            return b""
        self.offset += len(data)
        return data

    def _opened(self) -> BinaryIO | None:
        if self._stream is None:
            run = self._context.run
            with contextlib.suppress(OSError):
                self._stream = open_regular(run.console)
            if self._stream is None and time.monotonic() >= self._search_at:
                self._search_at = time.monotonic() + SEARCH_S
                self._stream = open_console(run)
        return self._stream
