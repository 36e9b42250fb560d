"""File names of a resumed run: its own next to those of earlier attempts, bad ones marked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from runner.checkpoints.atomic_link import place_under, set_aside
from runner.checkpoints.checkpoint_facts import bad_mark
from runner.state.attempt_state import AttemptState
from runner.state.checkpoint_book import CheckpointBook
from runner.state.lineage import superseded
from runner.supervisor.context import AttemptContext
from runner.trainers.names import OF_ATTEMPT, marked_name, unmarked_name
from runner.trainers.registry import program_of_run

log = logging.getLogger("supervisor")


@dataclass(slots=True, eq=False)
class FileNames:
    """A resumed attempt writes to its own folder, because sd-scripts would overwrite existing files: its
    files are linked or copied next to the run's other files, named by true step."""

    context: AttemptContext
    state: AttemptState
    book: CheckpointBook
    emit: Callable[..., None]
    #: keys of files that were placed, or could not be
    tried: set[int] = field(default_factory=set, init=False)

    def is_done(self, key: int) -> bool:
        """Has this file its final name, as far as it can have one now?"""
        if self.context.attempt < 2 or self.context.spec.output_dir is None or key in self.tried:
            return True
        return not self.book[key].complete

    async def place(self, key: int) -> None:
        """Give a complete file of this attempt its final name. Never replaces a file."""
        context, one, folder = self.context, self.book[key], self.context.spec.output_dir
        if folder is None or self.is_done(key):
            return
        self.tried.add(key)
        names = program_of_run(context.spec).names
        if one.final:
            name = names.last(context.plan.output_name) + PurePath(one.name).suffix
        else:
            per_epoch = self.state.mapper.steps_per_epoch
            name = names.placed(one.name, one.step, per_epoch, context.plan.origin_step)
        source, target = Path(one.path), context.resolve(folder) / name
        if source.parent == target.parent and unmarked_name(source.name) == name:
            return
        bad = bad_mark(one)
        if bad is not None:
            target = target.with_name(marked_name(name, bad))
        else:
            await self._make_room(target)
        mark = bad or f"{OF_ATTEMPT}{context.attempt}"
        try:
            placed = await asyncio.to_thread(place_under, source, target, mark, context.spec.id)
        except OSError as error:
            self.emit("checkpoint_not_placed", name=name, why=error.strerror or str(error))
            return
        self.book.update(key, name=placed.name, path=str(placed), removed=False)
        self.emit("checkpoint_placed", name=placed.name, step=one.step, at=time.time())
        if bad is None and placed.name != name:
            why = f"the name is taken, placed as {placed.name}"
            self.emit("checkpoint_not_placed", name=name, why=why)

    async def set_bad_aside(self) -> None:
        """Rename bad files of steps that a later attempt trains again."""
        for key in self._superseded():
            one = self.book[key]
            mark = bad_mark(one)
            if mark is not None and unmarked_name(one.name) == one.name:
                await self._mark(key, mark)

    async def _make_room(self, target: Path) -> None:
        """The newest training of a step gets the name: an earlier attempt's file gets that attempt's
        number."""
        for key in self._superseded():
            one = self.book[key]
            if self.context.resolve(one.path) == target:
                await self._mark(key, f"{OF_ATTEMPT}{one.attempt}")

    def _superseded(self) -> list[int]:
        """Keys of earlier attempts' files for steps trained again."""
        book, attempts = self.book, self.context.attempts(self.state)
        earlier = ((key, book[key]) for key in book.earlier_keys)
        return [key for key, one in earlier if not one.removed and superseded(one, attempts)]

    async def _mark(self, key: int, mark: str) -> None:
        one = self.book[key]
        if one.size_bytes is None:
            return  # never verified: another program may have written the file
        path, size_bytes, at = self.context.resolve(one.path), one.size_bytes, one.saved_at
        try:
            moved = await asyncio.to_thread(set_aside, path, mark, size_bytes, at)
        except OSError as error:
            log.warning("%s is not set aside: %s", one.name, error)
            return
        if moved is not None:
            self.book.update(key, name=moved.name, path=str(moved), missing=False)
            self.emit("set_aside", name=one.name, moved_to=moved.name, step=one.step)
