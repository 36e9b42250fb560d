"""norms.jsonl: the norms of every verified checkpoint, block by block; a line a file, the last one counts.

They are many times as large as all else that is known of a checkpoint, and hardly ever change: status.json,
which is written once a second, does without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from runner.model import BlockNorm, Checkpoint, Status
from runner.store.journal import Appender, LineTail, lines_of

Key = tuple[int, int | None, int | None, bool]


@dataclass(frozen=True, slots=True)
class NormsLine:
    """Of the file of one save; its name and place may change later, these do not."""

    attempt: int
    step: int | None
    epoch: int | None
    final: bool
    norms: tuple[BlockNorm, ...]


def key_of(one: Checkpoint | NormsLine) -> Key:
    return one.attempt, one.step, one.epoch, one.final


class NormsTable:
    """What a norms.jsonl holds, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.known: dict[Key, tuple[BlockNorm, ...]] = {}
        self._tail = LineTail(path)

    def read(self) -> bool:
        """To its present end. True if something new came."""
        came = False
        for block in self._tail.read(math.inf) if self._tail.changed() else ():
            lines, _bad = lines_of(block, NormsLine)
            self.known |= {key_of(line): line.norms for line in lines}
            came = True
        return came

    def attached(self, status: Status) -> Status:
        """`status` with the norms of its checkpoints; those that it brings itself (older runs) stay."""
        return replace(status, checkpoints=tuple(self._attached(status.checkpoints)))

    def _attached(self, checkpoints: Iterable[Checkpoint]) -> Iterable[Checkpoint]:
        for one in checkpoints:
            norms = () if one.norms or one.complete is None else self.known.get(key_of(one), ())
            yield replace(one, norms=norms) if norms else one


class NormsFile:
    """Written by the supervisor: `lean` is what goes into status.json."""

    def __init__(self, path: Path) -> None:
        self.table = NormsTable(path)
        self.table.read()
        self._appender = Appender(path)
        #: what was made of each checkpoint the last time: most never change again
        self._made: dict[Key, tuple[Checkpoint, Checkpoint]] = {}

    def lean(self, status: Status) -> Status:
        """`status` without norms, which are in the file by then. What the disk refuses stays in the status."""
        return replace(status, checkpoints=tuple(map(self._lean, status.checkpoints)))

    def _lean(self, one: Checkpoint) -> Checkpoint:
        if not one.norms:
            return one
        key, known = key_of(one), self.table.known
        if key in self._made and self._made[key][0] is one:
            return self._made[key][1]
        if known.get(key) != one.norms:
            line = NormsLine(one.attempt, one.step, one.epoch, one.final, one.norms)
            if not self._appender.append(msgspec.json.encode(line)):
                return one
        known[key] = one.norms
        self._made[key] = one, replace(one, norms=())
        return self._made[key][1]
