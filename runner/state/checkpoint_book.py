"""The checkpoints of a run, and the only way to change what is known of them.

Tasks that wait (for a verification, a disk, a copy) must not write back what they read before the wait: the
trainer may have reported something meanwhile. So a checkpoint is named by a key that never changes its
meaning, and `change` works on what is known at that very moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from runner.model import Checkpoint


class CheckpointBook:
    """Checkpoints of one attempt (`own`) and of those before it (`earlier`), each in the order of saving."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self._known: dict[int, Checkpoint] = {}

    def add(self, one: Checkpoint) -> int:
        """Returns the key of the new checkpoint."""
        key = len(self._known)
        self._known[key] = one
        return key

    def load_earlier(self, checkpoints: Iterable[Checkpoint]) -> None:
        """What the run's status knew of attempts before this one."""
        for one in checkpoints:
            if one.attempt < self.attempt:
                self.add(one)

    def change(self, key: int, change: Callable[[Checkpoint], Checkpoint]) -> Checkpoint:
        """Replace what is known by what `change` makes of it. Returns the result."""
        self._known[key] = found = change(self._known[key])
        return found

    def update(self, key: int, **fields: Any) -> Checkpoint:
        """Set these fields of Checkpoint and leave all others as they are. Returns the result."""
        return self.change(key, lambda one: replace(one, **fields))

    def __getitem__(self, key: int) -> Checkpoint:
        return self._known[key]

    @property
    def own_keys(self) -> tuple[int, ...]:
        return tuple(k for k, one in self._known.items() if one.attempt == self.attempt)

    @property
    def earlier_keys(self) -> tuple[int, ...]:
        return tuple(k for k, one in self._known.items() if one.attempt != self.attempt)

    @property
    def own(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self._known.values() if one.attempt == self.attempt)

    @property
    def earlier(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self._known.values() if one.attempt != self.attempt)
