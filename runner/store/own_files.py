"""Are the checkpoints of an ended run still the files that were verified? That verdict does not hold for a
file that was deleted, cut off or replaced since.

One stat per file, in parts: ten thousand of them, or a slow network disk, must not hold up a screen.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.model import Checkpoint, RunSpec, Status
from runner.model.checkpoint import CHANGED, MISSING
from runner.store.identity import (
    Replacement,
    compare,
    is_same_state,
    is_untouched,
    replaced,
    replaced_by,
    replacements,
)

#: how often all files are checked, at least; and at most this share of the time
EVERY_S, SHARE = 5.0, 0.05
#: files between two readings of the clock
AT_ONCE = 20
_WITHOUT_FILE = (FileNotFoundError, NotADirectoryError)


def missing(one: Checkpoint, why: str = MISSING) -> Checkpoint:
    """It does not exist: nothing can be complete or finite. Its loss stays that of its step."""
    seen = one.was_good
    return replace(one, missing=True, complete=False, finite=None, problem=why, unseen=seen)


def as_recorded(status: Status) -> Status:
    """The status, with checkpoints that its supervisor missed no longer called complete."""
    if not any(one.missing and one.complete for one in status.checkpoints):
        return status
    found = (missing(one) if one.missing and one.complete else one for one in status.checkpoints)
    return replace(status, checkpoints=tuple(found))


@dataclass(slots=True, eq=False)
class _Pass:
    """One check of all `files`. `elsewhere`: why a file that is not here may exist; `folders`: why nothing is
    known of the files in a folder, "" if it can be read; `states`: steps of states that may be complete."""

    files: tuple[Checkpoint, ...]
    known: dict[str, Replacement]
    elsewhere: str
    made: list[Checkpoint] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    took_s: float = 0.0

    def result(self) -> tuple[Checkpoint, ...]:
        same = all(new is old for new, old in zip(self.made, self.files, strict=True))
        return self.files if same else tuple(self.made)


class OwnFiles:
    """The files of one ended run."""

    def __init__(self, run: Path) -> None:
        self._run = run
        #: the unfinished one, and the last complete one with its result
        self._now: _Pass | None = None
        self._done: tuple[_Pass, tuple[Checkpoint, ...]] | None = None
        self._due_at = 0.0
        #: of a file that was touched or copied its header was read: by path, its time, inode and size then
        self._headers: dict[str, tuple[tuple[int, int, int], bool | None]] = {}

    def checked(self, status: Status, spec: RunSpec | None, budget_s: float) -> Status:
        """The status as its files are now; until all were checked, as they were last. `spec`: None: it cannot
        be read."""
        files = status.checkpoints
        if self._done is not None and self._done[0].files is not files:
            self._done = None
        if self._done is None or time.monotonic() >= self._due_at:
            self._look(files, spec, budget_s)
        if self._done is None or self._done[1] is files:
            return status
        step = min(status.safe_step, max(self._done[0].states, default=0))
        return replace(status, checkpoints=self._done[1], safe_step=step)

    def _look(self, files: tuple[Checkpoint, ...], spec: RunSpec | None, budget_s: float) -> None:
        now = self._now
        if now is None or now.files is not files:
            known = {one.path: one for one in replacements(self._run)}
            now = self._now = _Pass(files, known, _elsewhere(spec))
        if not self._continue(now, spec.cwd if spec is not None else "", budget_s):
            return
        self._now, self._due_at = None, time.monotonic() + max(EVERY_S, now.took_s / SHARE)
        found = now.result()
        # an equal result stays the same object: what screens derive from it stays valid
        kept = self._done is not None and self._done[1] == found
        self._done = now, self._done[1] if self._done is not None and kept else found

    def _continue(self, now: _Pass, cwd: str, budget_s: float) -> bool:
        """True: every file was checked."""
        began = time.monotonic()
        while len(now.made) < len(now.files):
            part = now.files[len(now.made) : len(now.made) + AT_ONCE]
            now.made += [self._of_state(now, self._as_found(now, one, cwd), cwd) for one in part]
            if time.monotonic() - began > budget_s:
                break
        now.took_s += time.monotonic() - began
        return len(now.made) == len(now.files)

    def _as_found(self, now: _Pass, one: Checkpoint, cwd: str) -> Checkpoint:
        if one.removed or one.replaced is not None:
            return one
        path = os.path.join(cwd, one.path)  # noqa: PTH118 - of ten thousand
        try:
            found = os.stat(path)  # noqa: PTH116
            same = self._is_same(one, path, found) if one.complete is not None else None
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            return self._without(now, one, path, error)
        # the other run's record outweighs an almost equal time, and is the only evidence for a run of an older
        # version, which recorded little
        by = replaced_by(one, path, found.st_mtime_ns, now.known)
        if by is not None or same is False:
            return replaced(one, by or CHANGED)
        return replace(one, missing=False) if one.missing else one

    def _is_same(self, one: Checkpoint, path: str, found: os.stat_result) -> bool | None:
        if is_untouched(one, found):
            return True
        mark = found.st_mtime_ns, found.st_ino, found.st_size
        before = self._headers.get(path)
        if before is None or before[0] != mark:
            before = self._headers[path] = mark, compare(one, Path(path), found)
        return before[1]

    def _without(
        self, now: _Pass, one: Checkpoint, path: str, error: OSError | ValueError
    ) -> Checkpoint:
        """One that cannot be read. `size_bytes` None: it was never seen."""
        if one.size_bytes is None:
            return one
        why = _unknown(now, path, error)
        if not why:
            return missing(one)
        if one.missing or not one.complete:
            return one
        good = bool(one.finite)
        problem = why if good else one.problem or why
        finite = None if good else one.finite
        return replace(one, complete=None, finite=finite, problem=problem, unseen=good)

    def _of_state(self, now: _Pass, one: Checkpoint, cwd: str) -> Checkpoint:
        if one.state_path is None or not one.state_complete:
            return one
        path = os.path.join(cwd, one.state_path)  # noqa: PTH118
        try:
            os.stat(path)  # noqa: PTH116
            same = is_same_state(one, Path(path))
        except (OSError, ValueError) as error:
            if not _unknown(now, path, error):
                return replace(one, state_complete=False, state_problem=MISSING)
            now.states.append(one.step or 0)
            return replace(one, state_complete=None)
        if same is False:
            return replace(one, state_complete=False, state_problem=CHANGED)
        now.states.append(one.step or 0)
        return one


def _elsewhere(spec: RunSpec | None) -> str:
    if spec is None:
        return "not found, and spec.json, which names its machine, is unreadable"
    if spec.host == socket.gethostname():
        return ""
    return f"not on this machine, it was written on {spec.host}"


def _unknown(now: _Pass, path: str, error: OSError | ValueError) -> str:
    """Why a missing file may still exist; "" if it does not."""
    if not isinstance(error, _WITHOUT_FILE):
        why = error.strerror if isinstance(error, OSError) else None
        return f"cannot be checked: {why or error}"
    if now.elsewhere:
        return f"cannot be checked: {now.elsewhere}"
    folder = os.path.dirname(path)  # noqa: PTH120
    if folder not in now.folders:
        here = os.path.isdir(folder)  # noqa: PTH112
        now.folders[folder] = "" if here else f"cannot be checked: {folder} does not exist"
    return now.folders[folder]
