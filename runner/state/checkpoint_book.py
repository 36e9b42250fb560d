"""The checkpoints of a run, and the only way to change their facts.

Tasks that wait (for a verification, a disk, a copy) must not write back what they read before: the trainer
may have reported something meanwhile. So a checkpoint has a stable key, and `change` works on the current
facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from runner.model import Checkpoint
from runner.trainers.names import KOHYA_NAMES


class CheckpointBook:
    """Checkpoints of one attempt (`own`) and of earlier ones (`earlier`), each in the order of saving."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self._known: dict[int, Checkpoint] = {}
        #: as the trainer named the file: placed under its true step it has another name, which the trainer may
        #: use for a later one
        self._named: dict[int, str] = {}
        #: every step of a checkpoint, now or earlier: most rows have none
        self.steps: set[int | None] = set()
        #: states that were saved before their checkpoint, by its stem
        self._state_of: dict[str, str] = {}

    def add(self, one: Checkpoint) -> int:
        """Returns the key of the new checkpoint."""
        key = len(self._known)
        if one.state_path is None and one.attempt == self.attempt:
            one = replace(
                one, state_path=self._state_of.pop(KOHYA_NAMES.parse(one.name).stem, None)
            )
        self._known[key], self._named[key] = one, one.name
        self.steps.add(one.step)
        return key

    def load_earlier(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Facts of earlier attempts from the run's status."""
        for one in checkpoints:
            if one.attempt < self.attempt:
                self.add(one)

    def change(self, key: int, change: Callable[[Checkpoint], Checkpoint]) -> Checkpoint:
        """Replace the facts with the result of `change`. Returns the result."""
        self._known[key] = found = change(self._known[key])
        self.steps.add(found.step)
        return found

    def update(self, key: int, **fields: Any) -> Checkpoint:
        """Set these fields of Checkpoint and keep all others. Returns the result."""
        return self.change(key, lambda one: replace(one, **fields))

    def add_state(self, path: str) -> Checkpoint | None:
        """A state was saved in `path`. Returns its checkpoint, if there is one yet."""
        stem = PurePath(path).name.removesuffix("-state")
        for key in self.own_keys:
            if PurePath(self._named[key]).stem == stem:
                return self.update(key, state_path=path)
        self._state_of[stem] = path
        return None

    def remove(self, path: str) -> None:
        """The trainer deleted this checkpoint; one that was placed is another file."""
        for key in self.own_keys:
            if self._known[key].name == self._named[key] == PurePath(path).name:
                self.update(key, removed=True)

    def remove_state(self, path: str) -> None:
        """The trainer deleted this state."""
        for key in self.own_keys:
            state = self._known[key].state_path
            if state is not None and PurePath(state).name == PurePath(path).name:
                self.update(key, state_path=None, state_complete=None)

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

    @property
    def all(self) -> tuple[Checkpoint, ...]:
        """Of all attempts; a rewritten file counts once."""
        own = self.own
        paths = {one.path for one in own}
        return (*(one for one in self.earlier if one.path not in paths), *own)
