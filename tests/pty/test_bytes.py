"""What the screen sends to a terminal, and what it weighs; on synthetic runs (tests/pty/fake_app.py)."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from scripts.bench.terminal import DEFAULT_SIZE, Size, Terminal, terminal_environment

FRAME = b"\x1b[?2026h"
ROOT = Path(__file__).parents[2]


def app(mode: str, size: Size = DEFAULT_SIZE, **env: str) -> Terminal:
    return Terminal(
        (sys.executable, "-m", "tests.pty.fake_app", mode),
        size,
        environment=terminal_environment(env),
        folder=ROOT,
    )


def sent_in(terminal: Terminal, seconds: float) -> bytes:
    """The bytes of the next so many seconds."""
    start = time.monotonic()
    time.sleep(seconds)
    return b"".join(chunk.data for chunk in terminal.chunks() if chunk.at_s >= start)


def test_nothing_changes_nothing_is_sent() -> None:
    with app("still") as terminal:
        terminal.wait_text("412/920")
        terminal.wait_quiet(0.5)
        assert sent_in(terminal, 2.2) == b""


@pytest.mark.parametrize(
    ("size", "limit_bytes"), [(Size(80, 24), 4000), (Size(120, 40), 6000), (Size(200, 60), 12000)]
)
def test_a_tick_of_a_fast_training_stays_small(size: Size, limit_bytes: int) -> None:
    with app("fast", size) as terminal:
        terminal.wait_text("training", "Loss 0")
        terminal.wait_quiet(0.1, 2.0)
        ticks = sent_in(terminal, 2.5).split(FRAME)[1:]
        sizes = sorted(len(tick) for tick in ticks)
        assert len(sizes) >= 5
        # a new range of the y axis redraws the whole chart; that is rare by design
        assert sizes[-2] <= limit_bytes, sizes


def test_gauges_alone_cost_little() -> None:
    with app("quiet") as terminal:
        terminal.wait_text("Machine", "GPU")
        terminal.wait_quiet(1.0, 4.0)
        seconds = 6.0
        assert len(sent_in(terminal, seconds)) / seconds <= 700


def test_the_screen_fits_its_memory(tmp_path: Path) -> None:
    told = tmp_path / "rss"
    with app("fast", PLASMA_TEST_RSS=str(told)) as terminal:
        terminal.wait_text("training", "Loss 0")
        for key in (b"l", b"l", b"h", b"\x1b", b"?", b"\x1b"):
            terminal.send(key)
            time.sleep(0.2)
        terminal.send(b"q")
        terminal.wait_exit()
    assert int(told.read_text()) <= 60 * 1024  # kilobytes


def test_no_color_sends_no_colour() -> None:
    with app("still", NO_COLOR="1") as terminal:
        terminal.wait_text("412/920")
        terminal.wait_quiet()
        found = re.findall(rb"\x1b\[([\d;]*)m", terminal.output())
        codes = {int(code) for one in found for code in one.split(b";") if code}
    # 39 and 49 are the terminal's own colours
    assert not codes & {*range(30, 39), *range(40, 49), *range(90, 108)}


def test_sigterm_ends_it_even_while_nobody_reads_the_terminal() -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.pty.fake_app", "fast"],
            terminal_environment(),
        )
    try:
        _read_until(master, b"Loss")
        time.sleep(5.0)  # the pty's buffer and Textual's queue fill up
        os.kill(pid, signal.SIGTERM)
        assert _exit_code(pid, 8.0) == 143
    finally:
        os.close(master)


def _read_until(master: int, wanted: bytes) -> None:
    got, deadline = b"", time.monotonic() + 20
    while wanted not in got:
        assert time.monotonic() < deadline
        if select.select([master], [], [], 0.1)[0]:
            got += os.read(master, 65536)


def _exit_code(pid: int, limit_s: float) -> int:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"still alive {limit_s} s after SIGTERM")
