"""Width and height of an image from the first bytes of its file, one open and mostly one read.

Formats are detected by their first bytes, not by name, like imagesize 1.4.1 and Pillow in sd-scripts. Other
formats are left to the library imagesize.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"
#: enough for the sizes of every format but a JPEG with a long header
_FIRST_READ = 1024
#: bytes of an EXIF block that are searched for the orientation
_EXIF_READ = 4096
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
#: before the frame header, filler bytes among them; a JPEG of large profiles has 300
_MOST_SEGMENTS = 10_000
#: JPEG markers of a frame header: C0 to CF without the tables C4 and CC and the extension C8
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """`size` is (width, height) in pixels as stored; `turned`: the EXIF orientation asks viewers to
    turn it by 90 degrees; `white`: a PNG of 16-bit grey, which Pillow clips when it converts it to RGB as
    sd-scripts asks."""

    size: tuple[int, int]
    turned: bool = False
    white: bool = False


def read_header(path: str | Path) -> ImageHeader | None:
    """None: not an image, or an unreadable header. Raises OSError."""
    # without O_NONBLOCK, opening a FIFO would wait for its writer
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        head = os.read(descriptor, _FIRST_READ)
        try:
            found = _known(descriptor, head)
        except (struct.error, IndexError):  # the file ends within its header
            return None
    finally:
        os.close(descriptor)
    found = found or _by_library(path)
    return found if found is not None and min(found.size) > 0 else None


def has_alpha(path: str | Path) -> bool:
    """Can its pixels be transparent? By the header of a PNG or WebP; True for formats that are not read here
    (AVIF, JPEG XL), and for a file that cannot be read."""
    head = _head(path)
    if head[:8] == _PNG:
        return head[25:26] in (b"\x04", b"\x06") or b"tRNS" in head
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        lossless = head[12:16] == b"VP8L" and len(head) > 24 and bool(head[24] >> 4 & 1)
        return lossless or (head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 0x10))
    return head[:2] not in (b"\xff\xd8", b"BM")


def _head(path: str | Path) -> bytes:
    """Empty if it cannot be read."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(_FIRST_READ)
    except OSError:
        return b""


def _known(descriptor: int, head: bytes) -> ImageHeader | None:
    if head[:8] == _PNG and head[12:16] == b"IHDR":
        return ImageHeader(struct.unpack(">LL", head[16:24]), white=head[24:26] == b"\x10\x00")
    if head[:2] == b"\xff\xd8":
        return _jpeg(descriptor, head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head[:2] == b"BM":
        return _bmp(head)
    return None


def _jpeg(descriptor: int, head: bytes) -> ImageHeader | None:
    """Segment after segment to the frame header; an EXIF block before it has the orientation."""

    def at(offset: int, count: int) -> bytes:
        inside = head[offset : offset + count]
        return inside if len(inside) == count else os.pread(descriptor, count, offset)

    offset, turned = 2, False
    for _ in range(_MOST_SEGMENTS):
        segment = at(offset, 9)
        if segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # filler, no length
            offset += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(segment[2:4], "big")
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", segment[5:9])
            return ImageHeader((width, height), turned)
        if marker in (0xD9, 0xDA) or length < 2:
            return None
        if marker == 0xE1 and segment[4:8] == b"Exif":
            turned = _turned(at(offset + 10, max(0, min(length - 8, _EXIF_READ))))
        offset += 2 + length
    return None


def _turned(exif: bytes) -> bool:
    """The orientation in the first directory of a TIFF block."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return False
    (start,) = struct.unpack(order + "L", exif[4:8])
    (entries,) = struct.unpack(order + "H", exif[start : start + 2])
    for place in range(start + 2, start + 2 + 12 * entries, 12):
        tag, _, _, value = struct.unpack(order + "HHLH", exif[place : place + 10])
        if tag == _ORIENTATION:
            return value in _TURNED
    return False


def _webp(head: bytes) -> ImageHeader | None:
    kind = head[12:16]
    if len(head) < 30:
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[i : i + 3], "little") + 1 for i in (24, 27))
        return ImageHeader((width, height))
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return ImageHeader(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return ImageHeader((width & 0x3FFF, height & 0x3FFF))
    return None


def _bmp(head: bytes) -> ImageHeader:
    (header_size,) = struct.unpack("<L", head[14:18])
    if header_size == 12:
        return ImageHeader(struct.unpack("<HH", head[18:22]))
    width, height = struct.unpack("<ll", head[18:26])
    return ImageHeader((width, abs(height)))  # a negative height: stored from the top


def _by_library(path: str | Path) -> ImageHeader | None:
    import imagesize  # imports urllib and XML parsers: only for formats not handled here

    # sd-scripts pins imagesize 1.4.1, which gives the stored size; from 2.0 on the library
    # rotates it by the EXIF flag by default. The trainer loads the pixels unrotated.
    stored = imagesize.get(path, exif_rotation=False)
    turned = stored != imagesize.get(path)
    return ImageHeader((int(stored[0]), int(stored[1])), turned)
