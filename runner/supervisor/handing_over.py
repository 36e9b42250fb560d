"""What waiting processes and supervisors of queued runs share: becoming the other program, holding a run, its
status.json, and the list of GPUs. Few imports: see `runner.supervisor.waiting`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from runner.files.atomic import replace_file
from runner.files.private import FILE_MODE
from runner.files.regular_file import read_bytes
from runner.store import queue
from runner.store.queue import Mark
from runner.store.rundir import RunDir
from runner.store.slot_locks import gpus_of
from runner.store.slots import Gpu

GPUS_TIMEOUT_S = 30.0
STATUS_LIMIT_BYTES = 256_000_000


def become(
    run: RunDir, lock: int, what: str, env: dict[str, str] | None = None,
    fds: Sequence[int] = (), more: str = "",
) -> None:  # fmt: skip
    """This process runs itself again, from the files as they are now. Returns only if that is not possible.
    `what`: see `runner.supervisor.detach`."""
    from runner.process.spawn import module_command, shell_environment

    command = module_command(
        "runner.supervisor.detach", str(run.path), str(lock), what, *filter(None, (more,))
    )
    for fd in (lock, *fds):
        os.set_inheritable(fd, True)
    try:
        sys.stderr.flush()
        os.execve(command[0], command, shell_environment() if env is None else env)
    except OSError as error:
        print(f"cannot run {command[0]}: {error}", file=sys.stderr)
    for fd in (lock, *fds):
        os.set_inheritable(fd, False)


def hold(run: RunDir, mark: Mark, why: str) -> None:
    """The run stays in the queue and does not start before it is released. Raises OSError."""
    queue.write_mark(run, replace(mark, held=why))


def write_status(run: RunDir, mark: Mark, reason: str = "") -> None:
    """status.json of a waiting attempt; what earlier attempts achieved stays in it. Raises OSError."""
    found: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(read_bytes(run.status, STATUS_LIMIT_BYTES, follow=False))
    waiting = {"reason": mark.held or reason, "held": bool(mark.held)}
    now = time.time()
    if found.get("attempt") != mark.attempt or found.get("state") != "queued":
        gone = (
            "outcome",
            "cause",
            "trainer_pid",
            "trainer_created_at",
            "keeper_pid",
            "pgid",
            "eta_s",
        )
        found = {key: value for key, value in found.items() if key not in gone}
        found |= {"schema": 1, "reasons": [], "phase": "launching", "phase_since": now}
    found |= {
        "state": "queued", "attempt": mark.attempt, "heartbeat_at": now,
        "supervisor_pid": os.getpid(), "waiting": waiting,
    }  # fmt: skip
    replace_file(run.status, json.dumps(found).encode(), mode=FILE_MODE)


# --------------------------------------------------------------------------- GPUs


def list_gpus() -> tuple[list[Gpu], dict[str, str]] | None:
    """With who uses them outside this queue, by key: see `runner.hardware.list_gpus`. None: no answer."""
    from runner.process.spawn import module_command

    if sys.platform == "darwin":
        return [], {}
    try:
        found = subprocess.run(
            module_command("runner.hardware.list_gpus", "--in-use"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=GPUS_TIMEOUT_S,
        )  # fmt: skip
        answer = json.loads(found.stdout)
        return gpus_of(answer["gpus"]), dict(answer["in_use"])
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, LookupError):
        return None
