"""Watches known checkpoints and states that vanish, reappear or change without the trainer.

Only checks names, sizes and times, every few seconds. The trainer reports deletions in advance; a file counts
as missing after two checks, so that the report can arrive.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.model import Checkpoint
from runner.model.checkpoint import CHANGED, MISSING
from runner.state.attempt_state import AttemptState
from runner.state.checkpoint_book import CheckpointBook
from runner.store.identity import is_same, replaced
from runner.supervisor.context import AttemptContext

#: a file's time may lose digits on a network disk
SAME_TIME_S = 0.01
#: how many files are checked in one go: a thread for each of ten thousand costs seconds
AT_ONCE = 500


@dataclass(slots=True, eq=False)
class FileWatch:
    """`without_state`: paths of checkpoints without a state folder."""

    context: AttemptContext
    state: AttemptState
    book: CheckpointBook
    emit: Callable[..., None]
    without_state: set[str] = field(default_factory=set, init=False)
    _absent: set[str] = field(default_factory=set, init=False)

    def placed(self, one: Checkpoint) -> bool:
        """Is it next to the other attempts' files, out of its own trainer's reach?"""
        folder, own = self.context.spec.output_dir, self.context.plan.output_dir
        if self.context.attempt < 2 or folder is None or folder == own:
            return False
        return Path(one.path).parent == self.context.resolve(folder)

    async def look(self, *, ended: bool) -> list[int]:
        """Record missing files. Returns the keys of this attempt's files to verify again."""
        book, again = self.book, []
        own = book.own_keys
        for first in range(0, len(own), AT_ONCE):
            again += await self._look_at_own(own[first : first + AT_ONCE], ended)
        for key in book.earlier_keys:
            if not book[key].removed and book[key].complete is not None:
                await self._look_at_earlier(key, ended)
        return again

    async def _look_at_own(self, keys: Sequence[int], ended: bool) -> list[int]:
        """Those that must be verified again."""
        book, resolve = self.book, self.context.resolve
        paths = {key: resolve(book[key].path) for key in keys if self._is_watched(book[key])}
        seen = await asyncio.to_thread(lambda: {key: _stat(path) for key, path in paths.items()})
        # the trainer may have reported something meanwhile
        seen = {key: found for key, found in seen.items() if self._is_watched(book[key])}
        again = [key for key, found in seen.items() if self._is_new(key, paths[key], found, ended)]
        for key in seen:
            await self._look_at_state(key)
        return again

    def _is_new(self, key: int, path: Path, found: os.stat_result | None, ended: bool) -> bool:
        """Must it be verified again? Does not wait."""
        book, one = self.book, self.book[key]
        self._note(key, found, ended)
        again = found is not None and (one.missing or _changed(one, path, found))
        if found is not None and again:
            more = {"size_bytes": found.st_size, "modified_at": found.st_mtime}
            kind, data = ("checkpoint_back", {}) if one.missing else ("checkpoint_changed", more)
            self.emit(kind, name=one.name, step=one.step, **data)
            # the facts are about other bytes: unknown until verified again
            book.update(key, missing=False, complete=None, finite=None)
        return again

    def _is_watched(self, one: Checkpoint) -> bool:
        return one.complete is not None and (not one.removed or self.placed(one))

    async def _look_at_earlier(self, key: int, ended: bool) -> None:
        """A file of an earlier attempt: this training no longer writes it, so it is only compared."""
        book, one = self.book, self.book[key]
        path = self.context.resolve(one.path)
        found = await asyncio.to_thread(_stat, path)
        same = await asyncio.to_thread(is_same, one, path)
        self._note(key, found, ended)
        if same is False and not book[key].removed:
            if book[key].replaced is None:
                book.change(key, lambda c: replaced(c, CHANGED))
                self.emit("checkpoint_replaced", name=one.name, step=one.step)
        elif found is not None and book[key].missing and book[key].replaced is None:
            book.update(key, missing=False)
            self.emit("checkpoint_back", name=one.name, step=one.step)
        await self._look_at_state(key)

    def _note(self, key: int, found: os.stat_result | None, ended: bool) -> None:
        """Whether the file exists. Does not wait."""
        book, one = self.book, self.book[key]
        if found is not None:
            self._absent.discard(one.path)
            if one.removed:
                book.update(key, removed=False)
            return
        if one.missing or one.size_bytes is None or not one.saved_at:
            return
        if not ended and self._is_first_absence(one.path):
            return
        if self._is_due(one.removed_at_step):
            book.update(key, removed=True)  # as planned; the report was lost
            return
        self.emit("checkpoint_missing", name=one.name, step=one.step)
        book.update(key, missing=True)

    async def _look_at_state(self, key: int) -> None:
        """A missing state is no longer a safe point."""
        book = self.book
        path = book[key].state_path
        if path is None or book[key].state_complete is None:
            return
        resolved = self.context.resolve(path)
        exists = await asyncio.to_thread(os.path.isdir, resolved)
        one = book[key]
        if one.state_path != path:  # reported as removed meanwhile
            return
        gone = one.state_problem == MISSING
        if exists:
            self._absent.discard(path)
            if gone:
                book.update(key, state_complete=None, state_problem=None)
        elif gone or self._is_first_absence(path):
            return
        elif self._is_due(one.state_removed_at_step):
            book.update(key, state_path=None, state_complete=None, state_problem=None)
        else:
            self.emit("state_missing", path=str(resolved), step=one.step)
            book.update(key, state_complete=False, state_problem=MISSING)

    def _is_first_absence(self, path: str) -> bool:
        first = path not in self._absent
        self._absent.add(path)
        return first

    def _is_due(self, removed_at_step: int | None) -> bool:
        return removed_at_step is not None and removed_at_step <= self.state.step


def _stat(path: Path) -> os.stat_result | None:
    """None: certainly missing; a disk error is different (all zeros)."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return os.stat_result((0,) * 10)


def _changed(one: Checkpoint, path: Path, found: os.stat_result) -> bool:
    if stat.S_ISDIR(found.st_mode):  # diffusers: the folder's own size and time are meaningless
        return is_same(one, path) is False
    if found.st_nlink == 0 and found.st_mtime == 0:
        return False  # its disk did not respond
    return found.st_size != one.size_bytes or abs(found.st_mtime - one.saved_at) > SAME_TIME_S
