"""Copies a checkpoint to a user's folder under a chosen name. Never moves, links or overwrites.

The copy has a temporary name in the target folder until it is complete, on the disk and read back; a killed
export leaves that file, and the next export to the folder removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runner.checkpoints.verify import Verification, verify_apart
from runner.files.atomic import first_free, rename_to_free
from runner.model import Checkpoint
from runner.model.checkpoint import CHANGED
from runner.model.refusal import Refusal
from runner.model.units import file_size
from runner.store.identity import is_same
from runner.trainers.names import SUFFIXES

BLOCK_BYTES = 1 << 20
#: what must stay free on the target disk
SPARE_BYTES = 1 << 24
#: of a file name, on all common file systems
NAME_BYTES = 255
PART_PREFIX, PART_SUFFIX = ".plasma-export-", ".part"


class ExportRefused(Refusal):
    """Why nothing was exported, in one sentence with what to do. `free_name`: a name that is free."""

    def __init__(self, sentence: str, free_name: str | None = None) -> None:
        super().__init__(sentence)
        self.free_name = free_name


@dataclass(frozen=True, slots=True)
class Exported:
    """A copy, written and read back identical. `notes`: warnings for the user."""

    path: str
    size_bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


def export_file(
    source: Path,
    folder: Path,
    name: str | None = None,
    *,
    force: bool = False,
    known: Checkpoint | None = None,
) -> Exported:
    """Copy `source` to `folder`. `name` None: its own; a missing extension is added. `force`: even if
    incomplete or non-finite. `known`: what the run knows about it; a file that replaced it is not exported.
    Blocking. Raises ExportRefused."""
    target = checked_folder(folder) / checked_name(name or source.name, source)
    try:
        if os.path.lexists(target):
            raise _exists(target, source)
        size = source.stat().st_size
        _own(source, known)
        notes = _checked(source, force)
        _room(folder, size)
        clean_parts(folder)
        return _copied(source, target, notes, known)
    except FileNotFoundError as error:
        raise ExportRefused(f"{error.filename or source} no longer exists") from None
    except OSError as error:
        where = error.filename or target
        raise ExportRefused(f"nothing was exported: {where}: {error.strerror or error}") from None


# --------------------------------------------------------------------------- before


def checked_folder(folder: Path) -> Path:
    """The folder, if it is writable. Raises ExportRefused."""
    if not folder.is_dir():
        what = "is no folder" if os.path.lexists(folder) else "does not exist: create it first"
        raise ExportRefused(f"{folder} {what}, or choose another folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ExportRefused(f"{folder} is not writable: choose another folder")
    return folder


def checked_name(name: str, source: Path) -> str:
    """A file name with the source's extension. Raises ExportRefused."""
    name, ending = name.strip(), source.suffix
    other = next((s for s in SUFFIXES if s != ending.lower() and name.lower().endswith(s)), None)
    if other is not None:
        raise ExportRefused(
            f"the file is a {ending} file: a name that ends in {other} would mislead"
        )
    if not name.lower().endswith(ending.lower()):
        name += ending
    odd = next((c for c in name if unicodedata.category(c) in ("Cc", "Cs")), None)
    if name == ending:
        problem = "the name is empty"
    elif "/" in name or "\\" in name:
        problem = "a name cannot contain / or \\; set the folder separately"
    elif name.startswith("."):
        problem = "a name starting with a dot is hidden: choose another one"
    elif odd is not None:
        problem = f"the name contains the character U+{ord(odd):04X}: remove it"
    elif len(os.fsencode(name)) > NAME_BYTES:
        problem = f"the name has more than {NAME_BYTES} bytes: choose a shorter one"
    else:
        return name
    raise ExportRefused(problem)


def free_name(folder: Path, name: str) -> str:
    """The name, or with -2, -3 ... before its extension if taken."""
    stem, ending = Path(name).stem, Path(name).suffix
    numbered = (folder / f"{stem}-{number}{ending}" for number in itertools.count(2))
    return first_free(itertools.chain([folder / name], numbered)).name


def _exists(target: Path, source: Path) -> ExportRefused:
    other = free_name(target.parent, target.name)
    with contextlib.suppress(OSError):
        same_size = target.stat().st_size == source.stat().st_size
        if same_size and _hash(target) == _hash(source):
            return ExportRefused(
                f"{target} already exists with the same content: nothing to do", other
            )
    return ExportRefused(
        f"{target} already exists and is never overwritten: a free name is {other}", other
    )


def _checked(source: Path, force: bool) -> tuple[str, ...]:
    """Verified again now, in a separate process: the run's facts may be outdated."""
    seen, _ = verify_apart([str(source.absolute())])
    found = seen[0] if seen else Verification(str(source), problem="it could not be verified")
    if found.kind == "diffusers":
        raise ExportRefused(
            f"{source.name} is a diffusers folder, and export copies single files: copy the folder yourself"
        )
    good = found.complete and found.finite is not False and found.kind != "state"
    if not good and not force:
        why = found.problem or "not a weights file"
        raise ExportRefused(f"{source.name} is not exported: {why}")
    return (found.problem,) if found.problem else ()


def _room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes + SPARE_BYTES:
        raise ExportRefused(
            f"{folder} has {file_size(free)} left and the file needs {file_size(size_bytes)}: "
            "free some space, or choose a folder on another disk"
        )


# --------------------------------------------------------------------------- the copy


def _own(source: Path, known: Checkpoint | None) -> None:
    """Raises ExportRefused if another training's file has that name."""
    if known is not None and is_same(known, source) is False:
        raise ExportRefused(
            f"{source.name} is not exported: it was {known.replaced or CHANGED}, so it is no "
            "longer this run's file; export it from the run that wrote it"
        )


def _copied(
    source: Path, target: Path, notes: tuple[str, ...], known: Checkpoint | None
) -> Exported:
    with source.open("rb") as data, _part(target.parent) as (unfinished, out):
        before = os.fstat(data.fileno())
        digest, size = hashlib.sha256(), 0
        while block := data.read(BLOCK_BYTES):
            out.write(block)
            digest.update(block)
            size += len(block)
        out.flush()
        os.fsync(out.fileno())
        after = source.stat()
        same = os.path.samestat(before, after) and before.st_mtime_ns == after.st_mtime_ns
        if not same or after.st_size != size:
            raise ExportRefused(f"{source.name} changed during the copy: try again")
        _own(source, known)
        _drop_from_cache(out)
        if unfinished.stat().st_size != size or _hash(unfinished) != digest.hexdigest():
            raise ExportRefused(
                f"the copy in {target.parent} reads back differently: nothing was exported; do "
                "not trust that disk"
            )
        try:
            rename_to_free(unfinished, target)
        except FileExistsError:
            raise _exists(target, source) from None
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return Exported(str(target), size, digest.hexdigest(), notes)


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new temporary file, locked while it is written, removed at the end."""
    path = folder / f"{PART_PREFIX}{secrets.token_hex(6)}{PART_SUFFIX}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as out:
        try:
            with contextlib.suppress(OSError):  # a share without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path, out
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def clean_parts(folder: Path) -> tuple[str, ...]:
    """Remove leftovers of killed exports; returns their names. A file being written is locked."""
    gone = []
    for path in folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"):
        if not path.is_file():  # a pipe with that name would block
            continue
        with contextlib.suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            gone.append(path.name)
    return tuple(gone)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _drop_from_cache(out: BinaryIO) -> None:
    """Read back from the disk, not from memory, if the system supports it."""
    with contextlib.suppress(OSError, AttributeError):  # macOS has no such call
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
