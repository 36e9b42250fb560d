"""The checkpoints of a run, and the only way to change what is known of them.

Tasks that wait (for a verification, a disk, a copy) must not write back what they read before the wait: the
trainer may have reported something meanwhile. So a checkpoint is named by a key that never changes its
meaning, and `change` works on what is known at that very moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from runner.model import Checkpoint
from runner.trainers.names import KOHYA_NAMES


class CheckpointBook:
    """Checkpoints of one attempt (`own`) and of those before it (`earlier`), each in the order of saving."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self._known: dict[int, Checkpoint] = {}
        #: every step that a checkpoint has or had: most rows are of none
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
        self._known[key] = one
        self.steps.add(one.step)
        return key

    def load_earlier(self, checkpoints: Iterable[Checkpoint]) -> None:
        """What the run's status knew of attempts before this one."""
        for one in checkpoints:
            if one.attempt < self.attempt:
                self.add(one)

    def change(self, key: int, change: Callable[[Checkpoint], Checkpoint]) -> Checkpoint:
        """Replace what is known by what `change` makes of it. Returns the result."""
        self._known[key] = found = change(self._known[key])
        self.steps.add(found.step)
        return found

    def update(self, key: int, **fields: Any) -> Checkpoint:
        """Set these fields of Checkpoint and leave all others as they are. Returns the result."""
        return self.change(key, lambda one: replace(one, **fields))

    def add_state(self, path: str) -> Checkpoint | None:
        """A state was saved in `path`. Returns the checkpoint that it belongs to, if there is one by now."""
        stem = PurePath(path).name.removesuffix("-state")
        for key in self.own_keys:
            if PurePath(self._known[key].name).stem == stem:
                return self.update(key, state_path=path)
        self._state_of[stem] = path
        return None

    def remove(self, path: str) -> None:
        """The trainer deleted this checkpoint."""
        for key in self.own_keys:
            if self._known[key].name == PurePath(path).name:
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
        """Of all attempts; a file that was written again counts once."""
        own = self.own
        paths = {one.path for one in own}
        return (*(one for one in self.earlier if one.path not in paths), *own)
