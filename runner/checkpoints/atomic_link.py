"""Puts a finished file under another name beside others: never replacing one, never half a file."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from pathlib import Path

from runner.files.atomic import rename_to_free
from runner.trainers.names import marked_name

#: so many files of one name and mark are tried
_MARKED = 100
#: the time of a file may lose digits on its way over a network disk
_SAME_TIME_S = 0.01


def set_aside(path: Path, mark: str, size_bytes: int, modified_at: float) -> Path | None:
    """Give a file a free marked name beside its own, which it loses: never replacing another file. A call that
    was killed on its way is completed by the next one. None: the file that was verified with this size and
    time is not there. Raises OSError."""

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
    """As `place_file`; where another file has the name, under the first free name with `mark`."""
    marked = (target.with_name(marked_name(target.name, mark, n)) for n in range(1, _MARKED))
    for place in (target, *marked):
        with contextlib.suppress(FileExistsError):
            place_file(source, place, tag)
            return place
    raise FileExistsError(target)


def place_file(source: Path, target: Path, tag: str) -> None:
    """A hard link, or a copy where links are not possible. Does nothing if it lies there already.

    `tag`: makes the name of the unfinished copy this run's own, so that one which a killed process left
    behind is written anew. Raises FileExistsError if another file has that name, OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        if not same_file(source, target):
            raise
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        _copy(source, target, target.with_name(f".{target.name}.{tag}.part"))


def same_file(one: Path, other: Path) -> bool:
    """The same file under two names, or the same bytes."""
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _copy(source: Path, target: Path, unfinished: Path) -> None:
    """Whole and on the disk before it gets its name."""
    if os.path.lexists(target):
        if same_file(source, target):
            return
        raise FileExistsError(target)
    try:
        with source.open("rb") as data, unfinished.open("wb") as out:
            shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        shutil.copystat(source, unfinished)
        rename_to_free(unfinished, target)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
