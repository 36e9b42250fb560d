"""Gives a finished file another name next to others: never replaces a file, never leaves a partial one."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from pathlib import Path

from runner.files.atomic import open_new, rename_to_free
from runner.trainers.names import marked_name

#: how many names with one mark are tried
_MARKED = 100
#: a file's time may lose digits on a network disk
_SAME_TIME_S = 0.01


def set_aside(path: Path, mark: str, size_bytes: int, modified_at: float) -> Path | None:
    """Rename a file to a free marked name next to its own, never replacing another file. The next call
    completes one that was killed. None: there is no file with the verified size and time. Raises OSError."""

    def is_it(place: Path) -> bool:
        found = place.stat()
        same_time = abs(found.st_mtime - modified_at) <= _SAME_TIME_S
        return found.st_size == size_bytes and same_time

    here = path.is_file() and is_it(path)
    for number in range(1, _MARKED):
        target = path.with_name(marked_name(path.name, mark, number))
        if not os.path.lexists(target):
            break
        if here and path.samefile(target):  # an earlier call was killed here
            path.unlink()
            return target
        if not here and is_it(target):  # or here
            return target
    else:
        raise FileExistsError(target)
    if not here:
        return None
    rename_to_free(path, target)
    return target


def place_under(source: Path, target: Path, mark: str, tag: str) -> Path:
    """As `place_file`; if another file has the name, use the first free name with `mark`."""
    marked = (target.with_name(marked_name(target.name, mark, n)) for n in range(1, _MARKED))
    for place in (target, *marked):
        with contextlib.suppress(FileExistsError):
            place_file(source, place, tag)
            return place
    raise FileExistsError(target)


def place_file(source: Path, target: Path, tag: str) -> None:
    """A hard link, or a copy if links are not possible. Does nothing if it already exists. `tag`: makes the
    name of the unfinished copy unique to this run, so that a leftover of a killed process is overwritten.
    Raises FileExistsError if another file has that name, OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        if not same_file(source, target):
            raise
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        _copy(source, target, target.with_name(f".{target.name}.{tag}.part"))


def same_file(one: Path, other: Path) -> bool:
    """The same file under two names, or the same bytes."""
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _copy(source: Path, target: Path, unfinished: Path) -> None:
    """Complete and on the disk before it gets its name."""
    if os.path.lexists(target):
        if same_file(source, target):
            return
        raise FileExistsError(target)
    try:
        with source.open("rb") as data, open_new(unfinished) as out:
            shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        shutil.copystat(source, unfinished)
        rename_to_free(unfinished, target)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
