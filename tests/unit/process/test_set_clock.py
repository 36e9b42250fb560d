"""A machine whose clock is set while a training runs: on Linux psutil's create times move with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from runner.process.family import family, member_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="create times are absolute there")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as found:
        yield found
        found.kill()


@pytest.mark.parametrize("jump_s", [-86_400.0, 3600.0])
def test_a_process_is_the_same_after_the_clock_was_set(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    seen = member_of(child.pid, None)
    assert seen is not None
    real = psutil._psplatform.boot_time
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: real() + jump_s)
    assert seen.alive()
    assert family((os.getpid(),), None)[child.pid] == seen
