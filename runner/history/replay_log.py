"""A bare console log as a recording: a temporary run outside the list, for one replay."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from runner.history.imported_runs.from_log import run_of_log

_PREFIX = "plasma-replay-"
_OWNER = re.compile(rf"{_PREFIX}(\d+)-")


@contextlib.contextmanager
def recording_of_log(log: Path) -> Iterator[Path]:
    """The temporary run folder of a log, removed afterwards. Raises OSError, and ValueError if it is not a
    trainer's log."""
    _sweep()
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        yield run_of_log(log, root=root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _sweep() -> None:
    """Leftovers of killed replays: a log may be large."""
    with contextlib.suppress(OSError):
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            owner = _OWNER.match(path.name)
            if owner is not None and not psutil.pid_exists(int(owner[1])):
                shutil.rmtree(path, ignore_errors=True)
