"""Is an image file whole? By its own structure, without decoding a pixel.

PNG: chunks of stated lengths and checksums up to IEND, or only its end; JPEG: an end marker near
the end; WebP and BMP: the size that the header states; all: something there at all.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
#: some cameras and editors leave a few bytes behind the end marker
_JPEG_TAIL_BYTES = 4096


def problem_of(path: Path, *, thorough: bool = True) -> str | None:
    """What is wrong with the file, in a few words; None: nothing that shows. Raises OSError.

    `thorough` reads every byte of a PNG; without, a damaged middle does not show.
    """
    size = path.stat().st_size
    if size == 0:
        return "0 bytes"
    with path.open("rb") as stream:
        start = stream.read(32)
        if start.startswith(_PNG):
            if not thorough and _ends_well(stream, size):
                return None
            return _png(stream, size)
        if start.startswith(b"\xff\xd8"):
            return _jpeg(stream, size)
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _stated(size, struct.unpack("<I", start[4:8])[0] + 8)
        if start.startswith(b"BM"):
            return _stated(size, struct.unpack("<I", start[2:6])[0])
    return _foreign(start)


def _foreign(start: bytes) -> str | None:
    if start.lstrip()[:1] == b"<":
        return "a web page"
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    known = (b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cJXL ", b"\xff\x0a")
    if start.startswith(known) or start[4:8] == b"ftyp":
        return None  # of a format that is not looked into
    return "no image"


def _stated(size: int, stated: int) -> str | None:
    return "cut off" if size < stated else None


def _ends_well(stream: BinaryIO, size: int) -> bool:
    stream.seek(max(0, size - len(_PNG_END)))
    return stream.read() == _PNG_END


def _png(stream: BinaryIO, size: int) -> str | None:
    at = len(_PNG)
    while at + 12 <= size:
        stream.seek(at)
        length, kind = struct.unpack(">I4s", stream.read(8))
        if at + 12 + length > size:
            return "cut off"
        data = stream.read(length)
        (stated,) = struct.unpack(">I", stream.read(4))
        if zlib.crc32(kind + data) != stated:
            return "damaged"
        if kind == b"IEND":
            return None
        at += 12 + length
    return "cut off"


def _jpeg(stream: BinaryIO, size: int) -> str | None:
    stream.seek(max(0, size - _JPEG_TAIL_BYTES))
    return None if b"\xff\xd9" in stream.read() else "cut off"
