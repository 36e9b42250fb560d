"""The processes of one attempt: starts or finds its keeper, observes its end, stops it.

Only the supervisor launched by a start or a resume starts a keeper: a later one has another environment than
the starter's shell. It closes an attempt that was never started, so that no keeper can start it later, and
the run gets a verdict.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from runner.model import ExitRecord, KeeperRecord
from runner.process.family import Member, family, member_of
from runner.process.spawn import keeper_command, start_detached
from runner.process.stopping import LOOK_PATIENCE_S, stop_training
from runner.store.liveness import created_at, is_keeper, same_process
from runner.store.unrecorded import (
    attempt_offset,
    keeper_pids,
    mark_started,
    record_of,
    still_names,
    was_started,
    writing_pids,
)
from runner.supervisor.context import AttemptContext

log = logging.getLogger("supervisor")

POLL_S = 0.05
#: after this, search the processes for a keeper without a record
SEARCH_S = 1.0
#: before the first gentle signal, search for all processes of the training
GENTLE_LOOK_S = 5.0
#: the keeper records the trainer's end within moments
EXIT_PATIENCE_S = 5.0
#: how long to watch processes that outlive the trainer (loader workers do, 5-9 s)
LINGER_S = 15.0


class TrainerProcess:
    """`keeper`: None until it is found. `exit`: how the trainer ended; `exit_unseen`: it ended without a
    record; `not_started`: it was and will never be started. `members`: its live processes by pid. `alive_at`:
    when it was last seen alive, by this supervisor or the one before. `ended`: set when the training has
    ended, on its own or on request."""

    def __init__(
        self,
        context: AttemptContext,
        emit: Callable[..., None],
        slots: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        """`slots`: descriptors of slot locks, which the keeper inherits."""
        self._context, self._emit, self._slots = context, emit, slots
        self.keeper: KeeperRecord | None = None
        self.created_at: float | None = None
        self.members: dict[int, Member] = {}
        self._begun = 0, 0.0
        self.exit: ExitRecord | None = None
        self.exit_unseen = False
        self.not_started = False
        before = context.before if context.resumes_supervision else None
        self.alive_at = before.heartbeat_at if before is not None else 0.0
        self.ended = asyncio.Event()

    @property
    def is_found(self) -> bool:
        """Is it known who runs the attempt, or that no process does?"""
        return self.keeper is not None or self.exit is not None or self.exit_unseen

    @property
    def started_at(self) -> float:
        """Unix time; 0.0 while there is no keeper."""
        return self.keeper.started_at if self.keeper is not None else self._begun[1]

    @property
    def console_offset(self) -> int:
        """Where this attempt starts in console.log."""
        return self.keeper.console_offset if self.keeper is not None else self._begun[0]

    @property
    def roots(self) -> tuple[int, ...]:
        """The keeper and the command that it started."""
        return (self.keeper.keeper_pid, self.keeper.pid) if self.keeper is not None else ()

    # ----------------------------------------------------------------- starting or finding it

    async def take_over(self, start: bool, waiting: Callable[[], None]) -> bool:
        """Start the keeper of this attempt, if `start`, else find it. True: it was started before. `waiting`
        is called once a second while a live keeper has no record. Afterwards there is a keeper, or an exit,
        or certainly none: `exit_unseen`, and `not_started` if it was never started.
        """
        context = self._context
        began = was_started(context.run, context.attempt)
        if not began and start and not context.problems:
            command = keeper_command(context.run.path, context.attempt)
            start_detached(command, pass_fds=self._slots())
        else:
            # also put back a mark that was deleted; without any mark and record the attempt may still be alive
            mark_started(context.run, context.attempt)
            began = True
        await self._find(waiting)
        if self.keeper is None:
            self._begun = await asyncio.to_thread(self._begun_without_keeper)
        if began and self.exit is not None:
            self.ended.set()  # its pids may belong to others by now: an order must not signal them
        elif self.keeper is not None:
            before = context.before
            same = before is not None and before.trainer_pid == self.keeper.pid
            known = before.trainer_created_at if same and before is not None else None
            if await asyncio.to_thread(still_names, context.run, self.keeper, known):
                self.created_at = known or created_at(self.keeper.pid)
            else:
                self._ended_unseen()
        return began

    def _ended_unseen(self) -> None:
        """Nothing of it lives, and its end may have been recorded a moment ago."""
        self.exit = self._context.exit()
        self.exit_unseen = self.exit is None
        self.ended.set()

    def _begun_without_keeper(self) -> tuple[int, float]:
        """Where the attempt starts in console.log, and when it did; 0 for what is unknown."""
        run, attempt = self._context.run, self._context.attempt
        if self.not_started:
            return 0, 0.0
        try:
            began_at = run.started(attempt).stat().st_mtime
        except OSError:
            began_at = 0.0
        return attempt_offset(run, attempt) or 0, began_at

    async def _find(self, waiting: Callable[[], None]) -> None:
        """Wait for the keeper's record, or for its exit record; without either, search the processes."""
        asked = self._context.run, self._context.attempt
        search_at = time.monotonic() + SEARCH_S
        while not self._read_records():
            await asyncio.sleep(POLL_S)
            if time.monotonic() < search_at:
                continue
            search_at = time.monotonic() + SEARCH_S
            living = await asyncio.to_thread(keeper_pids, *asked)
            self.keeper = await asyncio.to_thread(record_of, *asked)
            if self.keeper is not None:
                self._emit("unrecorded", keeper_pid=self.keeper.keeper_pid, pid=self.keeper.pid)
                return
            if not living:
                if not self._read_records():  # it may have just exited
                    self._give_up()
                return
            waiting()

    def _read_records(self) -> bool:
        self.keeper, self.exit = self._context.keeper(), self._context.exit()
        return self.keeper is not None or self.exit is not None

    def _give_up(self) -> None:
        """No live process, and no observed end: it ended unseen, or was never started."""
        self.exit_unseen = True
        before = self._context.before if self._context.resumes_supervision else None
        seen = before is not None and before.trainer_pid is not None
        offset = attempt_offset(self._context.run, self._context.attempt)
        self.not_started = offset is None and not seen

    # ----------------------------------------------------------------- alive or not

    def look_for_end(self) -> bool:
        """True once the trainer has ended, with or without a record."""
        if not self._has_ended():
            self.alive_at = time.time()
            return False
        return True

    def _has_ended(self) -> bool:
        self.exit = self.exit or self._context.exit()
        if self.exit is not None or self.exit_unseen:
            return True
        run, keeper = self._context.run, self.keeper
        if keeper is None or is_keeper(keeper.keeper_pid, run.path):
            return False
        if same_process(keeper.pid, self.created_at):
            return False
        self.exit = self._context.exit()
        # Without the keeper, a launcher's trainer may still run as an orphan.
        self.exit_unseen = (
            self.exit is None and not self._group_lives(keeper) and not writing_pids(run)
        )
        return self.exit is not None or self.exit_unseen

    def _group_lives(self, keeper: KeeperRecord) -> bool:
        members = {**self.members, **family((keeper.pid,), keeper.pgid)}
        return any(member.alive() for member in members.values())

    async def count_family(self) -> None:
        """Remember the training's processes: they may leave the tree later."""
        keeper, run = self.keeper, self._context.run
        if keeper is None:
            return
        found = await asyncio.to_thread(family, self.roots, keeper.pgid)
        if not is_keeper(keeper.keeper_pid, run.path):  # ranks may have lost their parents
            pids = await asyncio.to_thread(writing_pids, run)
            members = (member_of(pid, keeper.pgid) for pid in pids)
            found |= {member.pid: member for member in members if member is not None}
        found.pop(keeper.keeper_pid, None)
        known = {**self.members, **found}
        self.members = {pid: member for pid, member in known.items() if member.alive()}

    @property
    def ended_at(self) -> float | None:
        """When the trainer ended, None while it is alive: later time is evaluation, not training. If the
        launcher died before its trainer, or without an exit record: when it was last seen alive."""
        if self.exit is None and not self.exit_unseen:
            return None
        if self.exit is not None and not self.exit.orphans:
            return self.exit.at
        printed_at = 0.0
        with contextlib.suppress(OSError):
            printed_at = self._context.run.console.stat().st_mtime
        return (
            max(self.alive_at, printed_at, self.exit.at if self.exit is not None else 0.0) or None
        )

    async def watch_survivors(self) -> None:
        """Loader workers exit a few seconds later. Remaining processes are reported, and left alone."""
        deadline = time.monotonic() + LINGER_S
        while left := [m for m in self.members.values() if m.alive()]:
            if time.monotonic() > deadline:
                self._emit("survivors", processes=[(m.pid, m.name) for m in left])
                return
            await asyncio.sleep(0.3)

    # ----------------------------------------------------------------- stopping it

    async def stop(self, hurry: asyncio.Event) -> None:
        """Signal until no process of the training is left (see stop_training), then set `ended`. On failure
        it still stops, then raises, to be called again."""
        assert self.keeper is not None
        with contextlib.suppress(TimeoutError):
            patience_s = LOOK_PATIENCE_S if hurry.is_set() else GENTLE_LOOK_S
            await asyncio.wait_for(self.count_family(), patience_s)
        members = {pid: m for pid, m in self.members.items() if pid != self.keeper.keeper_pid}
        if self.created_at is not None:
            trainer = Member(self.keeper.pid, self.created_at, "", same_group=True)
            members.setdefault(trainer.pid, trainer)
        grace_s = self._context.spec.stop_grace_s
        gone = await stop_training(
            self.roots, self.keeper.pgid, members, grace_s, self._emit, hurry
        )
        log.info("stop: all gone: %s", gone)
        deadline = time.monotonic() + EXIT_PATIENCE_S
        # with no process left there may be no exit record; a live trainer has not ended
        while not self.look_for_end() and not (gone and time.monotonic() > deadline):
            await asyncio.sleep(0.1)
        self.exit_unseen = self.exit is None
        self.ended.set()
