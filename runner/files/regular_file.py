"""Reads files named by a user or another program: regular files only, and never more than a limit.

Opening a FIFO blocks until another process writes, and `/dev/zero` never ends. Any path or link may lead to
one, so nothing is read before the open file is known to be regular.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from runner.model.units import file_size

#: larger than any configuration, script or caption file written by hand
TEXT_LIMIT_BYTES = 16_000_000
_KINDS = (
    (stat.S_ISDIR, errno.EISDIR, "a folder"),
    (stat.S_ISFIFO, errno.EINVAL, "a FIFO"),
    (stat.S_ISSOCK, errno.EINVAL, "a socket"),
    (stat.S_ISCHR, errno.EINVAL, "a device"),
    (stat.S_ISBLK, errno.EINVAL, "a device"),
)


def open_regular(path: str | Path, *, follow: bool = True) -> BinaryIO:
    """The file, open for reading. Never blocks on a FIFO. Raises OSError for anything but a regular file;
    `follow`: a link to one will do."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    flags |= 0 if follow else os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except ValueError:  # a null byte, or a character not allowed by the file system
        raise OSError(errno.EINVAL, "not a possible file name") from None
    mode = os.fstat(descriptor).st_mode
    for fits, number, words in _KINDS:
        if fits(mode):
            os.close(descriptor)
            raise OSError(number, f"it is {words}, not a regular file")
    return os.fdopen(descriptor, "rb")


def read_bytes(
    path: str | Path, limit_bytes: int = TEXT_LIMIT_BYTES, *, follow: bool = True
) -> bytes:
    """All bytes of a regular file. Raises OSError, also for a file of more than `limit_bytes`."""
    with open_regular(path, follow=follow) as stream:
        return _read(stream, limit_bytes)


def read_own_bytes(path: Path, limit_bytes: int) -> bytes:
    """The same of a file that belongs to this user, under its own name: not through a link."""
    with open_regular(path, follow=False) as stream:
        if os.fstat(stream.fileno()).st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it belongs to another user")
        return _read(stream, limit_bytes)


def _read(stream: BinaryIO, limit_bytes: int) -> bytes:
    known_bytes = os.fstat(stream.fileno()).st_size
    # too large files are not read at all; a /proc file has no size, a growing file an old one
    data = stream.read(limit_bytes + 1) if known_bytes <= limit_bytes else b""
    if max(known_bytes, len(data)) > limit_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {file_size(limit_bytes)}")
    return data


def read_text(
    path: str | Path,
    limit_bytes: int = TEXT_LIMIT_BYTES,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> str:
    """The text of a regular file, with line ends as they are in Python. Raises OSError,
    UnicodeDecodeError."""
    text = read_bytes(path, limit_bytes).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")
