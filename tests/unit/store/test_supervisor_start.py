"""The start of a supervisor: an error means that nothing was started."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO, Any

import pytest

from runner.store import starting
from runner.store.rundir import RunDir


class ReportsLate:
    """A file of a full network disk: only closing it tells."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_that_reports_late_does_not_undo_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the caller would remove the folder of a training that runs."""

    def opened(*given: Any, **more: Any) -> ReportsLate:
        return ReportsLate(open(*given, **more))

    monkeypatch.setattr(starting, "open", opened, raising=False)
    monkeypatch.setattr(starting, "module_command", lambda *_: ["touch", str(tmp_path / "started")])
    starting.start_supervisor(RunDir(tmp_path))
    assert (tmp_path / "started").exists()
