"""What the terminal can show, and whether it is still there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping

from tui.themes import DEFAULT, PLAIN

#: as if SIGHUP had ended it
GONE_EXIT_CODE = 129
#: signals that end the screen and leave the terminal as it was
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: what Textual's driver sends on leaving: sync, paste, wrap, resize, mouse, kitty's keys, screen, cursor, focus
_RESTORE = (
    b"\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
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


def exit_on_signals(
    loop: asyncio.AbstractEventLoop, leave: Callable[[int], None], patience_s: float = 3.0
) -> None:
    """Make each signal of ENDING call `leave` with the exit code, which restores the terminal (by default the
    process dies with the terminal raw, in the alternate screen, and reporting the mouse). If the loop hangs,
    for example in a write to a stalled terminal, the process restores what it can and ends after `patience_s`.

    Plain handlers, not the loop's own: they run even while the main thread waits for the writer. Call this
    before the terminal is taken over.
    """
    restore = restorer()

    def end(code: int) -> None:
        restore()
        os._exit(code)

    def on_signal(number: int, frame: object) -> None:
        code = 128 + number
        if terminal_gone():
            os._exit(code)
        loop.call_soon_threadsafe(leave, code)
        last = threading.Timer(patience_s, end, (code,))
        last.daemon = True
        last.start()

    for number in ENDING:
        # started by nohup: a hang-up must not end it
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)


def restorer() -> Callable[[], None]:
    """A function that sets the terminal back to its present state from any thread, without ever blocking."""
    try:
        fd = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
        path, attributes = os.ttyname(fd), termios.tcgetattr(fd)
    except (OSError, ValueError, termios.error):
        return lambda: None

    def restore() -> None:
        with contextlib.suppress(OSError, termios.error):
            # a description of its own: O_NONBLOCK must not reach the shell
            own = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            termios.tcsetattr(own, termios.TCSANOW, attributes)
            os.write(own, _RESTORE)

    return restore


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
