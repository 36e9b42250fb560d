"""Reading what numpy.savez wrote, as far as a check needs it: names, shapes, and whether all is
finite.

An .npz is a ZIP of .npy files, stored uncompressed by `savez`. No numpy here: a check of a thousand
small files is over before numpy is imported, and the screen's process stays without it.
"""

from __future__ import annotations

import ast
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

#: a header longer than this is none of numpy's
_HEADER_LIMIT = 65_536
_FLOAT_BYTES = {"f2": 2, "f4": 4, "f8": 8}
#: the top bytes (without sign) of a number whose exponent may be all ones
_SUSPECT = {2: bytes(range(0x7C, 0x80)), 4: b"\x7f", 8: b"\x7f"}
#: exponent of all ones: infinity or not a number
_EXPONENT = {2: 0x7C00, 4: 0x7F800000, 8: 0x7FF0000000000000}


class NotNpz(Exception):
    """Why the file cannot be read; a few words."""


@dataclass(frozen=True, slots=True)
class Array:
    """`finite` is None for what is no floating point number."""

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
        raise NotNpz("cut off or damaged") from error


def _array(data: bytes) -> Array:
    """One .npy: magic, version, length of the header, the header as a Python dict, the numbers."""
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError("no npy")
    width = 2 if data[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > _HEADER_LIMIT:
        raise ValueError("header")
    header = ast.literal_eval(data[start : start + length].decode("latin-1").strip())
    shape = tuple(int(side) for side in header["shape"])
    match = re.fullmatch(r"[<|=]?(f\d)", str(header["descr"]))
    size = _FLOAT_BYTES.get(match[1]) if match else None
    if size is None:
        return Array(shape, None)
    return Array(shape, finite(data[start + length :], size))


def finite(numbers: bytes, size: int) -> bool:
    """Little-endian floats of `size` bytes. Only numbers with a suspicious top byte are looked into."""
    tops = numbers[size - 1 :: size]
    suspects = _SUSPECT[size]
    both = suspects + bytes(byte | 0x80 for byte in suspects)
    if not any(byte in tops for byte in both):
        return True
    mask = _EXPONENT[size]
    for index, top in enumerate(tops):
        if top in both:
            bits = int.from_bytes(numbers[index * size : (index + 1) * size], "little")
            if bits & mask == mask:
                return False
    return True
