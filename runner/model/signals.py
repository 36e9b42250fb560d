"""Names of the signals that end a process, and where they come from."""

from __future__ import annotations

from signal import Signals

#: Raised by the process's own faults: no person and no job limit sends them. (10 is SIGBUS on macOS, SIGUSR1 on
#: Linux, so the name decides.)
CRASHES = frozenset({"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"})


def signal_name(number: int) -> str:
    """`SIGKILL`; unnamed numbers as `signal 99`."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
