"""A log's bytes as UTF-8: gzip is unpacked, the UTF-16 of a PowerShell redirection is turned."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from runner.model.units import file_size

#: of a longer log the beginning and the end are kept: the end shows how it ended
HEAD_BYTES = 960 << 20
TAIL_BYTES = 64 << 20
_BLOCK = 1 << 20
#: a compressed log that unpacks to more is refused: unpacking a small file could take days
MOST_UNPACKED_BYTES = 4 << 30
_GUESSED_BYTES = 1024
_GZIP = b"\x1f\x8b"
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class NoLog(ValueError):
    """Why a file cannot be read as a log; one sentence."""


@dataclass(frozen=True, slots=True)
class Copied:
    """`digest`: sha256 of what was kept, in hex; `head`: of its first 4 KiB; `left_out_bytes`: from the
    middle of a very long log."""

    size_bytes: int
    digest: str
    head: str
    left_out_bytes: int = 0


def copy_log(source: Path | IO[bytes], target: Path) -> Copied:
    """Write the log's bytes to `target`. Raises OSError, NoLog."""
    whole, head, size, left_out = hashlib.sha256(), b"", 0, 0
    tail = bytearray()
    with target.open("wb") as out:
        for block in _blocks(source):
            head = (head + block)[:4096] if len(head) < 4096 else head
            if size < HEAD_BYTES:
                out.write(block)
                whole.update(block)
                size += len(block)
                continue
            tail += block
            surplus = len(tail) - TAIL_BYTES
            if surplus > TAIL_BYTES // 4:  # do not move everything for every block
                left_out += surplus
                del tail[:surplus]
        if left_out:
            cut = tail.find(b"\n") + 1  # not in the middle of a line
            left_out += cut
            tail[:cut] = f"\n--- {left_out} bytes of the log are left out here ---\n".encode()
        out.write(tail)
        whole.update(tail)
        size += len(tail)
    return Copied(size, whole.hexdigest(), hashlib.sha256(head).hexdigest(), left_out)


def is_plain(path: Path) -> bool:
    """Can the parser read these bytes as they are? Raises OSError."""
    with path.open("rb") as stream:
        first = stream.read(_GUESSED_BYTES)
    return not first.startswith(_GZIP) and _encoding(first) is None


def prefix_digest(path: Path, size_bytes: int) -> str:
    """sha256 of the first bytes of a file."""
    found, left = hashlib.sha256(), size_bytes
    with path.open("rb") as stream:
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            found.update(block)
            left -= len(block)
    return found.hexdigest()


def _blocks(source: Path | IO[bytes]) -> Iterator[bytes]:
    with (
        source.open("rb") if isinstance(source, Path) else contextlib.nullcontext(source) as stream
    ):
        first = stream.read(_BLOCK)
        rest = iter(lambda: stream.read(_BLOCK), b"")
        encoding = _encoding(first)
        if first.startswith(_GZIP):
            yield from _unpacked(first, stream)
        elif encoding is None:
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from rest
        else:
            decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            mark = first[:2] if first[:2] in _UTF16 else b""
            for block in chain((first.removeprefix(mark),), rest):
                yield decoder.decode(block).encode("utf-8", "replace")
            yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _encoding(first: bytes) -> str | None:
    """By its mark; without one, English text has a zero in every second byte. None: taken as UTF-8."""
    if first[:2] in _UTF16:
        return _UTF16[first[:2]]
    begin = first[:_GUESSED_BYTES]
    for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = begin[odd::2]
        if len(zeros) >= 8 and zeros.count(0) > 0.8 * len(zeros) and 0 not in begin[1 - odd :: 2]:
            return encoding
    return None


class _Rejoined:
    """A stream whose beginning was read already."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int = -1) -> bytes:
        if self._first:
            cut = len(self._first) if size < 0 else size
            found, self._first = self._first[:cut], self._first[cut:]
            return found + (self._rest.read() if size < 0 else b"")
        return self._rest.read(size)


def _unpacked(first: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=_Rejoined(first, stream)) as packed:  # type: ignore[call-overload]
            for _ in range(MOST_UNPACKED_BYTES // _BLOCK):
                if not (block := packed.read(_BLOCK)):
                    return
                yield block
    except (EOFError, zlib.error, OSError) as error:
        raise NoLog(f"cannot decompress gzip ({error}): decompress it first") from None
    raise NoLog(f"unpacks to more than {file_size(MOST_UNPACKED_BYTES)}: decompress it first")
