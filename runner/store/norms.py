"""Checkpoint details in norms.jsonl instead of status.json, so that status.json stays small with any number
of checkpoints.

status.json is written once a second. For a verified checkpoint it has the non-default fields of ROW; all
others rarely change and are in norms.jsonl: a line per change, the last one counts. Norms are many times as
large as the rest, so a line without them keeps those of an earlier one.
"""

from __future__ import annotations

import math
import os.path
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from runner.model import Checkpoint, Status
from runner.store.appender import Appender
from runner.store.journal import UNDECODABLE, LineTail, encode_json, lines_of, read_json
from runner.store.rundir import RunDir

Key = tuple[int, int | None, int | None, bool]
#: the save of a line: its file may be renamed or moved later, these do not change
_KEY = ("attempt", "step", "epoch", "final")
#: fields of every checkpoint in status.json
ROW = (
    *_KEY, "name", "path", "saved_at", "complete", "finite", "problem", "loss", "removed", "missing",
    "replaced",
)  # fmt: skip
_DEFAULTS = {field.name: field.default for field in fields(Checkpoint)}
_DETAILS = tuple(name for name in _DEFAULTS if name not in ROW)


def key_of(one: Checkpoint) -> Key:
    return one.attempt, one.step, one.epoch, one.final


def _apart(checkpoints: Iterable[Checkpoint]) -> set[Key]:
    """Keys of those with details in the file: verified, and with a unique key."""
    number = Counter(key_of(one) for one in checkpoints)
    return {key_of(one) for one in checkpoints if one.complete is not None} & {
        key for key, times in number.items() if times == 1
    }


def _set(one: Checkpoint, names: Iterable[str]) -> dict[str, Any]:
    """The fields that are not at their default."""
    values = ((name, getattr(one, name)) for name in names)
    return {name: value for name, value in values if value != _DEFAULTS[name]}


def read_status(run: RunDir, path: Path | None = None) -> Status:
    """status.json, or another file like it, with checkpoint details from norms.jsonl. Raises Unreadable."""
    status, table = read_json(path or run.status, Status), NormsTable(run.norms)
    table.read()
    return table.attached(status)


class NormsTable:
    """The content of norms.jsonl, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.known: dict[Key, Checkpoint] = {}
        self._tail = LineTail(path)

    def read(self) -> bool:
        """To its current end. True if there was anything new."""
        came = False
        for block in self._tail.read(math.inf) if self._tail.changed() else ():
            came = True
            for line in lines_of(block, dict[str, Any])[0]:
                try:
                    self.add(msgspec.convert({"name": "", **line}, Checkpoint, strict=False))
                except UNDECODABLE:
                    continue
        return came

    def add(self, line: Checkpoint) -> None:
        before = self.known.get(key_of(line))
        if before is not None and not line.norms:
            line = replace(line, norms=before.norms)
        self.known[key_of(line)] = line

    def attached(self, status: Status) -> Status:
        """`status` with the details of its checkpoints; its own (older runs) are kept."""
        found = _apart(status.checkpoints)
        return replace(status, checkpoints=tuple(
            replace(one, **{**_set(self.known[key_of(one)], _DETAILS), **_set(one, _DETAILS)})
            if key_of(one) in found and key_of(one) in self.known else one
            for one in status.checkpoints
        ))  # fmt: skip


class NormsFile:
    """Written by the supervisor: `lean` is written to status.json."""

    def __init__(self, path: Path) -> None:
        self.table = NormsTable(path)
        self.table.read()
        self._appender = Appender(path)
        #: last result per checkpoint, and whether its details are in the file: most never change again
        self._made: dict[Key, tuple[Checkpoint, bool, dict[str, Any]]] = {}

    def lean(self, status: Status) -> dict[str, Any]:
        """`status` without the details, which are in the file by then; details refused by the disk stay."""
        if self._appender.look():  # damaged: everything is written again
            self.table.known.clear()
            self._made.clear()
        folders = Counter(os.path.dirname(one.path) for one in status.checkpoints)  # noqa: PTH120
        folder = folders.most_common(1)[0][0] if folders else ""
        found = {field.name: getattr(status, field.name) for field in fields(status)}
        rows = tuple(self._rows(status.checkpoints, folder))
        return found | {"checkpoint_folder": folder, "checkpoints": rows}

    def _rows(self, checkpoints: tuple[Checkpoint, ...], folder: str) -> Iterator[dict[str, Any]]:
        apart = _apart(checkpoints)
        for one in checkpoints:
            key = key_of(one)
            made, split = self._made.get(key), key in apart
            if made is None or made[0] is not one or made[1] is not split:
                written = split and self._written(one)
                # refused by the disk: the next status tries again
                made = self._made[key] = one, written, _set(one, ROW if written else _DEFAULTS)
            row = made[2]
            in_folder = folder and f"{folder}/{one.name}" == one.path
            yield {k: v for k, v in row.items() if k != "path"} if in_folder else row

    def _written(self, one: Checkpoint) -> bool:
        """Are its details in the file?"""
        details, known = _set(one, _DETAILS), self.table.known.get(key_of(one))
        if (_set(known, _DETAILS) if known is not None else {}) == details:
            return True
        if known is not None and known.norms == one.norms:
            details.pop("norms", None)  # of a broken file there are none
        line = _set(one, _KEY) | details
        if not self._appender.append(encode_json(line)):
            return False
        self.table.known[key_of(one)] = one
        return True
