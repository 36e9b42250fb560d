"""The console at a moment: how many of its bytes had been written. The journal records where in console.log
an event was read, and when. Between two such positions the bytes are interpolated by trained steps, or by
time without steps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.files.regular_file import open_regular

LINES = 2000
BLOCK_BYTES = 1 << 18
#: how far back to search the end of a bar state or line
CUT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Mark:
    """At `at`, when `rows` steps had been journaled, the console had `offset` bytes."""

    at: float
    rows: int
    offset: int


class ConsoleIndex:
    def __init__(self, path: Path, marks: Iterable[Mark]) -> None:
        self._path = path
        self._marks: list[Mark] = [Mark(0.0, 0, 0)]
        for mark in marks:
            last = self._marks[-1]
            if mark.offset < last.offset:
                continue
            if mark.at <= last.at:  # several events of one read: the last byte counts
                self._marks[-1] = Mark(last.at, max(last.rows, mark.rows), mark.offset)
            else:
                self._marks.append(mark)
        self._held: tuple[int, tuple[str, ...]] = (-1, ())

    def offset_at(self, at: float, rows: int) -> int:
        """Approximate number of bytes at `at`, with `rows` steps journaled."""
        k = bisect_right(self._marks, at, key=lambda mark: mark.at) - 1
        if k <= 0:
            return 0
        before = self._marks[k]
        after = self._marks[min(k + 1, len(self._marks) - 1)]
        if after.rows > before.rows:
            share = (rows - before.rows) / (after.rows - before.rows)
        else:
            share = (at - before.at) / ((after.at - before.at) or 1.0)
        return before.offset + int(max(0.0, min(1.0, share)) * (after.offset - before.offset))

    def lines(self, offset: int) -> tuple[str, ...]:
        """The newest lines before a byte, bar states included, as a reader of a live run shows them."""
        if offset != self._held[0]:
            begin = max(0, offset - BLOCK_BYTES)
            try:
                with open_regular(self._path) as stream:
                    stream.seek(begin)
                    data = stream.read(offset - begin)
            except OSError:
                return ()
            if begin > 0:
                data = data.partition(b"\n")[2] or data
            kept = _whole(data).replace(b"\r\n", b"\n").split(b"\n")[-LINES:]
            shown = kept if kept[-1] else kept[:-1]
            self._held = (offset, tuple(map(_as_shown, shown)))
        return self._held[1]


def _as_shown(line: bytes) -> str:
    """The last state of a bar."""
    return line[-CUT_BYTES:].rstrip(b"\r").rsplit(b"\r", 1)[-1].decode("utf-8", "replace")


def _whole(data: bytes) -> bytes:
    """Up to the end of the last complete line or bar state."""
    tail = data[-CUT_BYTES:]
    cut = max(tail.rfind(b"\n"), tail.rfind(b"\r"))
    return data if cut < 0 else data[: len(data) - len(tail) + cut + 1]
