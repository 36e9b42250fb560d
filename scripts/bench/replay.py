"""What the screen showed at every moment, from the bytes that came and when they came."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyte

BEGIN_FRAME = b"\x1b[?2026h"
END_FRAME = b"\x1b[?2026l"
#: CSI with < or > (kitty's keyboard protocol): pyte would print their last letter
_PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one read() brought. `at_s`: time.monotonic(), the same clock for all processes."""

    at_s: float
    data: bytes


class Replay:
    """Feeds chunks to an emulated screen, each once, in order."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.fed = 0  # chunks so far
        self._resizes: list[tuple[int, int, int]] = []
        self._marks = _Marks()

    def resize(self, columns: int, rows: int, after_chunks: int) -> None:
        """The window has this size from the chunk number `after_chunks` on."""
        self._resizes.append((after_chunks, columns, rows))

    def _feed(self, chunk: Chunk) -> None:
        while self._resizes and self._resizes[0][0] <= self.fed:
            _, columns, rows = self._resizes.pop(0)
            self._screen.resize(rows, columns)
        self._stream.feed(_PRIVATE.sub(b"", chunk.data))
        self.fed += 1
        self._marks = self._marks.after(chunk.data)

    def rows(self, chunks: Sequence[Chunk]) -> list[str]:
        """The rows after the last frame that is complete within `chunks`; chunks that were fed before
        are not fed again."""
        for chunk in chunks[self.fed : self._complete(chunks)]:
            self._feed(chunk)
        return list(self._screen.display)

    def _complete(self, chunks: Sequence[Chunk]) -> int:
        """How many of `chunks` end with a complete frame."""
        marks, complete = self._marks, self.fed
        for index in range(self.fed, len(chunks)):
            marks = marks.after(chunks[index].data)
            if not marks.in_frame:
                complete = index + 1
        return complete

    def screens(self, chunks: Sequence[Chunk]) -> Iterator[tuple[float, pyte.Screen]]:
        """(time, the one screen) after every chunk that completes a frame: what a synchronized terminal
        shows."""
        for chunk in chunks[self.fed :]:
            self._feed(chunk)
            if not self._marks.in_frame:
                yield chunk.at_s, self._screen

    def frames(self, chunks: Sequence[Chunk], since_s: float = 0.0) -> Iterator[tuple[float, str]]:
        """The same as text, from `since_s` on."""
        for at_s, screen in self.screens(chunks):
            if at_s >= since_s:
                yield at_s, "\n".join(screen.display)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Whether a frame is open, and the last bytes: a mark may come in two chunks. A program that never
    opens a frame draws at once."""

    in_frame: bool = False
    tail: bytes = b""

    def after(self, data: bytes) -> _Marks:
        text = self.tail + data
        begin, end = text.rfind(BEGIN_FRAME), text.rfind(END_FRAME)
        in_frame = self.in_frame if begin == end else begin > end
        return _Marks(in_frame, text[-len(BEGIN_FRAME) + 1 :])


def first_seen(
    chunks: Sequence[Chunk],
    columns: int,
    rows: int,
    condition: Callable[[str], object],
    since_s: float = 0.0,
) -> float | None:
    """When a screen that fulfils `condition` was first complete; None if it never was."""
    for at_s, text in Replay(columns, rows).frames(chunks, since_s):
        if condition(text):
            return at_s
    return None


def bursts(chunks: Sequence[Chunk], gap_s: float = 0.05) -> list[int]:
    """Bytes of each burst: chunks that came less than `gap_s` apart belong together."""
    sizes: list[int] = []
    last_at = -gap_s
    for chunk in chunks:
        if chunk.at_s - last_at >= gap_s or not sizes:
            sizes.append(0)
        sizes[-1] += len(chunk.data)
        last_at = chunk.at_s
    return sizes
