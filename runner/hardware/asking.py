"""Asking another program for its answer, so that nothing of it hangs, prints or raises."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import PurePath

#: raises Unanswered; the answer may be empty
Ask = Callable[[Sequence[str], float], bytes]


class Unanswered(Exception):
    """No answer; the text is one sentence for people."""


def ask(command: Sequence[str], timeout_s: float) -> bytes:
    """What the command prints. Raises Unanswered when it is missing, too slow or says that it failed."""
    name = PurePath(command[0]).name
    try:
        found = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"{name} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise Unanswered(f"{name} cannot be started: {error.strerror}") from None
    if found.returncode:
        raise Unanswered(f"{name} failed with exit code {found.returncode}")
    return found.stdout
