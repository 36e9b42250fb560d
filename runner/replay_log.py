"""A bare console log as a recording: a run made of it outside the list, for one replay."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from runner.made_runs import run_of_log


@contextlib.contextmanager
def recording_of_log(log: Path) -> Iterator[Path]:
    """The folder of a run made of a log; taken away afterwards. Raises OSError, and ValueError where it is
    no log of a trainer."""
    path = run_of_log(log, keep=False)
    try:
        yield path
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)
