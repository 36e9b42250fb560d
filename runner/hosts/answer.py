"""Runs one ssh and takes what it says, within limits: whatever a host sends, or does not send, costs a bounded
amount of memory and time."""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

#: how often a question is asked whether it is still wanted
LOOK_S = 0.1
#: of what ssh or the program there says about a failure
ERROR_BYTES = 8192
READ_BYTES = 1 << 16
#: what ssh itself, and a shell without the program, exit with
NO_CONNECTION, NO_PROGRAM = 255, 127


#: without a terminal, ssh to a jump host would open a window for its password, every ten seconds
_SILENT = {"SSH_ASKPASS_REQUIRE": "never"}

#: threads end with this program, what they have started would not
_running: set[subprocess.Popen[bytes]] = set()


@atexit.register
def _leave_none() -> None:
    for child in (one for one in tuple(_running) if one.poll() is None):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Answer:
    """`code`: None if it was ended by us, and then `problem` says why."""

    code: int | None
    output: bytes = b""
    error: bytes = b""
    problem: str = ""


def collect(
    command: Sequence[str],
    *,
    limit_bytes: int,
    patience_s: float,
    cancelled: threading.Event | None = None,
) -> Answer:
    """The complete output of a short command. No process of it is left; ssh's shared connection stays."""
    kept = {"out": bytearray(), "err": bytearray()}

    def take(name: str, data: bytes) -> str:
        room = limit_bytes if name == "out" else ERROR_BYTES
        kept[name] += data[: max(0, room - len(kept[name]))]
        full = name == "out" and len(kept[name]) >= limit_bytes
        return f"sent more than {limit_bytes >> 20} MiB" if full else ""

    code, problem = pump(command, take, patience_s=patience_s, cancelled=cancelled)
    return Answer(code, bytes(kept["out"]), bytes(kept["err"]), problem)


def pump(
    command: Sequence[str],
    take: Callable[[str, bytes], str],
    *,
    patience_s: float | None = None,
    cancelled: threading.Event | None = None,
) -> tuple[int | None, str]:
    """`take("out" or "err", data)` as it comes; a text that it returns is a reason to end the command. Returns
    (exit code, why it was ended)."""
    try:
        child = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env={**os.environ, **_SILENT},
        )  # fmt: skip
    except OSError as error:
        return None, f"{command[0]} cannot be started: {error.strerror or error}"
    _running.add(child)
    deadline = None if patience_s is None else time.monotonic() + patience_s
    assert child.stdout is not None and child.stderr is not None
    try:
        problem = _read(child, child.stdout, child.stderr, take, deadline, cancelled)
        return (None, problem) if problem else (child.wait(), "")
    finally:
        _end(child)
        _running.discard(child)
        child.stdout.close()
        child.stderr.close()


def _read(
    child: subprocess.Popen[bytes],
    out: IO[bytes],
    err: IO[bytes],
    take: Callable[[str, bytes], str],
    deadline: float | None,
    cancelled: threading.Event | None,
) -> str:
    """Until the process has ended and its output is read. Not until its pipes end: the shared connection, a
    child of the first ssh, may hold them."""
    with selectors.DefaultSelector() as ready:
        ready.register(out, selectors.EVENT_READ, "out")
        ready.register(err, selectors.EVENT_READ, "err")
        while True:
            if cancelled is not None and cancelled.is_set():
                return "cancelled"
            if deadline is not None and time.monotonic() >= deadline:
                return "no complete answer in time"
            ended = child.poll() is not None
            found = ready.select(0 if ended else LOOK_S) if ready.get_map() else []
            for key, _ in found:
                data = os.read(key.fd, READ_BYTES)
                if not data:
                    ready.unregister(key.fileobj)
                elif problem := take(key.data, data):
                    return problem
            if ended and not found:
                return ""
            if not ready.get_map() and not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(LOOK_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Its group: a ProxyCommand is a child of ssh. What ignores SIGTERM is killed."""
    if child.poll() is None:
        for number, grace_s in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace_s)
                return
