"""What the terminal can show, and whether it is still there."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping

from tui.themes import DEFAULT, PLAIN

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


def terminal_gone() -> bool:
    """True once the terminal has hung up. A process that survives the SIGHUP (nohup, tmux) would
    otherwise spin on its dead input for ever."""
    for stream in (sys.__stdin__, sys.__stderr__):
        try:
            fd = stream.fileno() if stream is not None else -1
        except (OSError, ValueError):
            continue
        if fd < 0 or not os.isatty(fd):
            if fd >= 0 and _hung_up(fd):
                return True
            continue
        if _hung_up(fd):
            return True
    return False


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)
    return any(event & _GONE for _, event in poll.poll(0))
