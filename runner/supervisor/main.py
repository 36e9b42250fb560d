"""One detached process per run: starts the keeper, reads what the trainer prints, writes the journal.

It may be killed at any moment: the keeper and the trainer go on, and the next supervisor reads
console.log again from the attempt's first byte. It never blocks the trainer: it only reads files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from runner.analysis.diagnosis.catalogue import entries
from runner.history.summary import write_summary
from runner.model import (
    AttemptPlan,
    ExitRecord,
    KeeperRecord,
    Phase,
    RunSpec,
    RunState,
    Status,
)
from runner.process.family import Member, family, member_of
from runner.state.losses import smoothed_at, smoothing_until
from runner.state.translator import Translator
from runner.store.attempt import AttemptFiles
from runner.store.journal import DISK_FULL, Unreadable, write_json
from runner.store.liveness import is_keeper, keep_lock, same_process, take_lock
from runner.store.norms import NormsFile, read_status
from runner.store.rundir import RunDir
from runner.store.unrecorded import still_runs, writing_pids
from runner.supervisor.alarms import Alarms
from runner.supervisor.context import AttemptContext
from runner.supervisor.hardware_monitor import HardwareMonitor
from runner.supervisor.ingest import Ingest
from runner.supervisor.journals import Journals
from runner.supervisor.notifier import Notifier
from runner.supervisor.order_handler import OrderHandler
from runner.supervisor.snapshot import snapshot_of, trainer_ended_at
from runner.supervisor.takeover import read_asked, take_over
from runner.supervisor.verdict import conclude
from runner.supervisor.verifier import POLL_S as VERIFY_POLL_S
from runner.supervisor.verifier import Verifier

log = logging.getLogger("supervisor")

CONSOLE_POLL_S = 0.1
#: how long a poll may read: what is left comes with the next one, after a look whether the trainer lives
CONSOLE_WORK_S = 0.3
INBOX_POLL_S = 0.25
STATUS_POLL_S = 1.0
HARDWARE_POLL_S = 2.0
FAMILY_POLL_S = 5.0
GUARD_POLL_S = 1.0
FAULT_CHARACTERS = 300
#: at the end, reading exact losses may take so long
LAST_LOSSES_S = 60.0
#: how long processes that outlive the trainer (loader workers do, 5-9 s) are watched
LINGER_S = 15.0


class Supervisor:
    """The life of one run's supervision."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.asked = read_asked(run)
        self.spec: RunSpec = self.asked.spec
        self.state = RunState.STARTING
        self.attempt = self.asked.attempt
        self.plan: AttemptPlan = self.asked.plan
        self.files = AttemptFiles(run, self.attempt, self.plan, self.spec)
        self.norms = NormsFile(run.norms)
        self.before = self._previous_status()
        self.context = AttemptContext(
            run, self.spec, self.attempt, self.plan, self.files, self.before
        )
        self.translator = Translator(
            self.attempt,
            base_step=self.plan.base_step,
            origin_step=self.plan.origin_step,
            stop_step=self.plan.stop_step,
        )
        if self.before is not None:
            self.translator.book.load_earlier(self.before.checkpoints)
        self.journals = Journals(self.context, self.translator)
        self.tell, self.flush = self.journals.tell, self.journals.flush
        self.ingest = Ingest(self)
        self.keeper: KeeperRecord | None = None
        self.trainer_created_at: float | None = None
        self.members: dict[int, Member] = {}
        self.exit: ExitRecord | None = None
        self.exit_unseen = False
        #: this attempt's trainer was never started, nor will it be
        self.not_started = False
        known = self.before is not None and self.before.attempt == self.attempt
        #: when the trainer was last seen alive, by this supervisor or the one before
        self.alive_at = self.before.heartbeat_at if self.before is not None and known else 0.0
        self.orders = OrderHandler(self)
        self.alarms = Alarms(self)
        self.notifier = Notifier(self.context, self.status)
        self.hardware_monitor = HardwareMonitor(self)
        #: set when the training has ended, and when the supervisor is about to leave
        self.ended, self.left = asyncio.Event(), asyncio.Event()
        self.final: Status | None = None
        self.verifier = Verifier(self)
        self.status_full_at: float | None = None
        #: what is done besides watching, in words (see Status.evaluating)
        self.evaluating = ""
        #: what failed in this supervision, in words, by part and kind
        self.faults: dict[str, str] = {}

    # ----------------------------------------------------------------- beginning

    def _previous_status(self) -> Status | None:
        try:
            return read_status(self.run)
        except Unreadable:
            return None

    def came_too_late(self) -> bool:
        """The attempt has its verdict already, and nothing that lives contradicts it."""
        before = self.before
        if before is None or before.state is not RunState.ENDED or before.attempt < self.attempt:
            return False
        return not still_runs(self.run)

    async def supervise(self, *, start: bool = False) -> int:
        """Until the run has ended and been judged. `start`: also start its trainer. Returns the exit code."""
        adopted = await take_over(self, start)
        self.state = RunState.RUNNING
        await self._stage("hardware", self.hardware_monitor.start)
        self.tell("adopted" if adopted else "started", pid=os.getpid())
        beating = asyncio.create_task(self._beat_on(), name="status")
        await self._stage("restoring orders", self.orders.restore)
        self.orders.reading_again = adopted
        orders = asyncio.create_task(
            self._every(INBOX_POLL_S, self.orders.work, self.left), name="inbox"
        )
        await self._stage("losses of earlier attempts", self._continue_smoothing)
        if adopted:
            await self._catch_up()
        self.orders.reading_again = False
        tasks = [
            asyncio.create_task(self._every(CONSOLE_POLL_S, self.read_console), name="console"),
            asyncio.create_task(self._every(CONSOLE_POLL_S, self.read_losses), name="losses"),
            asyncio.create_task(self._every(GUARD_POLL_S, self.alarms.work), name="guard"),
            asyncio.create_task(
                self._every(HARDWARE_POLL_S, self.hardware_monitor.work), name="hardware"
            ),
            asyncio.create_task(self._every(FAMILY_POLL_S, self.count_family), name="family"),
            asyncio.create_task(self._every(VERIFY_POLL_S, self.verifier.once), name="verifier"),
        ]
        await self.ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stage("hardware", self.hardware_monitor.stop)
        await self._evaluate()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        self._finish()
        # status.json says so by now: whoever gives an order from here on is refused by the sender's own look
        self.left.set()
        orders.cancel()
        await asyncio.gather(orders, return_exceptions=True)
        await self._stage("the last orders", self.orders.work)
        return 0

    async def _continue_smoothing(self) -> None:
        if self.attempt < 2:
            return
        found = await asyncio.to_thread(
            smoothing_until, self.run.steps, self.attempt, self.plan.base_step
        )
        self.translator.rows.continue_smoothing(*found)

    async def _settle_losses(self) -> None:
        """Exact losses may have come after their rows: in the end a checkpoint's loss is that of the rows as
        written, which is what show, summary, compare and export compute."""
        book = self.translator.book
        steps = {book[key].step for key in book.own_keys}
        found = await asyncio.to_thread(smoothed_at, self.run.steps, steps)
        for key in book.own_keys:
            step = book[key].step
            if step in found:
                book.update(key, loss=found[step])

    async def _beat_on(self) -> None:
        """A heartbeat until the verdict: reading a long log again and verifying many files take minutes."""
        while True:
            await self._stage("status", self.beat)
            await asyncio.sleep(STATUS_POLL_S)

    async def _every(
        self,
        seconds: float,
        work: Callable[[], Awaitable[None]],
        until: asyncio.Event | None = None,
    ) -> None:
        """Repeat `work` until the training has ended, or `until`; a failure is journaled and never ends the
        supervision."""
        while not (until or self.ended).is_set():
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.fault(getattr(work, "__qualname__", str(work)), error)
                await asyncio.sleep(1.0)
            await asyncio.sleep(seconds)

    async def _stage(self, part: str, work: Callable[[], Awaitable[object] | None]) -> None:
        """Do `work` once. A failure is journaled: it must cost neither the start nor the verdict."""
        try:
            done = work()
            if done is not None:
                await done
        except Exception as error:
            self.fault(part, error)

    def fault(self, part: str, error: BaseException) -> None:
        """A part of the supervision failed. Journaled once for each part and kind of error."""
        log.error("%s failed", part, exc_info=error)
        kind = f"{part}: {type(error).__name__}"
        if kind not in self.faults:
            self.faults[kind] = f"{part} failed: {type(error).__name__}: {error}"[:FAULT_CHARACTERS]
            self.tell("fault", part=part, error=self.faults[kind])

    async def _catch_up(self) -> None:
        """Read again what a predecessor has read; what it has told and been told is not done twice."""
        self.alarms.silence(True)
        await self._stage("reading what was printed before", self.ingest.catch_up)
        await self._stage("restoring checkpoints", self.verifier.restore)
        await self._stage("restoring alarms", lambda: self.alarms.silence(False))
        await self._stage("restoring notices", self.notifier.restore)

    # ----------------------------------------------------------------- console and losses

    async def read_console(self) -> None:
        """All that the trainer has printed since, then see whether it still lives."""
        gone = self.look_for_end()
        if not gone:
            self.alive_at = time.time()
        until = time.monotonic() + CONSOLE_WORK_S
        while await self.ingest.read_block() and time.monotonic() < until:
            await asyncio.sleep(0)
        self.translator.tick(time.time())
        self.flush()
        if gone and not self.orders.stopping:
            self.ended.set()

    async def read_losses(self) -> None:
        await self.ingest.read_losses()

    # ----------------------------------------------------------------- liveness

    def look_for_end(self) -> bool:
        """True once the trainer has ended, with or without somebody who saw how."""
        if self.exit is None:
            self.exit = self.files.exit()
        if self.exit is not None or self.exit_unseen:
            return True
        if self.keeper is None or is_keeper(self.keeper.keeper_pid, self.run.path):
            return False
        if same_process(self.keeper.pid, self.trainer_created_at):
            return False
        self.exit = self.files.exit()
        # With the keeper gone, a launcher's trainer may live on without its parent.
        self.exit_unseen = (
            self.exit is None and not self._group_lives() and not writing_pids(self.run)
        )
        return self.exit is not None or self.exit_unseen

    def _group_lives(self) -> bool:
        if self.keeper is None:
            return False
        members = {**self.members, **family((self.keeper.pid,), self.keeper.pgid)}
        return any(member.alive() for member in members.values())

    async def count_family(self) -> None:
        """Remember who belongs to the training: a process can leave the tree, not our memory."""
        if self.keeper is None:
            return
        roots = (self.keeper.keeper_pid, self.keeper.pid)
        found = await asyncio.to_thread(family, roots, self.keeper.pgid)
        if not is_keeper(
            self.keeper.keeper_pid, self.run.path
        ):  # ranks may have lost their parents
            for pid in await asyncio.to_thread(writing_pids, self.run):
                member = member_of(pid, self.keeper.pgid)
                if member is not None:
                    found[pid] = member
        found.pop(self.keeper.keeper_pid, None)
        self.members = {
            pid: member for pid, member in {**self.members, **found}.items() if member.alive()
        }

    # ----------------------------------------------------------------- status and gauges

    async def beat(self) -> None:
        self.write_status()

    def write_status(self) -> None:
        """Replace status.json. A full disk is no reason to die: the next beat tries again."""
        try:
            write_json(self.run.status, self.norms.lean(self.final or self.status()))
        except OSError as error:
            if error.errno in DISK_FULL:
                self.status_full_at = time.time()
            log.warning("status.json: %s", error)

    @property
    def disk_full_at(self) -> float | None:
        """When the run folder's disk last had no room, seconds since the epoch."""
        times = (self.status_full_at, self.journals.full_at)
        return max((at for at in times if at is not None), default=None)

    def status(self) -> Status:
        """The run as it stands; while its past is read again, as it stood."""
        now, before = time.time(), self.before
        if (
            self.translator.rows.catching_up
            and before is not None
            and before.attempt == self.attempt
        ):
            return replace(
                before, heartbeat_at=now, supervisor_pid=os.getpid(), evaluating=self.evaluating
            )
        return snapshot_of(self, now)

    # ----------------------------------------------------------------- end

    async def _evaluate(self) -> None:
        """Read to the last byte, verify every file."""
        await self._stage("reading the console", self._read_console_to_its_end)
        await self._stage("reading exact losses", self._read_losses_to_their_end)
        await self._stage("writing steps", self.translator.finish)
        await self._stage("writing steps", self.flush)
        await self._stage("losses of checkpoints", self._settle_losses)
        await self._stage("verification of files", self.verifier.finish)
        await self._stage("the last alarms", self.alarms.last_look)
        await self._stage("watching processes", self._watch_survivors)
        await self._stage("writing steps", self.flush)
        self.evaluating = ""

    def _finish(self) -> None:
        """The verdict, and write it down."""
        status = replace(self._last_status(), ended_at=trainer_ended_at(self) or time.time())
        verdict = conclude(self, status)
        self.state = RunState.ENDED
        self.final = replace(
            status,
            state=RunState.ENDED,
            phase=Phase.FINISHED if self.translator.state.model_saved else status.phase,
            outcome=verdict.outcome,
            cause=verdict.cause,
            reasons=verdict.reasons,
            eta_s=None,
            saving_since=None,
            stop_after_save=False,
        )
        self.tell(
            "ended",
            outcome=str(verdict.outcome),
            cause=verdict.cause.key if verdict.cause else None,
            code=self.exit.code if self.exit else None,
            signal=self.exit.signal if self.exit else None,
        )
        self._write_end()

    def _last_status(self) -> Status:
        """As it stands, or the last that was written: what cannot be put together must not cost the verdict."""
        try:
            return self.status()
        except Exception as error:
            self.fault("status", error)
            before = self._previous_status()
            if before is not None and before.attempt == self.attempt:
                return before
            return Status(self.state, self.attempt, time.time())

    async def _read_console_to_its_end(self) -> None:
        await self.ingest.read_on("reading the console")
        self.ingest.finish()

    async def _read_losses_to_their_end(self) -> None:
        """All that the event files hold; bounded, because a folder of the user's may hold anything."""
        deadline = time.monotonic() + LAST_LOSSES_S
        self.ingest.look_for_event_files()
        while not await self.ingest.read_losses() and time.monotonic() < deadline:
            await asyncio.sleep(0)

    def _write_end(self) -> None:
        """Summary first, status last. A full disk must not lose the verdict."""
        assert self.final is not None
        try:
            write_summary(self.run, self.final)
        except Exception as error:
            log.warning("summary: %s: %s", type(error).__name__, error)
        self.notifier.before_end(self.final)
        for attempt in range(120):
            try:
                write_json(self.run.status, self.norms.lean(self.final), durable=True)
                self.notifier.after_end(self.final)
                return
            except OSError as error:
                if not self.run.path.is_dir():  # somebody deleted the run: nobody waits for its end
                    return
                log.warning("status.json: %s", error)
                time.sleep(0.5 if attempt < 10 else 5)

    async def _watch_survivors(self) -> None:
        """Loader workers leave some seconds later. Whoever stays is named, and left alone."""
        deadline = time.monotonic() + LINGER_S
        while time.monotonic() < deadline:
            left = [m for m in self.members.values() if m.alive()]
            if not left:
                return
            await asyncio.sleep(0.3)
        self.tell("survivors", processes=[(m.pid, m.name) for m in left])


def main(path: str, lock_fd: int | None = None) -> int:
    """Supervise the run in `path` unless another process does. `lock_fd`: the run's lock, inherited from the
    starter of the newest attempt, whose trainer is then started."""
    run = RunDir(Path(path))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    for name in ("SIGHUP", "SIGINT", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    inherited = lock_fd is not None and keep_lock(run.lock, lock_fd)
    if not inherited and take_lock(run.lock) is None:
        return 0
    with contextlib.suppress(asyncio.CancelledError):
        return asyncio.run(_supervise(run, start=lock_fd is not None))
    return 1


async def _supervise(run: RunDir, *, start: bool) -> int:
    supervisor = Supervisor(run)
    if supervisor.came_too_late():
        return 0
    entries()  # read now: plasma-tui may be updated while the training runs
    return await supervisor.supervise(start=start)
