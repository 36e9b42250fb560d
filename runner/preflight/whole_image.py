"""Is an image file complete? By its own structure, without decoding a pixel.

PNG: chunks of stated lengths and checksums up to IEND, or only its end; JPEG: an end marker near the end;
WebP and BMP: the size in the header; all: not empty.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_BLOCK = 1 << 20
#: some cameras and editors write a few bytes after the end marker
_JPEG_TAIL_BYTES = 4096
#: GIF, TIFF, JPEG XL: formats that are not parsed
_OTHERS = (b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cJXL ", b"\xff\x0a")


def problem_of(path: Path, *, thorough: bool = True) -> str | None:
    """What is wrong with the file, in a few words; None: nothing visible. Raises OSError.

    `thorough` reads every byte of a PNG; without, a damaged middle does not show.
    """
    size = path.stat().st_size
    if size == 0:
        return "0 bytes"
    with path.open("rb") as stream:
        start = stream.read(32)
        if start.startswith(_PNG):
            return None if not thorough and _tail(stream, 12) == _PNG_END else _png(stream, size)
        if start.startswith(b"\xff\xd8"):
            return None if b"\xff\xd9" in _tail(stream, _JPEG_TAIL_BYTES) else "cut off"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "cut off" if size < int.from_bytes(start[4:8], "little") + 8 else None
    if start.startswith(b"BM"):
        return "cut off" if size < int.from_bytes(start[2:6], "little") else None
    if start.startswith(_OTHERS) or start[4:8] == b"ftyp":
        return None
    return foreign(start) or "no image"


def foreign(start: bytes) -> str | None:
    """Other content often saved as an image or a model, by its first bytes."""
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    return "a web page" if start.lstrip()[:1] == b"<" else None


def _tail(stream: BinaryIO, count: int) -> bytes:
    stream.seek(0, 2)
    stream.seek(max(0, stream.tell() - count))
    return stream.read()


def _png(stream: BinaryIO, size: int) -> str | None:
    at = len(_PNG)
    while at + 12 <= size:
        stream.seek(at)
        length, kind = struct.unpack(">I4s", stream.read(8))
        if at + 12 + length > size:
            break
        checksum, left = zlib.crc32(kind), length
        while left > 0 and (block := stream.read(min(left, _BLOCK))):
            checksum, left = zlib.crc32(block, checksum), left - len(block)
        (stated,) = struct.unpack(">I", stream.read(4))
        if checksum != stated:
            return "damaged"
        if kind == b"IEND":
            return None
        at += 12 + length
    return "cut off"
