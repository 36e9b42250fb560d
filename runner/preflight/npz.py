"""Reads numpy.savez files as far as checks need it: names, shapes, and whether all numbers are finite.

An .npz is a ZIP of .npy files, stored uncompressed by `savez`. Without numpy: a check of a thousand small
files is done before numpy is imported, and the screen's process avoids it. Read in blocks and up to a limit:
a few kilobytes can unpack to terabytes. Arrays of objects are pickles, and nothing is unpickled.
"""

from __future__ import annotations

import ast
import errno
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO, BinaryIO

from runner.files.regular_file import open_regular
from runner.files.zip_archive import DAMAGED, open_archive

#: unpacked, all arrays together: a hundred times the largest cache of a training
MOST_BYTES = 1 << 30
_BLOCK = 1 << 22
#: a longer header is refused by numpy, too
_HEADER_LIMIT = 10_000
#: what numpy writes; the others unpack a block of any size at once
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: of `struct`, by bytes of a floating point number
_FORMATS = {2: "e", 4: "f", 8: "d"}
#: the top bytes of numbers with an all-ones exponent: infinity or NaN
_SUSPECTS = {2: b"\x7c\x7d\x7e\x7f\xfc\xfd\xfe\xff", 4: b"\x7f\xff", 8: b"\x7f\xff"}
#: of the archive, or of a header that is no such dict
_DAMAGED = (*DAMAGED, zlib.error, SyntaxError, LookupError, TypeError, RecursionError, MemoryError)


class NotNpz(Exception):
    """Why the file cannot be read; a few words."""


@dataclass(frozen=True, slots=True)
class Array:
    """`finite` is None for types other than floats."""

    shape: tuple[int, ...]
    finite: bool | None


def read_npz(path: Path) -> dict[str, Array]:
    """Every array by name. Raises NotNpz, OSError."""
    with open_regular(path) as stream:
        try:
            return _arrays(stream)
        except _DAMAGED as error:
            raise NotNpz("truncated or damaged") from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # else a place before the file, by its directory
                raise
            raise NotNpz("truncated or damaged") from None


def _arrays(stream: BinaryIO) -> dict[str, Array]:
    with open_archive(stream) as archive:
        members = archive.infolist()
        if sum(one.file_size for one in members) > MOST_BYTES:
            raise NotNpz("larger than any cache")
        if any(one.compress_type not in _PACKED for one in members):
            raise NotNpz("packed in a way that numpy never uses")
        return {one.filename.removesuffix(".npy"): _read(archive, one) for one in members}


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as stream:
        return _array(stream)


def _array(stream: IO[bytes]) -> Array:
    """One .npy: magic, version, length of the header, the header as a Python dict, the numbers."""
    start = stream.read(8)
    if not start.startswith(b"\x93NUMPY"):
        raise ValueError("no npy")
    length = int.from_bytes(stream.read(2 if start[6:7] == b"\1" else 4), "little")
    if length > _HEADER_LIMIT:
        raise ValueError("no npy")
    header = ast.literal_eval(stream.read(length).decode("latin-1").strip())
    shape = tuple(int(side) for side in header["shape"])
    match = re.fullmatch(r"[<|=]?f([248])", str(header["descr"]))
    fine = None if match is None else True
    while block := stream.read(_BLOCK):  # to its end, where its checksum is verified
        if match is not None and fine:
            fine = finite(block, int(match[1]))
    return Array(shape, fine)


def finite(numbers: bytes, size: int) -> bool:
    """Little-endian floats of `size` bytes; they are unpacked only when one looks suspicious."""
    tops = numbers[size - 1 :: size]
    if not any(byte in tops for byte in _SUSPECTS[size]):
        return True
    return all(map(isfinite, struct.unpack(f"<{len(tops)}{_FORMATS[size]}", numbers)))
