"""Starts the supervisor of a run: by a start, by an order to a run without one, or by a neighbour in the
queue."""

from __future__ import annotations

import contextlib

from runner.files.private import private_opener
from runner.process.spawn import module_command, start_detached
from runner.store.rundir import RunDir


def start_supervisor(run: RunDir, prefix: tuple[str, ...] = (), lock: int | None = None) -> None:
    """Start a detached supervisor: own session, no terminal, output in supervisor.log.

    `lock`: a descriptor that holds the run's lock. The supervisor inherits it, so the run is locked without a
    gap, and the caller closes its own copy afterwards. Only such a supervisor starts a trainer, or one whose
    attempt is queued; any other only watches. Raises OSError: nothing was started.
    """
    inherited = () if lock is None else (lock,)
    log = open(run.log, "ab", opener=private_opener)  # noqa: SIM115
    try:
        detach = module_command("runner.supervisor.detach", str(run.path), *map(str, inherited))
        child = start_detached([*prefix, *detach], log, inherited)
    finally:
        with contextlib.suppress(OSError):  # a full network disk reports what the child wrote
            log.close()
    child.wait()  # it forks at once and runs on its own
