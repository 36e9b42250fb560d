"""A queued run's process, until its turn: holds the run's lock, keeps its entry in the queue, replaces a dead
neighbour, and, as the first entry that is not held, tries for a slot. Then it runs itself again
(`os.execve`: same pid and locks, the environment of the starter's shell) as the supervisor.

In: queued.json, the queue folder, slot locks, the inbox. Out: status.json with `waiting`. It imports little
and wakes twice a second, so that a thousand may wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from runner.store import queue, slot_locks, slots
from runner.store.liveness import HeldLock, keep_lock, lock_held, take_lock
from runner.store.queue import Entry, Mark
from runner.store.rundir import RunDir
from runner.store.slot_locks import Held
from runner.store.slots import BadSlots, Slot
from runner.supervisor.handing_over import become, hold, write_status
from runner.supervisor.slot_search import RETRY_S, SlotSearch

TICK_S = 0.5
HEARTBEAT_S = 30.0
NEIGHBOUR_S = 2.0
#: a started supervisor needs this long to take its lock on a busy machine
REVIVED_S = 15.0
#: others put their entries back, too, after the queue folder was deleted
REBUILT_S = 3.0
#: how long storing the notification of a held run may take
NOTICE_S = 60.0
IGNORED = ("SIGHUP", "SIGINT", "SIGPIPE")


def main(path: str, lock_fd: int | None = None, after: str = "") -> int:
    """Wait for the turn of this run's queued attempt, unless another process does. `lock_fd`: the run's lock,
    inherited; `after`: what has just failed, `turn` or `stop`. Only returns without a turn; else this process
    becomes another program."""
    run = RunDir(Path(path))
    for name in IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    held = lock_fd if lock_fd is not None and keep_lock(run.lock, lock_fd) else take_lock(run.lock)
    if held is None:
        return 0
    waiting = _Waiting(run, HeldLock(run.lock, held))
    waiting.put_off(after)
    return waiting.work()


class _Waiting:
    def __init__(self, run: RunDir, lock: HeldLock) -> None:
        self._run, self._lock = run, lock
        self._home = queue.home_of(run)
        self._mark_seen: tuple[int, int] | None = None
        self._mark: Mark | None = None
        self._folder_seen: int | None = None
        self._order: list[Entry] = []
        self._beat_at = self._neighbour_at = self._try_at = self._orders_at = -REVIVED_S
        self._search = SlotSearch(run)
        self._revived: dict[str, float] = {}
        self._written: tuple[object, ...] | None = None
        self._reason = ""

    def put_off(self, after: str) -> None:
        """What has just failed is not repeated at once."""
        now = time.monotonic()
        if after == "turn":
            self._try_at = now + RETRY_S
            self._reason = "its trainer could not be started: see supervisor.log"
        elif after == "stop":
            self._orders_at = now + RETRY_S

    def work(self) -> int:
        while True:
            if not self._run.is_there:  # deleted
                if self._mark is not None:
                    queue.remove(self._folder(self._mark), self._run.id)
                return 0
            if not self._lock.is_held:  # its file was deleted, and another process has the new one
                return 0
            mark = self._read_mark()
            if mark is None:
                become(self._run, self._lock.fd, "watch")
                return 1
            self._tick(mark)
            time.sleep(TICK_S)

    def _folder(self, mark: Mark) -> Path:
        return queue.queue_folder(self._home, mark.host)

    def _read_mark(self) -> Mark | None:
        """None: nothing is queued. Replaced by a release, or deleted."""
        try:
            found = self._run.queued.stat()
        except OSError:
            return None
        seen = found.st_ino, found.st_mtime_ns
        if seen != self._mark_seen:
            self._mark, self._mark_seen = queue.read_mark(self._run), seen
            self._folder_seen = None
        if self._mark is None or self._run.started(self._mark.attempt).exists():
            return None
        return self._mark

    def _tick(self, mark: Mark) -> None:
        """A full or read-only disk costs a turn, never the process."""
        now = time.monotonic()
        self._heartbeat(mark, now)
        if now >= self._orders_at and self._has_orders():
            self._become("stop", mark, ())
        with contextlib.suppress(OSError):
            self._keep_entry(mark)
        if now - self._neighbour_at >= NEIGHBOUR_S:
            self._neighbour_at = now
            self._check_neighbour(now)
        if not mark.held and now >= self._try_at:
            self._reason = ""
            if not self._search.has_turn(mark, self._order):
                return
            try:
                self._try(mark, now)
            except BadSlots as error:
                self._reason, self._try_at = str(error), now + RETRY_S  # if the disk is full
                self._hold(mark, str(error))
            except OSError as error:
                self._reason, self._try_at = f"cannot be started now: {error}", now + RETRY_S

    # ----------------------------------------------------------------- the queue

    def _has_orders(self) -> bool:
        with contextlib.suppress(OSError), os.scandir(self._run.inbox) as found:
            return any(one.name.endswith(".json") and one.name[0].isdigit() for one in found)
        return False

    def _keep_entry(self, mark: Mark) -> None:
        """Read the order if it changed; put back a missing entry."""
        folder = self._folder(mark)
        try:
            seen: int | None = folder.stat().st_mtime_ns
        except OSError:
            seen = None
        if seen is not None and seen == self._folder_seen:
            return
        order = queue.entries(folder)
        mine = next((one for one in order if one.run_id == self._run.id), None)
        if mine is None:  # or renamed while it was read
            order = queue.entries(folder)
            mine = next((one for one in order if one.run_id == self._run.id), None)
        wanted = Entry(mine.place if mine else mark.place, self._run.id, bool(mark.held))
        if mine is None:
            queue.add(folder, wanted)
            self._try_at = time.monotonic() + REBUILT_S
        elif mine != wanted:
            queue.change(folder, mine, wanted)
        # a change within the clock's tick after this reading must be seen
        self._order = sorted([*(one for one in order if one is not mine), wanted])
        fresh = seen is None or time.time_ns() - seen < 2_000_000_000 or mine != wanted
        self._folder_seen = None if fresh else seen

    def _drop(self, entry: Entry) -> None:
        if (mark := self._mark) is not None:
            with contextlib.suppress(OSError):
                (self._folder(mark) / entry.name).unlink()

    def _check_neighbour(self, now: float) -> None:
        """The entry before this one; for the first, the last one: a ring, so one survivor restores all."""
        at = next((n for n, one in enumerate(self._order) if one.run_id == self._run.id), None)
        if at is None or len(self._order) < 2:
            return
        entry = self._order[at - 1]
        run = RunDir(self._home / "runs" / entry.run_id)
        if not run.queued.exists():
            self._drop(entry)  # its attempt was started, or it was taken out
        elif lock_held(run.lock):
            self._revived.pop(entry.run_id, None)
        elif now - self._revived.get(entry.run_id, -REVIVED_S) >= REVIVED_S:
            from runner.store.starting import start_supervisor

            self._revived[entry.run_id] = now
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                start_supervisor(run)

    # ----------------------------------------------------------------- its turn

    def _try(self, mark: Mark, now: float) -> None:
        """Raises BadSlots, OSError."""
        found = self._search.find(mark, self._order, now)
        self._reason, self._try_at = self._search.reason, now + self._search.rest_s
        if not found:
            return
        self._folder_seen = None  # listing the GPUs may have taken seconds
        self._keep_entry(mark)
        if self._read_mark() == mark and self._search.may_keep(found, mark, self._order):
            self._become("start", mark, found)
            self._try_at = now + RETRY_S
        slot_locks.release([held for _, held in found])

    def _hold(self, mark: Mark, why: str) -> None:
        from runner.process.spawn import module_command

        with contextlib.suppress(OSError, subprocess.SubprocessError):
            hold(self._run, mark, why)
            command = module_command("runner.supervisor.held_notice", str(self._run.path))
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=NOTICE_S)

    def _become(self, what: str, mark: Mark, found: Sequence[tuple[Slot, Held]]) -> None:
        words = ",".join(f"{held.fd}:{slot.name}" for slot, held in found)
        env = mark.env | {}
        chosen = slots.visible([slot for slot, _ in found]) if mark.gpus is None else {}
        become(
            self._run, self._lock.fd, words or what, env,
            tuple(held.fd for _, held in found), json.dumps(chosen) if chosen else "",
        )  # fmt: skip

    # ----------------------------------------------------------------- status.json

    def _heartbeat(self, mark: Mark, now: float) -> None:
        told = (mark.attempt, mark.held, self._reason)
        if told == self._written and now - self._beat_at < HEARTBEAT_S:
            return
        self._lock.hold()
        with contextlib.suppress(OSError):
            write_status(self._run, mark, self._reason)
            self._written, self._beat_at = told, now
