"""The clock of a disk, which two machines that share it agree on. Their own clocks may be minutes apart, and
one of them may have been set since."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from runner.files.atomic import open_new
from runner.files.private import FILE_MODE


def disk_now(folder: Path) -> float:
    """The time that the file system gives a new file; our own if no file can be written."""
    path = folder / f".clock.{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        open_new(path, FILE_MODE).close()
        return path.lstat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
