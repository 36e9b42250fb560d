"""Names of the signals that end a process, and where they come from."""

from __future__ import annotations

import re
from signal import Signals

#: Raised by the process's own faults: no person and no job limit sends them. (10 is SIGBUS on macOS, SIGUSR1 on
#: Linux, so the name decides.)
CRASHES = frozenset({"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"})


#: how shells and Python's faulthandler name them, in lower case
WORDS = {
    "killed": 9,
    "terminated": 15,
    "segmentation fault": 11,
    "bus error": 7,
    "abort": 6,
    "aborted": 6,
    "illegal instruction": 4,
    "illegal hardware instruction": 4,
    "floating point exception": 8,
    "trace trap": 5,
    "trace/breakpoint trap": 5,
    "access violation": 11,
}
#: the last line of a shell (bash: alone, or behind script and process; zsh: behind its name or the job) or of
#: faulthandler
LAST_WORD = (
    r"(?:.*: (?:line )?\d+:? +\d+ |\[\d+\] +(?:[+-] +)?\d+ |zsh: |.*: tasks? \S{1,80}: |Fatal Python error: "
    r"|Windows fatal exception: )"
    rf"(?i:{'|'.join(sorted(WORDS, key=len, reverse=True))})\b"
    rf"|(?:{'|'.join(sorted((word.capitalize() for word in WORDS), key=len, reverse=True))})"
    r"(?:: \d+)?(?: \(core dumped\))?$"
)
_LAST_WORD = re.compile(LAST_WORD)


def signal_of_word(text: str) -> int | None:
    """The signal that such a line names."""
    found = _LAST_WORD.match(text)
    if found is None:
        return None
    word = max((w for w in WORDS if w in found[0].lower()), key=len)
    return WORDS[word]


def signal_name(number: int) -> str:
    """`SIGKILL`; unnamed numbers as `signal 99`."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
