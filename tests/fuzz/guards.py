"""What no input may do, whatever reads it: take long, start a program, open a connection, write elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: processor time of one input; a busy machine does not change it
LIMIT_S = 10.0

_STARTS = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
    "pty.spawn", "socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request", "os.kill",
    "os.putenv", "shutil.rmtree",
)  # fmt: skip
#: paths that reading may write to: names of devices, and the folder of the inputs
_WRITABLE = ("/dev/null",)


class Broken(AssertionError):
    """A property does not hold for this input."""


class TooSlow(BaseException):
    """The input took longer than LIMIT_S. No reader may catch it."""


class _Watch:
    """One audit hook for the process, as it cannot be removed again; it records only while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self.folder: str | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith(_STARTS):
            self.seen.append(f"{event} {arguments!r}"[:300])
        elif event == "open" and self._writes(arguments):
            self.seen.append(f"opened for writing: {arguments[0]!r}"[:300])

    def _writes(self, arguments: tuple[Any, ...]) -> bool:
        path, _, flags = arguments
        if not isinstance(path, str | bytes) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return False
        name = os.fsdecode(path)
        return not name.startswith((self.folder or "\0", *_WRITABLE)) and "__pycache__" not in name


_watch: _Watch | None = None
_folder: tempfile.TemporaryDirectory[str] | None = None


def temporary() -> tempfile.TemporaryDirectory[str]:
    """In memory where the machine has such a disk."""
    fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="plasma-fuzz-", dir=fast)


def folder() -> Path:
    """Where inputs become files: $PLASMA_FUZZ_FOLDER, else one that is gone with the process."""
    global _folder
    if given := os.environ.get("PLASMA_FUZZ_FOLDER"):
        return Path(given)
    _folder = _folder or temporary()
    return Path(_folder.name)


def place(name: str, data: bytes) -> Path:
    """The input as a file of this name."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@contextlib.contextmanager
def limited(limit_s: float = LIMIT_S) -> Iterator[None]:
    """Raises TooSlow in the code inside once it has used so much processor time."""

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {limit_s:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def harmless() -> Iterator[None]:
    """Raises Broken if the code inside started a program, connected anywhere, or wrote outside `folder`."""
    global _watch
    if _watch is None:
        _watch = _Watch()
    _watch.folder, _watch.on, _watch.seen = str(folder()), True, []
    try:
        yield
    finally:
        _watch.on = False
    if _watch.seen:
        raise Broken(f"reading did more than read: {_watch.seen[0]}")
