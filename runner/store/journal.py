"""Reading and writing the run folder so that any process may die at any byte.

Files are replaced by rename; journals are appended, one `write()` per line. A torn last line is incomplete.
Readers keep offsets and work within budgets.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import msgspec

from runner.files.atomic import replace_file
from runner.files.private import FILE_MODE
from runner.files.regular_file import open_regular, read_bytes
from runner.files.toml_text import unusable
from runner.model import SCHEMA, JournalEvent

T = TypeVar("T")

#: a status of ten thousand checkpoints has 30 MB
JSON_LIMIT_BYTES = 256_000_000
#: raised by `decode_json`; the last one for too deep nesting
UNDECODABLE = (
    msgspec.DecodeError,
    msgspec.ValidationError,
    UnicodeDecodeError,
    RecursionError,
)


class Unreadable(Exception):
    """A missing, torn or invalid file of the run folder; the text is one sentence."""


class Newer(Unreadable):
    """A file of a schema that this version does not know."""

    def __init__(self, schema: int) -> None:
        super().__init__(
            f"written by a newer plasma-tui (schema {schema}; this one reads up to {SCHEMA}): "
            "update plasma-tui"
        )


def write_json(path: Path, value: object, *, durable: bool = False) -> None:
    """Replace `path` by rename. Raises OSError (disk full, read-only); then the old content stays."""
    replace_file(path, encode_json(value), mode=FILE_MODE, durable=durable)


def read_json(path: Path, kind: type[T]) -> T:
    """The file as `kind`; unknown keys are ignored. Raises Unreadable, also for a file that is not regular or
    too large, or Newer."""
    try:
        text = read_bytes(path, JSON_LIMIT_BYTES, follow=False)
    except FileNotFoundError:
        raise Unreadable(f"{path.name} is missing") from None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise Unreadable(f"{path.name} cannot be read: {why}") from None
    try:
        found = decode_json(text, kind)
    except UNDECODABLE as error:
        _refuse_newer(text)
        raise Unreadable(f"{path.name} is torn or invalid: {error}") from None
    if getattr(found, "schema", 0) > SCHEMA:
        _refuse_newer(text)
    return found


class Versioned(msgspec.Struct):
    """The part that every file of a run folder may have."""

    schema: int = 0


def _refuse_newer(text: bytes) -> None:
    """Raises Newer for the content of such a file, whatever else is in it."""
    with contextlib.suppress(*UNDECODABLE):
        schema = msgspec.json.decode(text, type=Versioned).schema
        if schema > SCHEMA:
            raise Newer(schema)


def readable(path: Path, kind: type[T]) -> T | None:
    """As `read_json`; None for a missing, torn or invalid file."""
    try:
        return read_json(path, kind)
    except Unreadable:
        return None


#: MessagePack encoding of a NaN or infinite double (text may coincidentally match)
_NONFINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


def encode_json(value: object) -> bytes:
    """`value` as JSON. A float that JSON cannot hold is a string (`"nan"`, `"inf"`, `"-inf"`): null means
    unknown."""
    try:
        # ten times as fast as checking each number
        plain = not _NONFINITE.search(msgspec.msgpack.encode(value))
    except OverflowError:  # an integer beyond 64 bits, which MessagePack has not
        plain = False
    return msgspec.json.encode(value if plain else _named(msgspec.to_builtins(value)))


#: of an integer that may have more than MOST_BITS
_DIGITS = re.compile(rb"[0-9]{181}")


def _refuse_unusable(text: bytes) -> None:
    """Raises one of UNDECODABLE for integers that would end a reader: no float, no file name, no text."""
    if _DIGITS.search(text) and (why := unusable(msgspec.json.decode(text))):
        raise msgspec.ValidationError(why)


def decode_json(text: bytes, kind: type[T]) -> T:
    """What `encode_json` wrote. Raises one of UNDECODABLE."""
    _refuse_unusable(text)
    return msgspec.json.decode(text, type=kind, strict=False)


def _named(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else _name(value)
    if isinstance(value, dict):
        return {key: _named(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    return value


def _name(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


#: disk full, or quota exceeded
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


#: longer than any line of a journal
LINE_LIMIT_BYTES = 16_000_000


class LineTail:
    """Complete lines of a growing file, from an offset on. Truncation or replacement restarts at 0."""

    def __init__(self, path: Path, chunk_bytes: int = 1 << 18) -> None:
        self.path = path
        self.offset = 0
        self.size = 0
        #: the file was replaced or emptied; reset by the caller
        self.restarted = False
        self._chunk = chunk_bytes
        self._identity: tuple[int, int] | None = None

    def changed(self) -> bool:
        """A cheap check (one stat): is there anything new for `read`?"""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return found.st_size != self.size or (found.st_dev, found.st_ino) != self._identity

    def read(self, budget_s: float = 0.05) -> Iterator[bytes]:
        """Blocks of complete lines (each ends with a newline), until the end or until `budget_s` is used up,
        including the caller's time. A yielded block counts as read."""
        deadline = time.monotonic() + budget_s
        try:
            with open_regular(self.path, follow=False) as stream:
                found = os.fstat(stream.fileno())
                identity = (found.st_dev, found.st_ino)
                if self._identity is not None and (
                    identity != self._identity or found.st_size < self.offset
                ):
                    self.offset, self.restarted = 0, True
                self._identity, self.size = identity, found.st_size
                while True:
                    stream.seek(self.offset)
                    block = self._complete(stream.read(self._chunk), stream)
                    if not block:
                        return
                    self.offset += len(block)
                    yield block
                    if time.monotonic() > deadline:
                        return
        except OSError:
            return

    @staticmethod
    def _complete(block: bytes, stream: Any) -> bytes:
        while block and b"\n" not in block:
            if len(block) > LINE_LIMIT_BYTES:
                return block[:-1] + b"\n"  # no line of ours: its pieces count as torn
            more = stream.read(1 << 20)
            if not more:
                return b""
            block += more
        return block[: block.rfind(b"\n") + 1]

    @property
    def pending_bytes(self) -> int:
        return max(0, self.size - self.offset)


# --------------------------------------------------------------------------- rows and events

_NAMES = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def number_text(value: float | None) -> str:
    """A JSON value for any float: null for unknown, a string for NaN and infinity."""
    if value is None:
        return "null"
    if math.isfinite(value):
        return f"{value:.7g}"
    return f'"{_name(value)}"'


def number(value: float | str | None) -> float | None:
    return _NAMES.get(value) if isinstance(value, str) else value


def step_row(
    step: int,
    seconds: float | None,
    loss: float | None,
    average: float | None,
    lr: float | None,
    attempt: int,
) -> bytes:
    """One line of steps.jsonl."""
    when = "null" if seconds is None else f"{seconds:.3f}"
    fields = (str(step), when, number_text(loss), number_text(average), number_text(lr))
    return f"[{','.join(fields)},{attempt}]\n".encode()


#: what 64 bits hold, and a float exactly
_Step = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Row = tuple[_Step, float | None, float | str | None, float | str | None, float | str | None, _Step]
#: the same, where a type is needed
ROW = cast("type[Row]", Row)


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def lines_of(block: bytes, kind: type[T]) -> tuple[list[T], int]:
    """Lines of a journal as values of `kind`, and how many were torn or invalid."""
    decoder = _decoder(cast(Any, kind))
    lines = block.rstrip(b"\n")
    try:
        values = decoder.decode_lines(lines)
        if kind is not ROW:  # which has limits of its own
            _refuse_unusable(b"[%s]" % lines.replace(b"\n", b","))
    except UNDECODABLE:
        values = []
    # No JSON has `}` before `{` or `]` before `[`: so no value spans lines. Else each line by itself.
    ends = lines.count(b"]\n[") + lines.count(b"}\n{")
    if len(values) == ends + 1 == lines.count(b"\n") + 1:
        return values, 0
    values, bad = [], 0
    for line in lines.split(b"\n"):
        try:
            value = decoder.decode(line)
            _refuse_unusable(line)
            values.append(value)
        except UNDECODABLE:
            bad += bool(line.strip())
    return values, bad


def step_rows(block: bytes) -> tuple[list[Row], int]:
    return lines_of(block, ROW)


def events_of(block: bytes) -> tuple[list[JournalEvent], int]:
    return lines_of(block, JournalEvent)
