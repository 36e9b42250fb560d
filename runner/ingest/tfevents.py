"""Reads exact losses from TensorBoard event files while they are being written.

sd-scripts' console shows a moving average with three digits; `loss/current` in the event file is the loss of
every step. accelerate's tracker flushes after each record, so tailing works live. The files are parsed here,
because tensorboard's own loader trusts every length in a file; its messages and checksums are tensorboard's
(measured: 46 MB for a process that imports it, asyncio, psutil and msgspec), which is imported with the first
record, and never brings in TensorFlow.
"""

from __future__ import annotations

import math
import os
import struct
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.files.regular_file import open_regular
from runner.ingest.event_files import EventFiles

#: a record of one number has about 60 bytes
RECORD_BYTES = 1 << 23
_HEAD, _TAIL = struct.Struct("<QI"), struct.Struct("<I")
_AROUND = _HEAD.size + _TAIL.size
_DT_FLOAT, _DT_DOUBLE, _DT_INT32, _DT_INT64 = 1, 2, 3, 9
_PACKED = {_DT_FLOAT: "<f", _DT_DOUBLE: "<d", _DT_INT32: "<i", _DT_INT64: "<q"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One logged number. `step`: the trainer's global_step (for epoch tags the epoch); `wall_at`:
    seconds since 1970 on the trainer's clock. `value` may be NaN or infinite."""

    tag: str
    step: int
    wall_at: float
    value: float


class EventFile:
    """The records of one growing event file, each read once.

    The format (TFRecord): length (8 bytes), its checksum (4), the record, its checksum (4). Lengths in a file
    are not trusted: memory is only allocated for existing bytes, at most RECORD_BYTES. `broken`: why nothing
    more can be read; other bytes, or an invalid record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken: str | None = None
        self._offset = 0

    def records(self) -> Iterator[bytes]:
        """Complete records since the last call; a returned one counts as read. Stops at the end of the file,
        or in a record that is still being written. Raises OSError."""
        if self.broken is not None:
            return
        with open_regular(self.path) as stream:
            size = os.fstat(stream.fileno()).st_size
            while self.broken is None and self._offset + _AROUND <= size:
                stream.seek(self._offset)
                head = stream.read(_HEAD.size)
                if len(head) < _HEAD.size:
                    return
                length, checksum = _HEAD.unpack(head)
                if checksum != _masked_crc(head[:8]):
                    self.broken = f"{self.path.name} has no record at byte {self._offset}"
                    return
                end = self._offset + _AROUND + length
                if end > size:  # not complete yet; one that never will be is not read
                    return
                if length > RECORD_BYTES:  # an image, a histogram: not one of our numbers
                    self._offset = end
                    continue
                record = stream.read(length + _TAIL.size)
                if len(record) < length + _TAIL.size:
                    return
                self._offset = end
                if _TAIL.unpack(record[length:])[0] != _masked_crc(record[:length]):
                    self.broken = f"{self.path.name} is damaged before byte {end}"
                    return
                yield record[:length]


class ScalarTail:
    """Follows all event files below a folder, which need not exist yet.

    `since`: files last written before this time are not opened (a user's logging_dir may have years of other
    trainings). An incomplete record is read by a later poll; unreadable files are skipped and retried.
    `only`: records without these bytes are skipped unread, to find a rare tag of a long training. `ended`:
    the last poll reached the end.
    """

    def __init__(self, folder: Path, since: float | None = None, only: bytes | None = None) -> None:
        self._only = only
        self.ended = False
        self._files: dict[Path, EventFile] = {}
        #: finds the files; a caller that polls with `find` False runs it in its own thread
        self.finder = EventFiles(folder, since)

    def poll(self, budget_s: float, *, find: bool = True) -> list[Scalar]:
        """Numbers since the last call, file by file in order. Returns after about `budget_s` seconds even if
        there is more: the rest is read by the next call."""
        begin = time.monotonic()
        if find:
            self.finder.look(math.inf)
        for path in self.finder.found:
            if path not in self._files:
                self._files[path] = EventFile(path)
        found: list[Scalar] = []
        self.ended = False
        for file in self._files.values():
            try:
                for count, record in enumerate(file.records()):
                    if self._only is None or self._only in record:
                        found += _scalars(record)
                    if count % 64 == 63 and time.monotonic() - begin > budget_s:
                        return found
            except OSError:  # deleted, or its disk is gone: the next poll tries again
                continue
            if time.monotonic() - begin > budget_s:
                return found
        self.ended = self.finder.complete
        return found

    @property
    def problems(self) -> tuple[str, ...]:
        """Files that cannot be read to their end, as text."""
        return tuple(f.broken for f in self._files.values() if f.broken is not None)


def _masked_crc(data: bytes) -> int:
    # The library takes TensorFlow when it is installed (hundreds of MB); this module is its own switch
    # against that.
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    return int(masked_crc32c(data))


def _scalars(record: bytes) -> list[Scalar]:
    """The numbers of one event; anything else is skipped."""
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        event = Event.FromString(record)
    except Exception:  # protobuf's DecodeError: the checksum was right, so a later format
        return []
    values = ((v.tag, _number(v)) for v in event.summary.value)
    return [
        Scalar(tag, event.step, event.wall_time, number)
        for tag, number in values
        if number is not None
    ]


def _number(value: Any) -> float | None:
    """A scalar in either form: torch's SummaryWriter writes simple_value, or a tensor of one
    number with new_style=True, as TensorFlow does."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor":
        return None
    tensor = value.tensor
    for field in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if len(field) == 1:
            return float(field[0])
    form = _PACKED.get(tensor.dtype)
    if form is not None and len(tensor.tensor_content) == struct.calcsize(form):
        return float(struct.unpack(form, tensor.tensor_content)[0])
    return None
