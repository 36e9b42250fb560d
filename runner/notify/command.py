"""The user's own command: gets the message in variables and on stdin, in its own process group, for a limited
time. Its output is dropped: it may print secrets.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from runner.config.channels import Channels
from runner.notify.channel import NotSent
from runner.notify.message import Message, summary_path

TIMEOUT_S = 30.0
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


def send(
    channels: Channels, message: Message, *, timeout_s: float = TIMEOUT_S, show: bool = False
) -> str:
    """`show`: its stderr goes to ours (a manual test)."""
    variables = {
        "PLASMA_RUN_ID": message.run_id,
        "PLASMA_RUN_NAME": message.run_name,
        "PLASMA_RUN_PATH": message.run_path,
        "PLASMA_EVENT": message.event,
        "PLASMA_OUTCOME": message.outcome,
        "PLASMA_SUMMARY": summary_path(message),
        "PLASMA_TITLE": message.title,
        "PLASMA_TEXT": message.text,
    }

    def filled(word: str) -> str:
        """An argument that is exactly one of our variables becomes its value. Nothing else is substituted: in
        text read by a shell, a run's name could become a command."""
        found = _VARIABLE.fullmatch(word)
        return variables.get(found[1] or found[2], word) if found else word

    program, *rest = channels.command
    name = Path(program).name
    # ours without the secrets of the other channels
    environ = {k: v for k, v in os.environ.items() if k not in channels.secret_variables}
    try:
        process = subprocess.Popen(
            [program, *map(filled, rest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if show else subprocess.DEVNULL,
            env=environ | variables,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "is unusable"
        raise NotSent(f"{name} cannot be started: {words}") from None
    try:
        process.communicate(f"{message.title}\n{message.text}\n".encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired:
        # it leads its own session: its group id is its own pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise NotSent(f"{name} did not finish within {timeout_s:g} s and was stopped") from None
    if code := process.returncode:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise NotSent(f"{name} {how}")
    return f"{name} succeeded"
