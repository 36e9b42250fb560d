"""Notifies the user of a held run: a person must decide. As a program with RUN_DIR it is a child of
the small waiting process."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from runner.config.channels import channels_or_none
from runner.notify.box import Box, send_waiting
from runner.notify.message import held_message, wanted
from runner.store.queue import queued_mark
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

log = logging.getLogger("supervisor")


def notify_held(run: RunDir, reason: str) -> None:
    """Never raises: nothing depends on it."""
    try:
        snapshot = RunReader(run.path, console=False).read_small()
        spec = snapshot.spec
        if spec is None or not channels_or_none(run).names or not wanted(spec.notify, "waiting"):
            return
        if Box(run).put(held_message(snapshot, reason)):
            send_waiting(run)
    except Exception:
        log.exception("the notification of a held run failed")


def main(path: str) -> None:
    run = RunDir(Path(path))
    mark = queued_mark(run)
    if mark is not None and mark.held:
        notify_held(run, mark.held)


if __name__ == "__main__":
    main(sys.argv[1])
