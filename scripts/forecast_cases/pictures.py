"""Pictures with captions. Standard library alone: the trainer's own Python imports this."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from scripts.forecast_cases.case import Size

#: of train_network.py: what its cached latents are called
CACHE_SUFFIX = "_sd.npz"


def write_image(path: Path, size: Size, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = bmp if path.suffix.lower() == ".bmp" else png
    path.write_bytes(picture(size, number))
    path.with_suffix(".txt").write_text(f"a caption, number {number}", encoding="utf-8")


def png(size: Size, shade: int) -> bytes:
    """A grey RGB picture."""
    width, height = size
    rows = (b"\0" + bytes([shade * 7 % 256]) * 3 * width) * height
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )


def bmp(size: Size, shade: int) -> bytes:
    """A grey RGB picture, its rows from the top."""
    width, height = size
    row = bytes([shade * 7 % 256]) * 3 * width
    pixels = (row + bytes(-len(row) % 4)) * height
    sizes = struct.pack("<LllHHLLllLL", 40, width, -height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<LHHL", 54 + len(pixels), 0, 0, 54) + sizes + pixels
