"""A file appears under its name complete or not at all: by rename over an old one, or by a link that never
replaces another file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCL = -100, 1, 4
#: errors of a file system without such a call
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def replace_file(
    path: Path, data: bytes, *, mode: int | None = None, durable: bool = False
) -> None:
    """`data` becomes the content of `path`. `mode`: None: by the umask; `durable`: on the disk before it gets
    the name. Raises OSError (disk full, read-only); the old content stays then."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open_new(temporary, 0o666 if mode is None else mode) as stream:
            if mode is not None:
                with contextlib.suppress(OSError):  # a share without modes
                    os.fchmod(stream.fileno(), mode)  # whatever the umask
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def open_new(path: Path, mode: int = 0o666) -> BinaryIO:
    """A new file under a name that only we use, for writing. A leftover of a killed process is deleted; a link
    put there by another user is not followed. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except FileExistsError:
        path.unlink()
        descriptor = os.open(path, flags, mode)
    return os.fdopen(descriptor, "wb")


def first_free(paths: Iterable[Path]) -> Path:
    """The first path that does not exist, not even as a broken link. Raises FileExistsError if every one is
    taken."""
    free = next((path for path in paths if not os.path.lexists(path)), None)
    if free is None:
        raise FileExistsError(errno.EEXIST, "every name is taken")
    return free


def rename_to_free(unfinished: Path, target: Path) -> None:
    """`unfinished` becomes `target`, in the same folder. Raises FileExistsError if the name exists, OSError;
    `unfinished` stays then."""
    try:
        os.link(unfinished, target)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a disk without links: exFAT, some network shares
        _rename(unfinished, target)
        return
    unfinished.unlink()


def _rename(unfinished: Path, target: Path) -> None:
    """By the system's exclusive rename. Without that, there is a short gap between check and rename in which
    another process could take the name."""
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
    import ctypes  # where a file is linked into place, never to read one

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
