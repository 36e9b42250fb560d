"""Starting the process that sends; whoever starts it does not wait for what it does."""

from __future__ import annotations

from runner.files.private import private_opener
from runner.process.spawn import module_command, start_detached
from runner.store.rundir import RunDir

#: the process forks at once; a machine that cannot do that within this has other troubles
PATIENCE_S = 30.0


def send_waiting(run: RunDir) -> None:
    """Send what lies in `notices/`, detached. Raises OSError, subprocess.TimeoutExpired."""
    with open(run.log, "ab", opener=private_opener) as log:
        child = start_detached(module_command("runner.notify", str(run.path)), log)
    child.wait(PATIENCE_S)


def anything_waiting(run: RunDir) -> bool:
    """Does a notice wait although nobody is sending? Cheap where a run has none."""
    if not run.notices.is_dir():
        return False
    from runner.notify.box import Box
    from runner.store.liveness import lock_held

    return bool(Box(run).waiting()) and not lock_held(run.notices / "lock")
