"""Running a command whose output is watched, and which can be broken off."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from runner.preflight.cures.model import CureFailed, OnOutput

_LOOK_S = 0.1
_GRACE_S = 3.0


def shell_words(command: Sequence[str], cwd: Path) -> str:
    """As a person would type it."""
    return f"cd {shlex.quote(str(cwd))} && {shlex.join(command)}"


def stream(
    command: Sequence[str], cwd: Path, on_output: OnOutput, cancelled: threading.Event
) -> None:
    """Hand on every line as it comes (progress bars as well, which end in \\r). Raises CureFailed when it
    cannot be started, fails or is cancelled; no process of it is left then."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C.UTF-8"}
    try:
        child = subprocess.Popen(
            list(command), cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CureFailed(f"{command[0]} cannot be started: {error.strerror or error}") from None
    lines = _Lines(on_output)
    try:
        _pump(child, lines, cancelled)
    except BaseException:
        cancelled.set()
        raise
    finally:
        _end(child, cancelled)
    if cancelled.is_set():
        raise CureFailed(f"{shlex.join(command)} was broken off")
    if child.returncode:
        said = f": {lines.last}" if lines.last else ""
        raise CureFailed(f"{shlex.join(command)} ended with code {child.returncode}{said}")


class _Lines:
    """Bytes to lines; \\r ends one as \\n does."""

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._rest = b""
        self.last = ""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._tell(line)

    def finish(self) -> None:
        self._tell(self._rest)
        self._rest = b""

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").strip()
        if text:
            self.last = text
            self._on_output(text)


def _pump(child: subprocess.Popen[bytes], lines: _Lines, cancelled: threading.Event) -> None:
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not cancelled.is_set():
            if not selector.select(_LOOK_S):
                continue
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                break
            lines.feed(data)
    lines.finish()


def _end(child: subprocess.Popen[bytes], cancelled: threading.Event) -> None:
    """Wait for it, or end it with its group: git starts helpers of its own."""
    if child.stdout is not None:
        child.stdout.close()
    while not cancelled.is_set():
        try:
            child.wait(timeout=_LOOK_S)
            return
        except subprocess.TimeoutExpired:
            continue
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_GRACE_S)
