"""Known checkpoints and states that vanish, come back or change behind the trainer's back.

Only names, sizes and times are asked for, every few seconds. The trainer says what it deletes before it
does so; a file is called missing when it was not there twice in a row, so that the word can arrive.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model import Checkpoint

if TYPE_CHECKING:
    from runner.supervisor import Supervisor

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
        """Note what is gone; the places, among this attempt's, of those that must be looked at again."""
        own, again = self._s.progress.checkpoints, []
        for at in range(len(own)):
            if own[at].complete is None or (own[at].removed and not self.placed(own[at])):
                continue
            found = await asyncio.to_thread(_stat, self._s.files.resolve(own[at].path))
            one = own[at]
            noted = self._seen(one, found, ended)
            if noted is not one:
                own[at] = noted
            if found is not None and (one.missing or _changed(one, found)):
                again.append(at)
                kind = "checkpoint_back" if one.missing else "checkpoint_changed"
                self._s.tell(kind, name=one.name, step=one.step)
            own[at] = await self._state(own[at])
        await self._look_at_earlier(ended)
        return again

    async def _look_at_earlier(self, ended: bool) -> None:
        """Files of earlier attempts: nobody writes them any more, so being there is all that is asked."""
        before = self._s.before
        if before is None:
            return
        files = list(before.checkpoints)
        for at, one in enumerate(files):
            if one.attempt >= self._s.attempt or one.removed or one.complete is None:
                continue
            found = await asyncio.to_thread(_stat, self._s.files.resolve(one.path))
            noted = self._seen(one, found, ended)
            if found is not None and one.missing:
                noted = replace(noted, missing=False)
                self._s.tell("checkpoint_back", name=one.name, step=one.step)
            files[at] = await self._state(noted)
        if tuple(files) != before.checkpoints:
            self._s.before = replace(before, checkpoints=tuple(files))

    def _seen(self, one: Checkpoint, found: os.stat_result | None, ended: bool) -> Checkpoint:
        if found is not None:
            self._absent.discard(one.path)
            return replace(one, removed=False) if one.removed else one
        if one.missing or one.size_bytes is None or not one.saved_at:
            return one
        if one.path not in self._absent and not ended:
            self._absent.add(one.path)
            return one
        if one.removed_at_step is not None and one.removed_at_step <= self._s.progress.step:
            return replace(one, removed=True)  # as foreseen; its word was lost
        self._s.tell("checkpoint_missing", name=one.name, step=one.step)
        return replace(one, missing=True)

    async def _state(self, one: Checkpoint) -> Checkpoint:
        """A state that was whole and is gone is no safe point any more."""
        if one.state_path is None or one.state_complete is None:
            return one
        path = self._s.files.resolve(one.state_path)
        there = await asyncio.to_thread(os.path.isdir, path)
        if there:
            self._absent.discard(one.state_path)
            if one.state_problem == STATE_GONE:
                return replace(one, state_complete=None, state_problem=None)
            return one
        if one.state_problem == STATE_GONE:
            return one
        if one.state_path not in self._absent:
            self._absent.add(one.state_path)
            return one
        due = one.state_removed_at_step
        if due is not None and due <= self._s.progress.step:
            return replace(one, state_path=None, state_complete=None, state_problem=None)
        self._s.tell("state_missing", path=str(path), step=one.step)
        return replace(one, state_complete=False, state_problem=STATE_GONE)


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
