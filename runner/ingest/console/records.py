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
#: kohya_ss itself has shorter times, `11:55:54-437606`
_GUI_COLUMN = 25
#: A time or blanks may have been lost in front of the
#: level, which keeps its padding.
_START = re.compile(
    r"\s*(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\]| {18}|\d\d:\d\d:\d\d-\d{6})"
    r" {1,2}(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)(?=\s|$)"
    r"|(?P<bare>DEBUG {4}|INFO {5}|WARNING {2}|ERROR {4}|CRITICAL )(?=\S)"
)
#: `logging` without rich (musubi-tuner): of other libraries only what cannot be a warning about them
_LOGGED = re.compile(
    r"(?:(INFO):[A-Za-z_][\w.]*"
    r"|(WARNING|ERROR|CRITICAL):(?:__main__|library|networks|dataset|musubi_tuner|hv_train\w*)[\w.]*"
    r"):(.*)$"
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
#: Escape sequences that a Windows console shows as text.
_SHOWN_ESCAPE = re.compile(r"\u2190\[[0-?]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: torch puts `[rank0]: ` before lines of tracebacks, torchrun `[default0]:` before any.
_RANK = re.compile(r"\[(?:rank\d+\]: ?|default\d+\]:)")


def plain_text(raw: bytes) -> str:
    """Bytes of a line -> text without escape sequences, control characters and rank prefix."""
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        if "\x1b" in text:
            text = _ESCAPE.sub("", text)
        text = _CONTROL.sub("", text)
        if "\xa0" in text:  # copied out of a browser
            text = text.replace("\xa0", " ")
    if "\u2190[" in text:
        text = _SHOWN_ESCAPE.sub("", text)
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
    `width`: cells of the message column, None when unknown; `column`: where its further lines begin."""

    level: str
    message: str
    end: int
    whole: bool
    width: int | None = None
    _last: str = field(default="", repr=False)
    column: int = MESSAGE_COLUMN

    def continues_in(self, line: str) -> bool:
        """Is the line in the message column, with nothing left of it?"""
        return line.startswith(_BLANKS[: self.column])

    def overflows_with(self, line: str) -> bool:
        """Without an indent: does the line begin with a word for which the one before had no
        room? rich breaks lines only where it must."""
        if self.width is None or self.whole:
            return False
        return cells(self._last.strip()) + 1 + cells(line.split(" ", 1)[0]) > self.width

    def add(self, piece: str, end: int) -> None:
        """Append a further line, from its column on; a word cut at the column's edge is joined without a
        space."""
        piece = piece.rstrip()
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
        return _logged(line, end) if line[:1] in ("I", "W", "E", "C") else None
    level, start = match["level"], match.start("level")
    if level is None:
        level, start = match["bare"].rstrip(), 0
    behind, text = start + len(level), start + _LEVEL_CELLS
    # not padded as rich does it: the format of another handler
    body = line[text:].rstrip() if line[behind:text].isspace() else line[behind:].strip()
    column = MESSAGE_COLUMN if text != _GUI_COLUMN else _GUI_COLUMN
    before, _, source = body.rpartition(" ")
    if _SOURCE.fullmatch(source) is None:
        return Record(level, body, end, whole=bool(body), _last=body, column=column)
    message = before.rstrip()
    room = len(before) - len(message)
    whole = room > _ROOMY_CELLS and bool(message) and not message.endswith(_WANTS_MORE)
    return Record(level, message, end, whole, cells(before), message, column)


def has_time(line: str) -> bool:
    """The first line of a record with its time, or with the blanks in its place?"""
    match = _START.match(line)
    return match is not None and match["level"] is not None


def _logged(line: str, end: int) -> Record | None:
    match = _LOGGED.match(line)
    if match is None:
        return None
    return Record(match[1] or match[2], match[3].strip(), end, whole=True)
