"""The header of a safetensors file, checked against the file and for consistency.

The format: 8 bytes little-endian length, a JSON header, the tensors. Readers require that the tensors fill
the rest of the file without gaps or overlaps and match their dtype and shape; a file that violates this
cannot be loaded, whatever its size.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from runner.files.regular_file import open_regular

HEADER_LIMIT_BYTES = 100_000_000
#: bytes of one number; a missing dtype is newer than this program
ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U16": 2, "U32": 4, "U64": 8,
}  # fmt: skip


class Broken(Exception):
    """Why a file is not a complete safetensors file; one sentence."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Position of a tensor; `begin`, `end`: bytes after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def items(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """(header by tensor name, offset of the data, bytes the file must have). Raises Broken, OSError."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            raise Broken("the file is empty (0 bytes)")
        start = stream.read(8)
        if len(start) < 8:
            raise Broken(f"the file has only {size} bytes")
        length = int.from_bytes(start, "little")
        if length > HEADER_LIMIT_BYTES:
            raise Broken(f"not a safetensors file ({_what_begins(start)})")
        # check the size first: a truncated file must not make us allocate memory that it cannot fill
        text = stream.read(length) if size >= 8 + length else b""
    if len(text) < length:
        raise Broken(
            f"truncated inside the header: {size:,} bytes, the header alone has {length:,}"
        )
    header = _parsed(text)
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    try:
        end = max((int(t["data_offsets"][1]) for t in tensors.values()), default=0)
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        raise Broken("not a safetensors file (a tensor has no offsets)") from None
    return header, 8 + length, 8 + length + end


#: what is renamed to .safetensors or downloaded in its place, by its first bytes
_OTHERS = (
    (b"PK\x03\x04", "a .pt or .ckpt file of torch under this name: rename it, or convert it"),
    (b"\x80", "a pickle, as in .pt or .ckpt, under this name: rename it, or convert it"),
    (b"GGUF", "a GGUF model, which can only be used as such"),
    (b"version ", "a Git LFS pointer: the file itself was not downloaded, use `git lfs pull`"),
    (b"<", "a web page: the download failed, or needs a login"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
)


def _what_begins(start: bytes) -> str:
    found = (what for sign, what in _OTHERS if start.lstrip().startswith(sign))
    return next(found, f"it begins with {start!r}")


def _parsed(text: bytes) -> dict[str, Any]:
    """The header as the format allows it: UTF-8 JSON, a table, every key once."""
    try:
        header = json.loads(
            text.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number
        )
    except RecursionError:
        raise Broken("not a safetensors file (its header is nested too deeply)") from None
    except ValueError:  # also for text that is not UTF-8
        raise Broken("not a safetensors file (its header is not JSON)") from None
    if not isinstance(header, dict):
        raise Broken("not a safetensors file (its header is not a table of tensors)")
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(type(v) is str for v in metadata.values()):
        raise Broken("the header's __metadata__ contains something other than text")
    return header


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers disagree on which of two tensors of one name counts, so the format forbids a second."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Broken(f"the header contains {name!r} twice")
    return found


def _no_number(text: str) -> NoReturn:
    """Python's reader accepts NaN and Infinity; JSON does not."""
    raise ValueError(text)


def tensors_of(header: dict[str, Any]) -> list[Tensor]:
    """All tensors in the order of their bytes. Raises Broken for what no reader would load."""
    found = []
    for name, told in header.items():
        if name == "__metadata__":
            continue
        try:
            begin, end = told["data_offsets"]
            shape, dtype = told["shape"], told["dtype"]
            if not isinstance(shape, list) or not isinstance(dtype, str):
                raise TypeError
            if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)):
                raise ValueError
            found.append(Tensor(name, dtype, tuple(shape), begin, end))
        except (KeyError, TypeError, ValueError):
            raise Broken(f"the header of tensor {name} is invalid") from None
    found.sort(key=lambda tensor: (tensor.begin, tensor.end))
    _check_layout(found)
    return found


def _check_layout(tensors: list[Tensor]) -> None:
    at = 0
    for tensor in tensors:
        length = tensor.end - tensor.begin
        item = ITEM_BYTES.get(tensor.dtype)
        wanted = tensor.items * item if item is not None else length
        if length < 0 or length != wanted:
            size = f"{wanted:,} bytes of {tensor.dtype} {list(tensor.shape)}"
            raise Broken(f"tensor {tensor.name} has room for {length:,} bytes, not {size}")
        if tensor.begin != at:
            what = "overlaps another" if tensor.begin < at else "leaves a gap before it"
            raise Broken(f"tensor {tensor.name} {what} (at byte {tensor.begin:,} of the data)")
        at = tensor.end


def metadata_of(header: dict[str, Any]) -> dict[str, str]:
    """The writer's metadata, as text."""
    told = header.get("__metadata__")
    if not isinstance(told, dict):
        return {}
    return {str(key): str(value) for key, value in told.items()}
