"""Run by systemd-inhibit: reports that the lock is held, waits for the end of a process, exits. Standard
library only; run as a file.

    python -I awake_child.py PID START

START is the time of the process's start by /proc/PID/stat, to ignore a later process with the same pid. It
uses no CPU while it waits.
"""

import contextlib
import os
import select
import sys
import time

#: printed once systemd-inhibit has the lock, because only then it runs us
HELD = b"held\n"
_LOOK_AGAIN_S = 5.0


def started(pid: int) -> str:
    """Field 22 of /proc/PID/stat, clock ticks since boot; "" if there is no such process. The name in field 2
    may contain spaces and brackets."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - pathlib costs 10 ms
            text = stream.read()
    except OSError:
        return ""
    fields = text[text.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def main(pid: int, start: str) -> None:
    descriptor: int | None = None
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.pidfd_open(pid)
    if started(pid) != start:
        return
    # the requester may already be gone
    with contextlib.suppress(OSError):
        os.write(1, HELD)
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    if descriptor is not None:
        select.select([descriptor], [], [])
        return
    while started(pid) == start:
        time.sleep(_LOOK_AGAIN_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
