"""The checkpoints of a run, and the only way to change their facts.

Tasks that wait (for a verification, a disk, a copy) must not write back what they read before: the trainer
may have reported something meanwhile. So a checkpoint has a stable key, and `change` works on the current
facts.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from runner.model import Checkpoint, JournalEvent
from runner.state.attempt_state import int_of, text_of
from runner.trainers.names import KOHYA_NAMES, FileNames

#: what the trainer prints about its files, as journaled
FILE_EVENTS = ("checkpoint_saving", "state_saved", "checkpoint_removed", "state_removed")


class CheckpointBook:
    """Checkpoints of one attempt (`own`) and of earlier ones (`earlier`), each in the order of saving."""

    def __init__(self, attempt: int, names: FileNames = KOHYA_NAMES) -> None:
        self.attempt, self._names = attempt, names
        self._known: dict[int, Checkpoint] = {}
        #: as the trainer named the file: placed under its true step it has another name, which the trainer may
        #: use for a later one
        self._named: dict[int, str] = {}
        self._own: list[int] = []
        #: the first key of each stem, as the trainer named it
        self._stems: dict[str, int] = {}
        #: keys by each step that they have or had: ten thousand files must not be searched for every row
        self._at: dict[int | None, dict[int, None]] = {}
        self._steps: list[int] = []  # in order
        #: states that were saved before their checkpoint, by its stem
        self._state_of: dict[str, str] = {}

    def add(self, one: Checkpoint) -> int:
        """Returns the key of the new checkpoint."""
        key = len(self._known)
        if one.state_path is None and one.attempt == self.attempt:
            one = replace(
                one, state_path=self._state_of.pop(self._names.parse(one.name).stem, None)
            )
        self._known[key], self._named[key] = one, one.name
        self._note_step(key, one.step)
        if one.attempt == self.attempt:
            self._own.append(key)
            self._stems.setdefault(PurePath(one.name).stem, key)
        return key

    def load_earlier(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Facts of earlier attempts from the run's status."""
        for one in checkpoints:
            if one.attempt < self.attempt:
                self.add(one)

    def recall(self, events: Iterable[JournalEvent], stop_step: int | None = None) -> None:
        """File events that an earlier supervisor of this attempt journaled: a damaged console.log may no longer
        name a file. Changes nothing if it names them all. `stop_step`: as in AttemptPlan."""
        events = tuple(events)
        saves = [event for event in events if event.kind == "checkpoint_saving"]
        if all(PurePath(text_of(event, "name") or "").stem in self._stems for event in saves):
            return
        order: dict[int, None] = {}
        for event in events:
            path = text_of(event, "path") or ""
            match event.kind:
                case "checkpoint_saving":
                    order[self._recalled(event, path, stop_step)] = None
                case "state_saved":
                    self.add_state(path)
                case "checkpoint_removed":
                    self.remove(path)
                case _:
                    self.remove_state(path)
        self._own = [*order, *(key for key in self._own if key not in order)]

    def _recalled(self, event: JournalEvent, path: str, stop_step: int | None) -> int:
        name, step = text_of(event, "name") or PurePath(path).name, int_of(event, "step")
        known = self._stems.get(PurePath(name).stem)
        if known is not None:
            return known
        final = self._names.parse(name).final or (step is not None and step == stop_step)
        return self.add(
            Checkpoint(
                name=name, path=path, step=step, epoch=int_of(event, "epoch"), attempt=self.attempt,
                saved_at=event.at, final=final,
            )
        )  # fmt: skip

    def change(self, key: int, change: Callable[[Checkpoint], Checkpoint]) -> Checkpoint:
        """Replace the facts with the result of `change`. Returns the result."""
        before = self._known[key]
        self._known[key] = found = change(before)
        if found.step != before.step:
            self._note_step(key, found.step)
        return found

    def _note_step(self, key: int, step: int | None) -> None:
        if step not in self._at and step is not None:
            insort(self._steps, step)
        self._at.setdefault(step, {})[key] = None

    def update(self, key: int, **fields: Any) -> Checkpoint:
        """Set these fields of Checkpoint and keep all others. Returns the result."""
        return self.change(key, lambda one: replace(one, **fields))

    def add_state(self, path: str) -> Checkpoint | None:
        """A state was saved in `path`. Returns its checkpoint, if there is one yet."""
        stem = PurePath(path).name.removesuffix("-state")
        if stem in self._stems:
            return self.update(self._stems[stem], state_path=path)
        self._state_of[stem] = path
        return None

    def remove(self, path: str) -> None:
        """The trainer deleted this checkpoint; one that was placed is another file."""
        name = PurePath(path).name
        for key in self._own:
            if self._named[key] == name == self._known[key].name:
                self.update(key, removed=True)

    def remove_state(self, path: str) -> None:
        """The trainer deleted this state."""
        name = PurePath(path).name
        for key in self._own:
            state = self._known[key].state_path
            if state is not None and name in state and PurePath(state).name == name:
                self.update(key, state_path=None, state_complete=None)

    def __getitem__(self, key: int) -> Checkpoint:
        return self._known[key]

    @property
    def own_keys(self) -> tuple[int, ...]:
        return tuple(self._own)

    @property
    def earlier_keys(self) -> tuple[int, ...]:
        return tuple(k for k, one in self._known.items() if one.attempt != self.attempt)

    @property
    def own(self) -> tuple[Checkpoint, ...]:
        return tuple(self._known[key] for key in self._own)

    def own_at(self, step: int | None) -> list[int]:
        """Keys of this attempt's checkpoints of a step."""
        keys = (key for key in self._at.get(step, ()) if self._known[key].step == step)
        return [key for key in keys if self._known[key].attempt == self.attempt]

    def before(self, one: Checkpoint) -> Iterator[Checkpoint]:
        """Checkpoints of earlier steps, the newest first; of one step those of the later attempt. A rewritten
        file counts once."""
        if one.step is None:
            return
        own = {mine.path for mine in self.own} if len(self._own) < len(self._known) else set()
        for at in range(bisect_left(self._steps, one.step) - 1, -1, -1):
            step = self._steps[at]
            found = (self._known[key] for key in self._at[step] if self._known[key].step == step)
            for other in sorted(found, key=lambda c: c.attempt, reverse=True):
                if other.attempt == self.attempt or other.path not in own:
                    yield other

    @property
    def earlier(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self._known.values() if one.attempt != self.attempt)

    @property
    def all(self) -> tuple[Checkpoint, ...]:
        """Of all attempts; a rewritten file counts once."""
        own = self.own
        paths = {one.path for one in own}
        return (*(one for one in self.earlier if one.path not in paths), *own)
