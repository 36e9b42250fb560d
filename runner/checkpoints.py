"""Is a file of weights whole, and are its numbers finite?

The safetensors format: 8 bytes little-endian length, a JSON header, the tensors. sd-scripts writes straight
to the final name (facts: a full disk or a kill leaves a truncated file of that name), so the header is
held against the file's size. Run as `python -m runner.checkpoints FILE...` this prints a JSON line per
file; the supervisor uses that form, niced, so that neither memory nor a slow disk is its trouble.
"""

from __future__ import annotations

import mmap
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

HEADER_LIMIT_BYTES = 100_000_000
ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U16": 2, "U32": 4, "U64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verification:
    """What a file of weights turned out to be. `finite` is None when it was not looked at."""

    path: str
    size_bytes: int = 0
    complete: bool = False
    finite: bool | None = None
    tensors: int = 0
    nonfinite_tensors: int = 0
    problem: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Broken(Exception):
    """Why a file is no whole safetensors file; one sentence."""


def read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """(tensors by name, offset of the data, bytes the file must have). Raises Broken, OSError."""
    size = path.stat().st_size
    if size == 0:
        raise Broken("the file is empty (0 bytes)")
    with path.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise Broken(f"the file has only {size} bytes")
        length = int.from_bytes(start, "little")
        if length > HEADER_LIMIT_BYTES:
            raise Broken(f"this is no safetensors file (it begins with {start!r})")
        text = stream.read(length)
    if len(text) < length:
        raise Broken(f"cut off inside the header: {size:,} bytes, the header alone has {length:,}")
    try:
        header = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Broken("this is no safetensors file (its header is no JSON)") from None
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    try:
        end = max((int(t["data_offsets"][1]) for t in tensors.values()), default=0)
    except (KeyError, TypeError, IndexError, ValueError):
        raise Broken("this is no safetensors file (a tensor has no offsets)") from None
    return header, 8 + length, 8 + length + end


def verify(path: Path, *, finite: bool = True) -> Verification:
    """Look at one file. Never raises for what the file is; a missing file is a `problem` too."""
    try:
        size = path.stat().st_size
        header, start, wanted = read_header(path)
    except FileNotFoundError:
        return Verification(str(path), problem="the file is not there")
    except OSError as error:
        return Verification(str(path), problem=f"cannot be read: {error.strerror}")
    except Broken as error:
        return Verification(str(path), size_bytes=path.stat().st_size, problem=str(error))
    metadata = header.pop("__metadata__", None) or {}
    known: dict[str, Any] = {"path": str(path), "size_bytes": size, "tensors": len(header)}
    known["metadata"] = {str(k): str(v) for k, v in metadata.items()}
    if size != wanted:
        word = "cut off" if size < wanted else "too long"
        return Verification(**known, problem=f"{word}: {size:,} bytes instead of {wanted:,}")
    if not finite:
        return Verification(**known, complete=True)
    try:
        bad = _nonfinite(path, header, start)
    except OSError as error:
        return Verification(**known, complete=True, problem=f"cannot be read: {error.strerror}")
    problem = f"{bad} of {len(header)} tensors hold NaN or infinity" if bad else None
    return Verification(
        **known, complete=True, finite=not bad, nonfinite_tensors=bad, problem=problem
    )


def _nonfinite(path: Path, tensors: dict[str, Any], start: int) -> int:
    """How many tensors hold a number that is not finite."""
    if not tensors:
        return 0
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return sum(
            not _finite(
                data, start + t["data_offsets"][0], start + t["data_offsets"][1], t["dtype"]
            )
            for t in tensors.values()
        )


def _finite(data: mmap.mmap, begin: int, end: int, dtype: str) -> bool:
    """Exponents of all ones are infinity or NaN; looked at as integers, block by block."""
    import numpy as np

    step = 1 << 24
    for at in range(begin, end, step):
        block = bytes(data[at : min(end, at + step)])
        if dtype in ("F64", "F32", "F16"):
            bits = np.frombuffer(block, dtype={"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])
            if not np.isfinite(bits).all():
                return False
        elif dtype == "BF16":
            bits16 = np.frombuffer(block, dtype="<u2")
            if ((bits16 & 0x7F80) == 0x7F80).any():
                return False
        elif dtype == "F8_E5M2":
            bits8 = np.frombuffer(block, dtype="u1")
            if ((bits8 & 0x7C) == 0x7C).any():
                return False
        elif dtype == "F8_E4M3":  # the "fn" form: no infinity, NaN is all ones
            bits8 = np.frombuffer(block, dtype="u1")
            if ((bits8 & 0x7F) == 0x7F).any():
                return False
    return True


def state_complete(path: Path) -> bool | None:
    """Is a state folder whole? None if there is no such folder.

    sd-scripts writes train_state.json first and accelerate's random states last
    (`random_states_0.pkl`), so the last file's presence and no empty file mean: whole.
    """
    try:
        names = os.listdir(path)
    except OSError:
        return None
    if "random_states_0.pkl" not in names or "optimizer.bin" not in names:
        return False
    if not any(name in names for name in ("model.safetensors", "pytorch_model.bin")):
        return False
    if any((path / name).stat().st_size == 0 for name in names if (path / name).is_file()):
        return False
    weights = path / "model.safetensors"
    return not weights.exists() or verify(weights, finite=False).complete


def main(arguments: list[str]) -> int:
    """Print a JSON line per file; exit 0 if all are complete and finite."""
    if sys.platform != "win32":
        os.nice(10)
    good = True
    for name in arguments:
        found = verify(Path(name))
        good = good and found.complete and found.finite is not False
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
