"""What the terminal can show, and whether it is still there."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping

from tui.themes import DEFAULT, PLAIN

#: as if SIGHUP had ended it
GONE_EXIT_CODE = 129
SIGTERM_EXIT_CODE = 143
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def pick_theme(
    wanted: str | None, environ: Mapping[str, str], color_system: str | None, low_bandwidth: bool
) -> str:
    """The theme to start with: as asked for; else the terminal's own colours where ours would not be
    seen (NO_COLOR, 16 colours) or cost twice the bytes (low bandwidth)."""
    if environ.get("NO_COLOR"):
        # only with the terminal's own colours does Textual really leave colour out
        return PLAIN
    if wanted:
        return wanted
    if low_bandwidth or color_system in ("standard", "windows"):
        return PLAIN
    return DEFAULT


def settle_no_color() -> None:
    """An empty NO_COLOR means nothing (no-color.org), but Textual would turn everything grey."""
    if os.environ.get("NO_COLOR") == "":
        del os.environ["NO_COLOR"]


def exit_on_sigterm(
    loop: asyncio.AbstractEventLoop, leave: Callable[[], None], patience_s: float = 3.0
) -> None:
    """Make SIGTERM leave in good order (Textual leaves the terminal raw), and end the process if that
    does not come about: the loop may hang in a write to a stalled terminal.

    A plain handler, not the loop's own: it runs even while the main thread waits for the writer.
    """

    def on_signal(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(leave)
        last = threading.Timer(patience_s, os._exit, (SIGTERM_EXIT_CODE,))
        last.daemon = True
        last.start()

    signal.signal(signal.SIGTERM, on_signal)


def leave_with_terminal(look_s: float = 1.0) -> threading.Thread:
    """Watch the terminal from a thread of its own, and end the process once it has hung up.

    A process that survives the SIGHUP (nohup, tmux) would otherwise spin on its dead input for ever;
    and the screen's own loop cannot look, because it may hang in a write to what is gone. `os._exit`,
    because a normal exit writes to the terminal as well.
    """

    def watch() -> None:
        while not terminal_gone():
            time.sleep(look_s)
        os._exit(GONE_EXIT_CODE)

    thread = threading.Thread(target=watch, name="terminal", daemon=True)
    thread.start()
    return thread


def terminal_gone() -> bool:
    """True once stdin or stderr, which Textual reads and writes, has hung up."""
    for stream in (sys.__stdin__, sys.__stderr__):
        try:
            fd = stream.fileno() if stream is not None else -1
        except (OSError, ValueError):
            continue
        if fd >= 0 and _hung_up(fd):
            return True
    return False


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)
    return any(event & _GONE for _, event in poll.poll(0))
