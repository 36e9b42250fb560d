"""Puts a finished file under another name beside others: never replacing one, never half a file."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from pathlib import Path


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
        _name(unfinished, target)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _name(unfinished: Path, target: Path) -> None:
    """A link cannot replace; a rename could, so a disk without links leaves a moment between look and
    rename in which somebody else would have to take that very name."""
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        unfinished.rename(target)
