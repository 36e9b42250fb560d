"""Known checkpoints and states that vanish, come back or change behind the trainer's back.

Only names, sizes and times are asked for, every few seconds. The trainer says what it deletes before it
does so; a file is called missing when it was not there twice in a row, so that the word can arrive.
"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model import Checkpoint
from runner.store.identity import REPLACED, is_same, replaced

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

STATE_GONE = "deleted, and not by the trainer"
#: the time of a file may lose digits on its way over a network disk
SAME_TIME_S = 0.01


class FileWatch:
    """`without_state`: checkpoints whose state folder was looked for in vain."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._absent: set[str] = set()
        self.without_state: set[str] = set()

    def placed(self, one: Checkpoint) -> bool:
        """Does it lie beside the other attempts' files, out of its own trainer's reach?"""
        folder, own = self._s.spec.output_dir, self._s.plan.output_dir
        if self._s.attempt < 2 or folder is None or folder == own:
            return False
        return Path(one.path).parent == self._s.files.resolve(folder)

    async def look(self, *, ended: bool) -> list[int]:
        """Note which files are gone. Returns the keys of this attempt's that must be verified again."""
        book, again = self._s.translator.book, []
        for key in book.own_keys:
            if not self._watched(book[key]):
                continue
            found = await asyncio.to_thread(_stat, self._s.files.resolve(book[key].path))
            one = book[key]  # the trainer may have reported something meanwhile
            if not self._watched(one):
                continue
            self._note(key, found, ended)
            if found is not None and (one.missing or self._changed(one, found)):
                again.append(key)
                if one.missing:
                    self._s.tell("checkpoint_back", name=one.name, step=one.step)
                else:
                    self._tell_changed(one, found)
                # what was known is of other bytes: nothing is known until it is verified again
                book.update(key, missing=False, complete=None, finite=None)
            await self._look_at_state(key)
        for key in book.earlier_keys:
            await self._look_at_earlier(key, ended)
        return again

    def _watched(self, one: Checkpoint) -> bool:
        return one.complete is not None and (not one.removed or self.placed(one))

    async def _look_at_earlier(self, key: int, ended: bool) -> None:
        """A file of an earlier attempt: nothing writes it any more, so only its existence is checked."""
        book = self._s.translator.book
        one = book[key]
        if one.removed or one.complete is None:
            return
        found = await asyncio.to_thread(_stat, self._s.files.resolve(one.path))
        same = await asyncio.to_thread(is_same, one, self._s.files.resolve(one.path))
        self._note(key, found, ended)
        if same is False and not book[key].removed:
            if book[key].replaced is None:
                book.change(key, lambda c: replaced(c, REPLACED))
                self._s.tell("checkpoint_replaced", name=one.name, step=one.step)
        elif found is not None and book[key].missing and book[key].replaced is None:
            book.update(key, missing=False)
            self._s.tell("checkpoint_back", name=one.name, step=one.step)
        await self._look_at_state(key)

    def _note(self, key: int, found: os.stat_result | None, ended: bool) -> None:
        """Whether the file exists. Nothing is awaited here."""
        book = self._s.translator.book
        one = book[key]
        if found is not None:
            self._absent.discard(one.path)
            if one.removed:
                book.update(key, removed=False)
            return
        if one.missing or one.size_bytes is None or not one.saved_at:
            return
        if one.path not in self._absent and not ended:
            self._absent.add(one.path)
            return
        if one.removed_at_step is not None and one.removed_at_step <= self._s.translator.state.step:
            book.update(key, removed=True)  # as foreseen; its word was lost
            return
        self._s.tell("checkpoint_missing", name=one.name, step=one.step)
        book.update(key, missing=True)

    def _changed(self, one: Checkpoint, found: os.stat_result) -> bool:
        if stat.S_ISDIR(found.st_mode):  # of diffusers: its own size and time say nothing
            return is_same(one, self._s.files.resolve(one.path)) is False
        return _changed(one, found)

    def _tell_changed(self, one: Checkpoint, found: os.stat_result) -> None:
        self._s.tell(
            "checkpoint_changed",
            name=one.name,
            step=one.step,
            size_bytes=found.st_size,
            modified_at=found.st_mtime,
        )

    async def _look_at_state(self, key: int) -> None:
        """A state that was complete and is gone is no safe point any more."""
        book = self._s.translator.book
        path = book[key].state_path
        if path is None or book[key].state_complete is None:
            return
        resolved = self._s.files.resolve(path)
        exists = await asyncio.to_thread(os.path.isdir, resolved)
        one = book[key]
        if one.state_path != path:  # reported as removed meanwhile
            return
        if exists:
            self._absent.discard(path)
            if one.state_problem == STATE_GONE:
                book.update(key, state_complete=None, state_problem=None)
            return
        if one.state_problem == STATE_GONE:
            return
        if path not in self._absent:
            self._absent.add(path)
            return
        due = one.state_removed_at_step
        if due is not None and due <= self._s.translator.state.step:
            book.update(key, state_path=None, state_complete=None, state_problem=None)
            return
        self._s.tell("state_missing", path=str(resolved), step=one.step)
        book.update(key, state_complete=False, state_problem=STATE_GONE)


def _stat(path: Path) -> os.stat_result | None:
    """None: it is certainly not there; a disk that does not answer is another matter."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return os.stat_result((0,) * 10)


def _changed(one: Checkpoint, found: os.stat_result) -> bool:
    if found.st_nlink == 0 and found.st_mtime == 0:
        return False  # nothing could be told
    return found.st_size != one.size_bytes or abs(found.st_mtime - one.saved_at) > SAME_TIME_S
