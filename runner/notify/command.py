"""The user's own command: told by variables and on stdin, in a process group of its own, for a limited time.

What it prints goes nowhere: it may well print secrets.
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
    """`show`: what it complains about goes to our stderr (a test by hand)."""
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
        """An argument that is one of our variables and nothing else becomes its value. More is not put in: in a
        text that a shell reads, a run's name could become a command."""
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
        # its session is its own: the number of its group is its own number, whoever else runs here
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise NotSent(f"{name} did not end within {timeout_s:g} s and was ended") from None
    if code := process.returncode:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise NotSent(f"{name} {how}")
    return f"{name} ended well"
