"""Reads numpy.savez files as far as checks need it: names, shapes, and whether all numbers are finite.

An .npz is a ZIP of .npy files, stored uncompressed by `savez`. Without numpy: a check of a thousand small
files is done before numpy is imported, and the screen's process avoids it.
"""

from __future__ import annotations

import ast
import re
import struct
import zipfile
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

#: a longer header is not numpy's
_HEADER_LIMIT = 65_536
#: of `struct`, by bytes of a floating point number
_FORMATS = {2: "e", 4: "f", 8: "d"}
#: the top bytes of numbers with an all-ones exponent: infinity or NaN
_SUSPECTS = {2: b"\x7c\x7d\x7e\x7f\xfc\xfd\xfe\xff", 4: b"\x7f\xff", 8: b"\x7f\xff"}


class NotNpz(Exception):
    """Why the file cannot be read; a few words."""


@dataclass(frozen=True, slots=True)
class Array:
    """`finite` is None for types other than floats."""

    shape: tuple[int, ...]
    finite: bool | None


def read_npz(path: Path) -> dict[str, Array]:
    """Every array by name. Raises NotNpz, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix(".npy"): _array(archive.read(info))
                for info in archive.infolist()
            }
    except (zipfile.BadZipFile, EOFError, ValueError, SyntaxError, KeyError) as error:
        raise NotNpz("truncated or damaged") from error


def _array(data: bytes) -> Array:
    """One .npy: magic, version, length of the header, the header as a Python dict, the numbers."""
    start = 10 if data[6:7] == b"\1" else 12
    length = int.from_bytes(data[8:start], "little")
    if not data.startswith(b"\x93NUMPY") or length > _HEADER_LIMIT:
        raise ValueError("no npy")
    header = ast.literal_eval(data[start : start + length].decode("latin-1").strip())
    shape = tuple(int(side) for side in header["shape"])
    match = re.fullmatch(r"[<|=]?f([248])", str(header["descr"]))
    return Array(shape, finite(data[start + length :], int(match[1])) if match else None)


def finite(numbers: bytes, size: int) -> bool:
    """Little-endian floats of `size` bytes; they are unpacked only when one looks suspicious."""
    tops = numbers[size - 1 :: size]
    if not any(byte in tops for byte in _SUSPECTS[size]):
        return True
    return all(map(isfinite, struct.unpack(f"<{len(tops)}{_FORMATS[size]}", numbers)))
