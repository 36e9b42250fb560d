"""Finds TensorBoard event files below a folder, repeatedly, at a bounded cost.

A user's logging_dir may have years of trainings on a slow disk. A folder is listed once, and again only if
its mtime changed; in between, only the mtime is checked. `look` stops after its budget and continues there
next time.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from pathlib import Path

#: how often the top and recently changed folders are checked: a trainer creates its folder there
ROUND_S = 1.0
#: all known folders are checked after this multiple of the time it takes, which bounds the share of time
#: spent
REST = 20.0
#: an event file written this long before `since` belongs to another training; clocks may differ by that
OTHERS_S = 3600.0
#: a folder's mtime can stay unchanged for this long while files are created in it
SETTLED_S = 3.0
MARK = "tfevents"


class EventFiles:
    """`found`: nonempty files written since `since` (Unix time), by name. Safe to use from a separate
    thread."""

    def __init__(self, folder: Path, since: float | None = None) -> None:
        self.found: tuple[Path, ...] = ()
        self._since = since
        self._root = os.fspath(folder)
        #: time of each folder (ns) when it was listed; None: it must be listed again
        self._listed: dict[str, int | None] = {self._root: None}
        self._waiting: set[str] = set()  # event files that are empty, or older
        self._queue: deque[str] = deque()
        self._known: set[str] = set()
        self._round_at = self._all_at = -math.inf
        self._took_s = 0.0
        self._wanted = True
        self._complete = False
        self._lock = threading.Lock()

    @property
    def complete(self) -> bool:
        """Is a full round complete since the last `again`?"""
        return self._complete

    def again(self) -> None:
        """Start a round now, however recent the last one was."""
        self._wanted, self._complete = True, False

    def look(self, budget_s: float) -> None:
        """Continue for about `budget_s` seconds. Disk errors count as missing files."""
        # a check stuck on a hung disk still holds the lock
        if self.due and self._lock.acquire(blocking=False):
            try:
                self._look(budget_s)
            finally:
                self._lock.release()

    @property
    def due(self) -> bool:
        """Is anything to be searched now?"""
        return bool(self._queue) or self._wanted or time.monotonic() - self._round_at >= ROUND_S

    def _look(self, budget_s: float) -> None:
        began = time.monotonic()
        if self._wanted or not self._queue:
            self._round_at = began
            everything = self._wanted or began - self._all_at >= REST * self._took_s
            if everything:
                self._wanted, self._all_at, self._took_s = False, began, 0.0
            # newest first: the file searched for was just created
            folders = [
                folder
                for folder, listed in reversed(self._listed.items())
                if everything or listed is None or folder == self._root
            ]
            self._queue = deque([*folders, *sorted(self._waiting, reverse=True)])
        new: list[Path] = []
        while self._queue:
            self._visit(self._queue.popleft(), new)
            if time.monotonic() - began > budget_s:
                break
        if self._all_at == self._round_at:
            self._took_s += time.monotonic() - began
        self._complete = self._complete or not self._queue
        if new:
            self._known.update(map(str, new))
            self.found = tuple(sorted((*self.found, *new), key=lambda path: path.name))

    def _visit(self, path: str, new: list[Path]) -> None:
        if path in self._waiting:
            if self._is_wanted(path):
                self._waiting.discard(path)
                new.append(Path(path))
            return
        try:
            changed_ns = os.stat(path).st_mtime_ns  # noqa: PTH116 - of very many folders
            if changed_ns == self._listed.get(path):
                return
            self._list(path, new)
        except (FileNotFoundError, NotADirectoryError):
            if path != self._root:
                self._listed.pop(path, None)
            return
        except OSError:  # a disk error: the next round tries again
            self._listed[path] = None
            return
        settled = time.time() - changed_ns / 1e9 > SETTLED_S
        self._listed[path] = changed_ns if settled else None

    def _list(self, folder: str, new: list[Path]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.path not in self._listed:
                        self._listed[entry.path] = None
                        self._queue.append(entry.path)
                elif MARK in entry.name and not self._is_known(entry.path):
                    if self._is_wanted(entry.path):
                        new.append(Path(entry.path))
                    elif self._may_be_ours(entry):
                        self._waiting.add(entry.path)

    def _is_known(self, path: str) -> bool:
        return path in self._known or path in self._waiting

    def _may_be_ours(self, entry: os.DirEntry[str]) -> bool:
        seen = entry.stat()
        return not seen.st_size or self._since is None or seen.st_mtime >= self._since - OTHERS_S

    def _is_wanted(self, path: str) -> bool:
        try:
            seen = os.stat(path)  # noqa: PTH116
        except OSError:
            return False
        recent = self._since is None or seen.st_mtime >= self._since
        return recent and seen.st_size > 0 and os.path.isfile(path)  # noqa: PTH113
