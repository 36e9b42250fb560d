"""Exact losses out of TensorBoard event files while they are being written.

sd-scripts' console shows a moving average with three digits; `loss/current` in the event file is the
loss of every step. accelerate's tracker flushes after each record, so tailing works live. The files
are read with tensorboard's own loader (measured: 46 MB for a process that imports it, asyncio, psutil
and msgspec); it is imported with the first file that appears, and never brings in TensorFlow.
"""

from __future__ import annotations

import struct
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

#: Looking for new event files walks a folder tree, reading the known ones does not.
_RESCAN_S = 1.0
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


class _Loader(Protocol):
    def Load(self) -> Iterator[bytes]: ...  # noqa: N802


class ScalarTail:
    """Follows all event files below a folder, which need not exist yet.

    `since`: files last written before this time are not opened (a logging_dir of the user's own
    may hold years of other trainings). A record that is not complete yet is read by a later poll;
    files that cannot be read are left out and tried again. `only`: records without these bytes are
    passed over unread, for who wants a rare tag of a long training. `ended`: the last poll came to the
    end of what there was.
    """

    def __init__(self, folder: Path, since: float | None = None, only: bytes | None = None) -> None:
        self._folder = folder
        self._only = only
        self.ended = False
        self._since = since
        self._loaders: dict[Path, _Loader] = {}
        self._scanned_at = -_RESCAN_S

    def poll(self, budget_s: float) -> list[Scalar]:
        """Numbers that came since the last call, file by file in order. Returns after about
        `budget_s` seconds even if there is more: what is left comes with the next call."""
        begin = time.monotonic()
        if begin - self._scanned_at >= _RESCAN_S:
            self._scanned_at = begin
            self._find_files()
        found: list[Scalar] = []
        self.ended = False
        for loader in self._loaders.values():
            for count, record in enumerate(loader.Load()):
                if self._only is None or self._only in record:
                    found += _scalars(record)
                if count % 64 == 63 and time.monotonic() - begin > budget_s:
                    return found
            if time.monotonic() - begin > budget_s:
                return found
        self.ended = True
        return found

    def _find_files(self) -> None:
        try:
            paths = sorted(self._folder.rglob("*tfevents*"), key=lambda p: p.name)
        except OSError:
            return
        for path in paths:
            if path in self._loaders or not self._wanted(path):
                continue
            try:
                self._loaders[path] = _open(path)
            except Exception:  # the library raises its own errors, and they differ by version
                continue

    def _wanted(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        recent = self._since is None or found.st_mtime >= self._since
        return recent and found.st_size > 0 and path.is_file()


def _open(path: Path) -> _Loader:
    # The library takes TensorFlow's file reader when it is installed (hundreds of MB); this module
    # is its own way to be told not to.
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    loader: _Loader = RawEventFileLoader(str(path))
    return loader


def _scalars(record: bytes) -> list[Scalar]:
    """The numbers of one event; anything else in it is passed over."""
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
