"""Queued runs behind one that is being trained by the pacer, for `scripts.scale`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runner.control.launch import start_run
from runner.control.queueing import QueueRequest
from runner.store.rundir import runs_root
from scripts.bench.runs import live_run, spec_of, stop_all, supervisor_pid


@contextmanager
def waiting(count: int) -> Iterator[list[int]]:
    """Their waiting processes. Nothing is left of them afterwards."""
    folder = runs_root().parent.parent
    os.environ["PLASMA_SLOTS"] = "1"
    try:
        with live_run(folder, "first", 1_000_000, (1.0, 1.0), exact=False):
            runs = []
            for number in range(count):
                spec, plan = spec_of((sys.executable, "-V"), folder / f"out-{number}", f"q{number}")
                runs.append(start_run(spec, plan, queue=QueueRequest()))
            yield [supervisor_pid(run) for run in runs]
            stop_all()
    finally:
        stop_all()
        del os.environ["PLASMA_SLOTS"]
