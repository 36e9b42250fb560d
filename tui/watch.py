"""Notices that a file has changed, in a thread: a stat on a network disk may take its time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

LOOK_S = 1.0

#: modification time, size, inode: an editor may replace the file instead of writing it
Stamp = tuple[int, int, int] | None


def stamp_of(path: Path) -> Stamp:
    """None while there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


class FileWatch:
    """Calls `changed` (in its thread) after the file has changed. A file that is missing for a moment, while an
    editor replaces it, has not."""

    def __init__(self, path: Path, changed: Callable[[], object], look_s: float = LOOK_S) -> None:
        self.path = path
        self._changed = changed
        self._look_s = look_s
        self._stamp = stamp_of(path)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="file watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def seen(self) -> None:
        """The present file is known: no change until it differs from this."""
        self._stamp = stamp_of(self.path)

    def _run(self) -> None:
        missing = 0
        while not self._stopped.wait(self._look_s):
            now = stamp_of(self.path)
            missing = missing + 1 if now is None else 0
            if now != self._stamp and missing != 1:
                self._stamp = now
                self._changed()
