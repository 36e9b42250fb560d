"""Starting the process that sends; whoever starts it does not wait for what it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from runner.rundir import RunDir

#: the process forks at once; a machine that cannot do that within this has other troubles
PATIENCE_S = 30.0


def surroundings() -> dict[str, str]:
    """Our environment, with `runner` importable from anywhere."""
    root = str(Path(__file__).resolve().parents[2])
    rest = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{rest}" if rest else root}


def send_waiting(run: RunDir) -> None:
    """Send what lies in `notices/`, detached. Raises OSError, subprocess.TimeoutExpired."""
    with run.log.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "runner.notify", str(run.path)],
            cwd="/",
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    child.wait(PATIENCE_S)


def anything_waiting(run: RunDir) -> bool:
    """Does a notice wait although nobody is sending? Cheap where a run has none."""
    if not run.notices.is_dir():
        return False
    from runner.liveness import lock_held
    from runner.notify.box import Box

    return bool(Box(run).waiting()) and not lock_held(run.notices / "lock")
