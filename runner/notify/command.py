"""The user's own command: told by variables and on stdin, in a process group of its own, for a limited time.

What it prints goes nowhere: it may well print secrets.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from runner.config.channels import Channels
from runner.notify.box import Result
from runner.notify.message import Message, summary_path

NAME = "command"
TIMEOUT_S = 30.0
#: where `runner` is imported from: our own affair


def send(
    channels: Channels, message: Message, *, timeout_s: float = TIMEOUT_S, show: bool = False
) -> Result:
    """`show`: what it complains about goes to our stderr (a test by hand)."""
    variables = variables_of(message)
    program, *rest = channels.command
    try:
        process = subprocess.Popen(
            [program, *(_filled(word, variables) for word in rest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if show else subprocess.DEVNULL,
            env={**environment(channels, os.environ), **variables},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else "is unusable"
        return Result(NAME, False, f"{Path(program).name} cannot be started: {words}")
    return _await(process, message, Path(program).name, timeout_s)


def _await(
    process: subprocess.Popen[bytes], message: Message, name: str, timeout_s: float
) -> Result:
    try:
        process.communicate(f"{message.title}\n{message.text}\n".encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired:
        # its session is its own: the number of its group is its own number, whoever else runs here
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Result(NAME, False, f"{name} did not end within {timeout_s:g} s and was ended")
    code = process.returncode
    if code == 0:
        return Result(NAME, True, f"{name} ended well")
    if code < 0:
        return Result(NAME, False, f"{name} was ended by signal {-code}")
    return Result(NAME, False, f"{name} ended with exit code {code}")


def variables_of(message: Message) -> dict[str, str]:
    return {
        "PLASMA_RUN_ID": message.run_id,
        "PLASMA_RUN_NAME": message.run_name,
        "PLASMA_RUN_PATH": message.run_path,
        "PLASMA_EVENT": message.event,
        "PLASMA_OUTCOME": message.outcome,
        "PLASMA_SUMMARY": summary_path(message),
        "PLASMA_TITLE": message.title,
        "PLASMA_TEXT": message.text,
    }


def _filled(word: str, variables: Mapping[str, str]) -> str:
    """An argument that is one of our variables and nothing else becomes its value. More is not put in: in a
    text that a shell reads, a run's name could become a command."""
    if word.startswith("${") and word.endswith("}"):
        return variables.get(word[2:-1], word)
    return variables.get(word[1:], word) if word.startswith("$") else word


def environment(channels: Channels, environ: Mapping[str, str]) -> dict[str, str]:
    """Ours without the secrets of the other channels."""
    return {k: v for k, v in environ.items() if k not in channels.secret_variables}
