"""Lists thousands of runs without reading thousands of files: a cache that may be deleted at any time.

Every file behind a listing is replaced by rename, and a rename changes its folder. So one stat of a run
folder shows whether its entry is still valid. Only ended runs with a verdict are stored, and only if their
folder had not changed for a while before reading: a change within the same clock tick of the file system
would go unnoticed otherwise.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from runner.files.private import private_folder
from runner.model import SCHEMA, Outcome, RunListing, RunState
from runner.store.journal import readable, write_json
from runner.store.rundir import home

#: format version of an entry; an index with another version is ignored
INDEX_SCHEMA = 1
#: a folder changed less than this before reading is read again next time
RACY_S = 2.0
#: after a disk error, no retry for this long
RETRY_S = 60.0
#: leftovers of a killed process are deleted at this age
LEFTOVER_S = 3600.0


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Changes with every rename inside a folder. ctime: copying tools cannot set it back."""

    mtime_ns: int
    ctime_ns: int
    inode: int


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What was read from a folder with this stamp."""

    mark: Mark
    listing: RunListing


class _File(msgspec.Struct, frozen=True, rename={"version": "schema"}):
    version: int
    entries: dict[str, Entry]
    #: of the run folders behind it: a newer version lists what this one cannot read
    runs: int = 1


@dataclass(slots=True)
class _Kept:
    """The index of one home as this process knows it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    failed_at: float | None = None


_kept: dict[Path, _Kept] = {}
_lock = threading.Lock()


def index_path() -> Path:
    return home() / "cache" / "runs-index.json"


def mark_of(folder: os.DirEntry[str] | Path) -> Mark | None:
    """The folder now; None if missing."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return Mark(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def known_entries() -> dict[str, Entry]:
    """Cached entries by folder name; read-only. Read from disk once per process."""
    path = index_path()
    with _lock:
        if path not in _kept:
            found = readable(path, _File)
            usable = found is not None and (found.version, found.runs) == (INDEX_SCHEMA, SCHEMA)
            _kept[path] = _Kept(found.entries if found and usable else {})
        return _kept[path].entries


def remember(entries: dict[str, Entry]) -> None:
    """Store new entries; written if changed. Never fails."""
    path = index_path()
    with _lock:
        kept = _kept.setdefault(path, _Kept())
        same = entries.keys() == kept.entries.keys() and all(
            entries[name] is kept.entries[name] for name in entries
        )
        kept.entries = entries
        now = time.monotonic()
        waiting = kept.failed_at is not None and now - kept.failed_at < RETRY_S
        if (same and kept.failed_at is None) or waiting:
            return
        kept.failed_at = None if _write(path, entries) else now


def forget() -> None:
    """Read the disk's index again next time: like a new process."""
    with _lock:
        _kept.clear()


def worth_keeping(listing: RunListing, mark: Mark, now: float) -> bool:
    """Will this listing stay valid while the folder is unchanged?"""
    judged = listing.outcome is not None or bool(listing.origin)
    if listing.outcome is Outcome.UNKNOWN:
        return False  # a later version knows it
    if listing.state is not RunState.ENDED or not judged or listing.problem is not None:
        return False
    if not listing.id.isascii():
        return False  # not our id, and a non-text name could not be written
    if listing.duration_s is not None and listing.ended_at is None:
        return False  # it counts up to now
    return now - mark.mtime_ns / 1e9 >= RACY_S and now - mark.ctime_ns / 1e9 >= RACY_S


def _write(path: Path, entries: dict[str, Entry]) -> bool:
    try:
        private_folder(path.parent)
        write_json(path, _File(INDEX_SCHEMA, entries, SCHEMA))
        _clean(path)
    except (OSError, ValueError, msgspec.MsgspecError):  # only the cache is lost
        return False
    return True


def _clean(path: Path) -> None:
    """Leftover copies of processes killed during a write."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFTOVER_S:
                left.unlink()
