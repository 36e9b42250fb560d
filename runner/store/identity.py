"""Is a file still the one that a run wrote?

Another training to the same folder writes other bytes under the same name, and an old run must not vouch for
them. Recorded for each verified checkpoint: size, mtime, inode, and a hash of its safetensors header, which
contains a hash of the weights (`sshs_model_hash`) if the trainer wrote metadata.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.files.diffusers_folder import look_at_folder
from runner.files.header import Broken, metadata_of, read_header
from runner.files.regular_file import open_regular
from runner.model import SCHEMA, Checkpoint
from runner.store.journal import readable, write_json

#: a file's time may lose digits on a network disk, or by copying
SAME_TIME_NS = 10_000_000
#: FAT and exFAT store two seconds; no training writes another file that soon
COARSE_TIME_NS = 2_100_000_000
#: for a file without a safetensors header
HEAD_BYTES = 1 << 16
CONTENT_KEY = "sshs_model_hash"
RECORD = "replaced.json"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A line of replaced.json: run `run` wrote the file at `path`, as it was at `mtime_ns`."""

    path: str
    run: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Replacements:
    """replaced.json in the folder of an older run."""

    files: tuple[Replacement, ...] = ()
    schema: int = SCHEMA


def header_sha256(path: Path) -> str | None:
    """Of the header's bytes, else of the first HEAD_BYTES; None if it cannot be read."""
    try:
        with open_regular(path) as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            rest = stream.read(length if 0 < length <= 1 << 24 else HEAD_BYTES)
    except OSError:
        return None
    import hashlib

    return hashlib.sha256(start + rest).hexdigest()


def is_same(one: Checkpoint, path: Path) -> bool | None:
    """Is it the verified file? None: missing, its disk does not respond, or too little is known."""
    if one.complete is None:
        return None
    try:
        return compare(one, path, path.stat())
    except OSError:
        return None


def compare(one: Checkpoint, path: Path, found: os.stat_result) -> bool | None:
    """As `is_same`; `found`: the stat of `path`. Raises OSError."""
    if stat.S_ISDIR(found.st_mode):
        return None if one.mtime_ns is None else _is_same_folder(one, path)
    if one.size_bytes is not None and found.st_size != one.size_bytes:
        return False
    if one.mtime_ns is None:
        return None
    apart_ns = abs(found.st_mtime_ns - one.mtime_ns)
    if is_untouched(one, found):
        return True
    same_time = apart_ns <= COARSE_TIME_NS
    if one.header_sha256 is None:
        return same_time
    if header_sha256(path) != one.header_sha256:
        return False
    # touched or copied: only a header with a weights hash proves that they are the same
    return same_time or _names_content(path)


def is_untouched(one: Checkpoint, found: os.stat_result) -> bool:
    """Size, time and inode are those of the verified file: its bytes need not be read."""
    return (
        found.st_size == one.size_bytes
        and found.st_ino == one.inode
        and one.mtime_ns is not None
        and abs(found.st_mtime_ns - one.mtime_ns) <= SAME_TIME_NS
    )


def _is_same_folder(one: Checkpoint, path: Path) -> bool:
    """For diffusers, by the size of its files and the newest of them. Raises OSError."""
    look = look_at_folder(path)
    apart_ns = abs(look.mtime_ns - (one.mtime_ns or 0))
    return look.size_bytes == one.size_bytes and apart_ns <= COARSE_TIME_NS


def _names_content(path: Path) -> bool:
    try:
        return CONTENT_KEY in metadata_of(read_header(path)[0])
    except (OSError, Broken, RecursionError):
        return False


def state_stamp(path: Path) -> int | None:
    """Changes when files of a state folder are rewritten: the newest time, in ns; None: unreadable."""
    try:
        return max((e.stat().st_mtime_ns for e in os.scandir(path)), default=None)
    except OSError:
        return None


def is_same_state(one: Checkpoint, path: Path) -> bool | None:
    """As `is_same`, for its state folder."""
    if one.state_mtime_ns is None:
        return None
    found = state_stamp(path)
    return None if found is None else abs(found - one.state_mtime_ns) <= COARSE_TIME_NS


def replaced(one: Checkpoint, how: str) -> Checkpoint:
    """Its own file is gone: verification results and loss do not belong to the file there now.
    `how`: `replaced by run X` or CHANGED."""
    return replace(
        one, missing=True, replaced=how, complete=False, finite=None, problem=how, loss=None,
        validation_loss=None, remark=None,
    )  # fmt: skip


def replaced_by(
    one: Checkpoint, path: str, now_ns: int, known: Mapping[str, Replacement]
) -> str | None:
    """`known`: by resolved path; `now_ns`: when the current file was written. None: no other run is known to
    have written it."""
    found = known.get(os.path.realpath(path)) if known else None
    if found is None:
        return None
    if abs(now_ns - found.mtime_ns) > SAME_TIME_NS:
        return None
    if one.mtime_ns is not None and abs(now_ns - one.mtime_ns) <= SAME_TIME_NS:
        return None  # its own file, put back
    return f"replaced by run {found.run}"


def replacements(run: Path) -> tuple[Replacement, ...]:
    """What later runs recorded in the folder of this one."""
    found = readable(run / RECORD, Replacements)
    return found.files if found is not None else ()


def record_replacement(older: Path, path: str, run: str, mtime_ns: int) -> None:
    """In the folder of the older run: `run` wrote the file at `path` (resolved). Raises OSError."""
    kept = [one for one in replacements(older) if one.path != path]
    new = Replacement(path, run, mtime_ns)
    write_json(older / RECORD, Replacements((*kept, new)))
