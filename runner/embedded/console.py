"""Log records on stderr in the form that sd-scripts' rich handler gives them.

A record is a table row as wide as the console: time (blank while the second has not changed),
level, message, source. Long messages wrap at words and longer words are cut, continuation lines
are indented below the message; a file or a narrow pipe gets 80 columns unless COLUMNS says
otherwise (rich's own rules, measured on rich 15).
"""

from __future__ import annotations

import logging
import os
import sys
import time
import unicodedata

TIME_WIDTH = 19
LEVEL_WIDTH = 8
DEFAULT_COLUMNS = 80


def setup_logging(level: str | None = None, file: str | None = None, simple: bool = False) -> None:
    """Send all log records to stderr as a table, to `file`, or as bare messages to stdout."""
    handler: logging.Handler
    if file:
        handler = logging.FileHandler(file, mode="w", encoding="utf-8")
    elif simple:
        handler = logging.StreamHandler(sys.stdout)
    else:
        handler = TableHandler()
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.setLevel(level or "INFO")
    root.addHandler(handler)


class TableHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes each record as one table row to stderr; a time that repeats is left blank."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._last_time = ""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        shown = "" if stamp == self._last_time else stamp
        self._last_time = stamp
        source = f"{os.path.basename(record.pathname)}:{record.lineno}"  # noqa: PTH119
        return format_row(shown, record.levelname, super().format(record), source, columns())


def columns() -> int:
    """The console's width: COLUMNS, else the terminal's, else 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit():
        return int(given)
    for stream in (0, 1, 2):
        try:
            return os.get_terminal_size(stream).columns or DEFAULT_COLUMNS
        except OSError:
            continue
    return DEFAULT_COLUMNS


def format_row(stamp: str, level: str, message: str, source: str, width: int) -> str:
    """One record as rich lays it out: every line is padded to `width` cells, no newline at the
    end."""
    room = max(1, width - TIME_WIDTH - LEVEL_WIDTH - len(source) - 3)
    lines = [part for line in message.split("\n") for part in wrap(line, room)]
    rows = []
    for position, line in enumerate(lines):
        first = position == 0
        left = f"{stamp if first else '':<{TIME_WIDTH}} {level if first else '':<{LEVEL_WIDTH}}"
        right = source if first else " " * len(source)
        rows.append(f"{left} {line}{' ' * (room - cells(line))} {right}")
    return "\n".join(rows)


def wrap(text: str, width: int) -> list[str]:
    """Break a line at words into pieces of at most `width` cells; a longer word is cut."""
    lines: list[str] = []
    line = ""
    for word in _words(text.expandtabs(8)):
        if cells(line) + cells(word.rstrip()) <= width:
            line += word
            continue
        if line:
            lines.append(line)
        line = word
        while cells(word.rstrip()) > width and cells(line) > width:
            piece = _head(line, width)
            lines.append(piece)
            line = line[len(piece) :]
    lines.append(line)
    return [line.rstrip() for line in lines]


def cells(text: str) -> int:
    """How many terminal cells a text takes; East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _words(text: str) -> list[str]:
    """Words with the spaces behind them; spaces at the beginning belong to the first word."""
    words: list[str] = []
    start = 0
    for position in range(1, len(text)):
        ends = text[position - 1].isspace() and not text[position].isspace()
        if ends and text[start:position].strip():
            words.append(text[start:position])
            start = position
    return [*words, text[start:]]


def _head(text: str, width: int) -> str:
    taken = 0
    for position, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[:position]
    return text
