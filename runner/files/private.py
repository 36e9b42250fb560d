"""Run folders contain tokens and passwords from commands and plasma.toml: only their owner may read them.
Modes are set when a file is created, never by umask: the trainer would inherit that.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = 0o077
#: the trainer's own files in a run folder: protected by their parent folder
_TRAINERS = ("tensorboard", "scratch")


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)`: a new file is readable by its owner alone."""
    return os.open(path, flags, FILE_MODE)


def is_open(entry: os.DirEntry[str]) -> bool:
    """Do group or others have any access to this folder? A link is not checked."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and bool(found.st_mode & _OTHERS)


def tighten(folder: Path) -> None:
    """Remove all rights of group and others from a run folder and our files in it. Files of other users stay
    unchanged."""
    for name, folders, files in os.walk(folder):
        if Path(name) == folder:
            folders[:] = [one for one in folders if one not in _TRAINERS]
        for path in (name, *(os.path.join(name, one) for one in files)):  # noqa: PTH118
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
                    os.chmod(path, stat.S_IMODE(found.st_mode) & ~_OTHERS)  # noqa: PTH101
