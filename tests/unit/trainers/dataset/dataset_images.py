"""Images for dataset tests: folders that exist only as a mapping, and small real files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.trainers.sd_scripts.dataset.listing import Listing

Size = tuple[int, int]


@dataclass
class MadeUpImages:
    """`folders`: image folder -> sizes of its images, named 000.png and so on."""

    folders: Mapping[str, Sequence[Size | None]]
    turned: set[str] = field(default_factory=set)
    ignored: tuple[str, ...] = ()
    caches: Mapping[str, Listing] = field(default_factory=dict)

    def listing(self, image_dir: str) -> Listing | None:
        if image_dir not in self.folders:
            return None
        names = (f"{image_dir}/{i:03d}.png" for i in range(len(self.folders[image_dir])))
        return Listing(tuple(names), self.ignored)

    def remembered(self, image_dir: str) -> Listing | None:
        return self.caches.get(image_dir)

    def size(self, path: str) -> Size | None:
        folder, _, name = path.rpartition("/")
        return self.folders[folder][int(name[:3])]

    def rotated(self, path: str) -> bool:
        return path in self.turned


def write_png(path: Path, size: Size = (64, 64), shade: int = 128) -> Path:
    """A real grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress((b"\0" + bytes([shade % 256]) * 3 * width) * height)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path
