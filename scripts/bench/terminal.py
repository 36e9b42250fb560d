"""A terminal without a window: a program on a pseudo terminal, its bytes with their times of arrival.

It answers the questions that Textual asks at the start as a modern terminal does (synchronized output,
mode 2026, is known), reads all the time in a thread of its own, and keeps every chunk. What the screen
looked like at any moment is replayed from the chunks afterwards (`replay.py`), so that drawing it does
not disturb what is measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.limits import waiting
from scripts.bench.replay import Chunk, Replay

#: what a program asks, and what a terminal with synchronized output answers
ANSWERS = (
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?(?!2026)\d+\$p"), b"\x1b[?2048;0$y"),
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
)
#: bytes of the chunk before that may hold the beginning of a question
_QUESTION_BYTES = 12
POLL_S = 0.01
_KEY_SIGNALS = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM}
#: settings of the caller that change what Textual draws, or that make every start compile our modules
_FOREIGN = (
    "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CLICOLOR_FORCE", "TTY_COMPATIBLE",
    "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip


class TimedOut(AssertionError):
    """What was waited for did not come; the text holds the last screen."""


@dataclass(frozen=True, slots=True)
class Size:
    columns: int = 120
    rows: int = 40


DEFAULT_SIZE = Size()


def terminal_environment(
    changes: Mapping[str, str | None] | None = None, term: str = "xterm-256color"
) -> dict[str, str]:
    """The caller's environment as a truecolor terminal would hand it down; None takes one out."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name not in _FOREIGN and not name.startswith("TEXTUAL")
    }
    found |= {"TERM": term, "COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    for name, value in (changes or {}).items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found


class Terminal:
    """A program with a pseudo terminal as its controlling terminal, from `__init__` on."""

    def __init__(
        self,
        command: Sequence[str],
        size: Size = DEFAULT_SIZE,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        answers: bool = True,
    ) -> None:
        self.size = size
        self._answers = answers
        self._chunks: list[Chunk] = []
        self._changed = threading.Condition()
        self._before = b""
        self._status: int | None = None
        self._wake_read, self._wake_write = os.pipe()
        self.started_at = time.monotonic()
        # a key that the terminal makes a signal of must not meet the copy of ourselves before exec
        signal.pthread_sigmask(signal.SIG_BLOCK, _KEY_SIGNALS)
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            _become(command, size, environment or terminal_environment(), folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _KEY_SIGNALS)
        self._open = True
        self._set_size(size)
        self._thread = threading.Thread(target=self._drain, name="terminal", daemon=True)
        self._thread.start()
        self._replay = Replay(size.columns, size.rows)

    # ----------------------------------------------------------------- the terminal's side

    def _drain(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_read], [], [])
            if self._wake_read in ready:
                return
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                data = b""
            if not data:
                return  # the last process has let go of the terminal
            now = time.monotonic()
            if self._answers:
                self._answer(data)
            with self._changed:
                self._chunks.append(Chunk(now, data))
                self._changed.notify_all()

    def _answer(self, data: bytes) -> None:
        known = len(self._before)
        text = self._before + data
        for question, answer in ANSWERS:
            for found in question.finditer(text):
                if found.end() > known:
                    self.send(answer)
        self._before = text[-_QUESTION_BYTES:]

    def echoes(self) -> bool:
        """Does the terminal show what is typed, as it does for a shell?"""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def send(self, data: bytes) -> float:
        """Type; the time before the write."""
        now = time.monotonic()
        with contextlib.suppress(OSError):
            os.write(self._master, data)
        return now

    def resize(self, size: Size) -> None:
        """The window changed; the kernel tells the program (SIGWINCH)."""
        self.size = size
        self._replay.resize(size.columns, size.rows, len(self.chunks()))
        self._set_size(size)

    def _set_size(self, size: Size) -> None:
        packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, packed)

    def hang_up(self) -> float:
        """Close the window; the time of it. The kernel sends SIGHUP to the session."""
        if self._open:
            self._open = False
            os.write(self._wake_write, b"x")
            self._thread.join(2.0)
            os.close(self._master)
        return time.monotonic()

    # ----------------------------------------------------------------- what came

    def chunks(self) -> list[Chunk]:
        """All that has arrived so far."""
        with self._changed:
            return list(self._chunks)

    def output(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks())

    def bytes_since(self, since_s: float) -> int:
        return sum(len(chunk.data) for chunk in self.chunks() if chunk.at_s >= since_s)

    def screen(self) -> list[str]:
        """The rows as they stand now."""
        return self._replay.rows(self.chunks())

    def text(self) -> str:
        return "\n".join(self.screen())

    # ----------------------------------------------------------------- waiting

    def wait_for(self, condition: Callable[[str], object], seconds: float, what: str) -> str:
        """Until the screen's text fulfils `condition`; the text. Raises TimedOut."""
        deadline = time.monotonic() + seconds
        with waiting(what):
            while not condition(text := self.text()):
                if self._over():
                    raise TimedOut(f"the program ended before {what}; the screen:\n{text}")
                if time.monotonic() > deadline:
                    raise TimedOut(f"waited {seconds:g} s for {what}; the screen:\n{text}")
                with self._changed:
                    self._changed.wait(POLL_S)
        return text

    def _over(self) -> bool:
        """Ended, and everything that it wrote has been on the screen."""
        if not self.ended() or self._thread.is_alive():
            return False
        return len(self.chunks()) == self._replay.fed

    def wait_text(self, *wanted: str, seconds: float = 15.0) -> str:
        """Until every one of `wanted` stands on the screen; the screen's text."""
        return self.wait_for(
            lambda text: all(word in text for word in wanted), seconds, " and ".join(wanted)
        )

    def wait_bytes(self, wanted: bytes, seconds: float = 15.0) -> None:
        """Until `wanted` has arrived, wherever it stands."""
        deadline = time.monotonic() + seconds
        while wanted not in self.output():
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"waited {seconds} s in vain for {wanted!r}: {self.output()[-2000:]!r}"
                )
            with self._changed:
                self._changed.wait(POLL_S)

    def wait_quiet(self, quiet_s: float = 0.3, seconds: float = 10.0) -> None:
        """Until nothing has arrived for `quiet_s`, or `seconds` are over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            chunks = self.chunks()
            if chunks and time.monotonic() - chunks[-1].at_s >= quiet_s:
                return
            time.sleep(POLL_S)

    def ended(self) -> bool:
        """The program (not its descendants) is gone."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
        return self._status is not None

    def wait_exit(self, seconds: float = 15.0) -> int:
        """The exit code; -N for signal N. Raises TimedOut."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                tail = self.output()[-2000:]
                raise TimedOut(f"process {self.pid} still lives after {seconds} s: {tail!r}")
            time.sleep(POLL_S)
        assert self._status is not None
        return os.waitstatus_to_exitcode(self._status)

    # ----------------------------------------------------------------- end

    def close(self) -> None:
        """Nothing stays behind, whatever happened."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(TimedOut):
                self.wait_exit(5.0)
        self.hang_up()
        for fd in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(fd)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _become(
    command: Sequence[str], size: Size, environment: Mapping[str, str], folder: Path | None
) -> None:
    """In the child: set the size, then be the program. Never returns."""
    try:
        packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
        fcntl.ioctl(0, termios.TIOCSWINSZ, packed)
        if folder is not None:
            os.chdir(folder)
        for number in _KEY_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _KEY_SIGNALS)
        os.execvpe(command[0], list(command), dict(environment))
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(127)
