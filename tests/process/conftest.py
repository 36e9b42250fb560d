"""Fixtures of the tests with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.store.rundir import RunDir, runs_root
from runner.store.unrecorded import keeper_pids
from tests.fake_nvml.machine import machine, nvml_library
from tests.process.helpers import clean_up, kill, supervisors_of

__all__ = ["machine", "nvml_library"]


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """An output folder; afterwards no run of this home has a process left."""
    folder = tmp_path / "out"
    yield folder
    for path in runs_root().glob("2*"):
        clean_up(RunDir(path), folder)
        for pid in (*keeper_pids(RunDir(path)), *supervisors_of(path)):
            kill(pid)
