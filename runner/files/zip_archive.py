"""ZIP archives from untrusted sources: opened only if their directory has a size that fits into memory many
times over. Python's reader loads the complete directory first, about ten bytes of memory for each of its own.
"""

from __future__ import annotations

import struct
import zipfile
from typing import BinaryIO

#: a model of ten thousand tensors has 2 MB
DIRECTORY_LIMIT_BYTES = 32_000_000
_RECORD, _RECORD_BYTES, _COMMENT_BYTES = b"PK\5\6", 22, 1 << 16
_RECORD64, _RECORD64_BYTES = b"PK\6\6", 56
_IN_RECORD64 = 0xFFFF_FFFF
#: anything that `zipfile` raises for damaged content
DAMAGED = (
    zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, struct.error, OverflowError,
)  # fmt: skip


def open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Raises one of DAMAGED, OSError."""
    if _directory_bytes(stream) > DIRECTORY_LIMIT_BYTES:
        raise zipfile.BadZipFile("its directory is too large")
    return zipfile.ZipFile(stream)


def _directory_bytes(stream: BinaryIO) -> int:
    """From the record at the end; 0 if there is none, which `zipfile` reports."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _RECORD_BYTES - _COMMENT_BYTES - _RECORD64_BYTES - 20))
    end = stream.read()
    at, at64 = end.rfind(_RECORD), end.rfind(_RECORD64)
    if at < 0 or len(end) < at + _RECORD_BYTES:
        return 0
    length = int.from_bytes(end[at + 12 : at + 16], "little")
    if length == _IN_RECORD64 and at64 >= 0:
        length = int.from_bytes(end[at64 + 40 : at64 + 48], "little")
    return length
