"""Gives a finished file its name, and never takes that name from another file."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCL = -100, 1, 4
#: what a file system answers that knows no such call
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def name_exclusively(unfinished: Path, target: Path) -> None:
    """`unfinished` becomes `target`, in the same folder. Raises FileExistsError if there is something of
    that name, OSError; `unfinished` is left then."""
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise
    except FileNotFoundError:
        raise
    except OSError:  # a disk that knows no links: exFAT, some network shares
        _rename(unfinished, target)
        return
    unfinished.unlink()


def _rename(unfinished: Path, target: Path) -> None:
    """By the system's own exclusive rename. Where there is none either, a moment is left between the look and
    the rename, in which somebody else would have to take that very name."""
    failed = _system_rename(os.fsencode(unfinished), os.fsencode(target))
    if failed == 0:
        return
    if failed == errno.EEXIST or os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if failed not in _UNABLE:
        raise OSError(failed, os.strerror(failed), str(target))
    unfinished.rename(target)


def _system_rename(old: bytes, new: bytes) -> int:
    """0, or the errno."""
    system = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            done = system.renamex_np(old, new, ctypes.c_uint(_RENAME_EXCL))
        else:
            flags = ctypes.c_uint(_RENAME_NOREPLACE)
            done = system.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, flags)
    except AttributeError:  # a C library without it
        return errno.ENOSYS
    return 0 if done == 0 else ctypes.get_errno()
