"""Front ends ask here before they show runs: refreshes what Slurm reports, and has the end of a job without a
verdict evaluated. Costs one look into an empty folder where no job is open."""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
import time
from pathlib import Path

from runner.control.orders import foreign, needs_adoption, start_supervisor
from runner.control.submit import FOLLOWING
from runner.engines.slurm import watch
from runner.engines.slurm.words import NOT_SUBMITTED
from runner.files.private import private_opener
from runner.model import JobPhase, RunSnapshot, Status
from runner.process.spawn import module_command, start_detached
from runner.store.attempt import has_verdict
from runner.store.jobs import job_of
from runner.store.journal import readable
from runner.store.liveness import lock_held
from runner.store.reader import RunReader
from runner.store.rundir import RunDir


def look() -> None:
    """Ask Slurm, at most once in some seconds for all processes; start supervisors where jobs have ended
    without a verdict. Blocks while Slurm answers."""
    watch.refresh()
    for run in watch.open_runs():
        job = job_of(run)
        if job is None or job.phase is not JobPhase.OVER:
            continue
        if has_verdict(run):
            # its last process was killed before it asked for the next job
            if run.job_env.exists() and not foreign(run):
                _ask_for_next(run)
            else:
                watch.forget(run)
        elif needs_adoption(run.path):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                start_supervisor(run)


#: a process that asks for a next job needs a moment to show that it does
ASK_AGAIN_S = 10.0
#: after a request that did not reach Slurm
RETRY_S = 60.0
_asked: dict[str, float] = {}


def _ask_for_next(run: RunDir) -> None:
    """Unless another process does."""
    status, now, job = readable(run.status, Status), time.monotonic(), job_of(run)
    lost_at = job.submitted_at if job is not None and job.state == NOT_SUBMITTED else -math.inf
    if (
        status is None
        or time.time() - lost_at < RETRY_S
        or now - _asked.get(run.id, -math.inf) < ASK_AGAIN_S
        or lock_held(run.job_env)
    ):
        return
    _asked[run.id] = now
    command = module_command(FOLLOWING, str(run.path), str(status.attempt))
    with contextlib.suppress(OSError), open(run.log, "ab", opener=private_opener) as log:
        start_detached(command, log)


_asking = threading.Lock()


def look_soon() -> None:
    """The same in a thread: a screen never waits for Slurm."""
    if not watch.open_runs() or not _asking.acquire(blocking=False):
        return

    def ask() -> None:
        try:
            look()
        finally:
            _asking.release()

    threading.Thread(target=ask, name="slurm", daemon=True).start()


class JobReader(RunReader):
    """Reads a run, and has Slurm asked about its job meanwhile."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._looked = 0.0

    def read(self, budget_s: float = 0.05) -> RunSnapshot:
        if time.monotonic() - self._looked > watch.ASK_EVERY_S and self.run.job.exists():
            self._looked = time.monotonic()
            look_soon()
        return super().read(budget_s)
