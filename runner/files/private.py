"""Run folders contain tokens and passwords from commands and plasma.toml: only their owner may read them.
Modes are set when a file is created, never by umask: the trainer would inherit that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from runner.files.atomic import open_new

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = 0o077
#: the trainer's own files in a run folder: protected by their parent folder
_TRAINERS = ("tensorboard", "scratch")


def private_folder(path: Path) -> None:
    """Create the folder, and missing ones above it, for their owner alone. Raises OSError."""
    for one in reversed([one for one in (path, *path.parents) if not one.exists()]):
        one.mkdir(FOLDER_MODE, exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)` in a run folder: a new file is readable by its owner alone, and
    bytes never go to a file elsewhere. Raises OSError for a link."""
    own_copy(Path(path))
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def open_lock(path: Path) -> int:
    """A lock file's descriptor. Raises OSError, also for a link."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(path, flags, FILE_MODE)


def own_copy(path: Path) -> None:
    """Before a file is appended to. Another name of the same file, for example in a backup made of hard links,
    keeps the old bytes: ours becomes a copy. Raises OSError for anything but a regular file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "it is a link or no regular file", str(path))
    if found.st_nlink < 2:
        return
    import shutil

    copy = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with path.open("rb") as old, open_new(copy, FILE_MODE) as new:
            shutil.copyfileobj(old, new, 1 << 20)
        copy.replace(path)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def writable_by_others(path: Path) -> str | None:
    """Who else can put files into this folder, as the end of a sentence; None: only its owner, who is this
    user or root. Raises OSError."""
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "can be written by every user"
    if found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid):
        return "can be written by its group"
    return None


def _user(uid: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _is_own_group(gid: int) -> bool:
    """A group of this user alone, as most Linux systems create one for each user (umask 002)."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    own = gid == user.pw_gid and group.gr_name == user.pw_name
    return own and set(group.gr_mem) <= {user.pw_name}


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
