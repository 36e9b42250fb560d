"""Text of the trainer without escape sequences, and log records as rich prints them, rejoined where rich
wrapped them.

A record is `time level message   source`, the message in a column of its own; without a terminal
and without COLUMNS that column is about 30 wide and longer words (paths) are cut inside.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

#: 19 characters of time (blank when the second is the same) and a space, level padded to 8 and one
#: space: the message begins in column 29 and so do all lines that continue it.
MESSAGE_COLUMN = 29
_LEVEL_CELLS = 9
_START = re.compile(
    r"\s*(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\]| {18}) {1,2}"
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)(?=\s|$)"
)
_SOURCE = re.compile(r"[^\s:]+\.py:\d+|<\S+>:\d+")
#: With this much room left, rich would have put another word on the line, if any.
_ROOMY_CELLS = 48
_BLANKS = " " * MESSAGE_COLUMN
_WANTS_MORE = (" to", " in", " from", ":", "/", " as", " for", "=", "of")
#: CSI (colours, cursor), OSC (hyperlinks, titles; ended by BEL or ST), other two-byte escapes.
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: torchrun and multi-GPU accelerate put `[rank0]: ` before lines of tracebacks, `[default0]:` too.
_RANK = re.compile(r"\[(?:rank|default)\d+\]: ?")


def plain_text(raw: bytes) -> str:
    """Bytes of a line -> text without escape sequences, control characters and rank prefix."""
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        if "\x1b" in text:
            text = _ESCAPE.sub("", text)
        text = _CONTROL.sub("", text)
    if text.startswith("["):
        text = _RANK.sub("", text, count=1)
    return text


def cells(text: str) -> int:
    """Terminal columns a text takes; East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@dataclass(slots=True)
class Record:
    """One log record. `end`: byte after its last line so far; `whole`: no further line can change it;
    `width`: cells of the message column, None when unknown."""

    level: str
    message: str
    end: int
    whole: bool
    width: int | None = None
    _last: str = field(default="", repr=False)

    def add(self, line: str, end: int) -> None:
        """Append a continuation line; a word cut at the column's edge is joined without a space."""
        piece = line[MESSAGE_COLUMN:].rstrip()
        last = self._last
        cut = self.width is not None and " " not in last.strip() and cells(last) == self.width
        if len(self.message) < 4000:
            self.message += piece if cut or not self.message else " " + piece.lstrip()
        self._last = piece
        self.end = end


def record_start(line: str, end: int) -> Record | None:
    """The first line of a record, or None for any other line."""
    match = _START.match(line)
    if match is None:
        return None
    column = match.start("level") + _LEVEL_CELLS
    body = line[column:].rstrip()
    before, _, source = body.rpartition(" ")
    if _SOURCE.fullmatch(source) is None:
        return Record(match["level"], body, end, whole=bool(body), _last=body)
    message = before.rstrip()
    room = len(before) - len(message)
    whole = room > _ROOMY_CELLS and bool(message) and not message.endswith(_WANTS_MORE)
    return Record(match["level"], message, end, whole, cells(before), message)


def continues_record(line: str) -> bool:
    """Is the line in the message column, with nothing left of it?"""
    return line.startswith(_BLANKS)
