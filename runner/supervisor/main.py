"""One detached process per run: starts the keeper, reads what the trainer prints, writes the journal.

It may be killed at any moment: the keeper and the trainer continue, and the next supervisor reads console.log
again from the attempt's first byte. It never blocks the trainer: it only reads files.
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
from functools import partial
from pathlib import Path

from runner.analysis.diagnosis.catalogue import entries
from runner.analysis.guard import Guard
from runner.history.summary import write_summary
from runner.model import Phase, RunState, Status
from runner.state.losses import smoothed_at, smoothing_until
from runner.state.translator import Translator
from runner.store.liveness import HeldLock, keep_lock, take_lock
from runner.store.norms import NormsFile
from runner.store.rundir import RunDir
from runner.store.schema import newer
from runner.store.unrecorded import still_runs
from runner.supervisor.alarms import Alarms
from runner.supervisor.context import read_context
from runner.supervisor.hardware_monitor import HardwareMonitor
from runner.supervisor.ingest import Ingest
from runner.supervisor.job import JobWatch
from runner.supervisor.journals import Journals
from runner.supervisor.notifier import Notifier
from runner.supervisor.order_handler import OrderHandler
from runner.supervisor.order_queue import OrderQueue
from runner.supervisor.queue_part import QueuePart
from runner.supervisor.slot_holder import SlotHolder
from runner.supervisor.snapshot import StatusFile, another_works, written_status
from runner.supervisor.trainer import TrainerProcess
from runner.supervisor.turn import Turn, leave_queue, turn_of
from runner.supervisor.verdict import Ending, conclude
from runner.supervisor.verifier import POLL_S as VERIFY_POLL_S
from runner.supervisor.verifier import Verifier

log = logging.getLogger("supervisor")

CONSOLE_POLL_S = 0.1
INBOX_POLL_S = 0.25
STATUS_POLL_S = 1.0
HARDWARE_POLL_S = 2.0
FAMILY_POLL_S = 5.0
GUARD_POLL_S = 1.0
QUEUE_POLL_S = 5.0


class Supervisor:
    """Composes the parts of one run's supervision and runs them. No part references this object."""

    def __init__(self, run: RunDir, lock: HeldLock | None = None, turn: Turn | None = None) -> None:
        """`turn`: of a queued attempt."""
        self._lock = lock
        self.context = context = read_context(run, written_status(run))
        plan = context.plan
        self.translator = translator = Translator(
            context.attempt,
            base_step=plan.base_step,
            origin_step=plan.origin_step,
            stop_step=plan.stop_step,
            output_name=plan.output_name or context.spec.output_name,
        )
        if context.before is not None:
            translator.book.load_earlier(context.before.checkpoints)
        self.journals = journals = Journals(context, translator)
        self.guard = guard = Guard()
        held = turn.held if turn is not None else ()
        slots = SlotHolder(context, held)
        self.queue = QueuePart(context, slots, turn, lock)
        self.trainer = trainer = TrainerProcess(context, journals.emit, slots.descriptors)
        self.ingest = Ingest(context, trainer, translator, guard, journals.flush)
        self.monitor = HardwareMonitor(context, trainer, translator, guard, journals.hardware)
        self.verifier = Verifier(context, trainer, translator, journals)
        queue = OrderQueue(context)
        self.orders = OrderHandler(context, trainer, translator, guard, queue, journals)
        self.job = JobWatch(context, trainer, translator, queue, self.orders, journals)
        self.orders.unqueues = turn is not None and not turn.starts
        self.status = StatusFile(
            context, NormsFile(run.norms), trainer, translator, guard,
            self.ingest, self.orders, self.monitor, self.verifier,
        )  # fmt: skip
        self.notifier = Notifier(context, self.status.now)
        self.alarms = Alarms(
            context, guard, translator.book, trainer,
            self.monitor, queue, self.orders, journals, self.notifier.alarm,
        )  # fmt: skip
        #: set when the supervisor is about to exit
        self.left = asyncio.Event()

    def came_too_late(self) -> bool:
        """The attempt already has its verdict, and no live process contradicts it."""
        before = self.context.before
        if before is None or before.state is not RunState.ENDED:
            return False
        return before.attempt >= self.context.attempt and not still_runs(self.context.run)

    async def supervise(self, *, start: bool = False) -> int:
        """Until the run has ended and has its verdict. `start`: also start its trainer. Returns the exit
        code."""
        guarded, ended = self.journals.guarded, self.trainer.ended
        if start:
            await guarded("slots", self.queue.before_start)
        adopted = await self.trainer.take_over(start, self.status.write)
        self.queue.taken_over(self.trainer, self.journals.emit)
        self.ingest.begin(self.trainer.console_offset)
        self.journals.recall()
        self.translator.rows.catching_up = adopted  # from the first heartbeat on
        await guarded("hardware", self.monitor.start)
        if not self.orders.unqueues:
            self.journals.emit("adopted" if adopted else "started", pid=os.getpid())
        # a heartbeat until the verdict: reading a long log again and verifying many files take minutes
        heart = self._every(STATUS_POLL_S, "status", self._beat)
        await guarded("restoring orders", self.orders.restore)
        if self.orders.unqueues:
            await guarded("orders", self.orders.work)
        self.orders.reading_again = adopted
        orders = self._every(INBOX_POLL_S, "orders", self._take_orders, until=self.left)
        await guarded("losses of earlier attempts", self._continue_smoothing)
        if adopted:
            await self._catch_up()
        self.orders.reading_again = False
        tasks = [
            self._every(CONSOLE_POLL_S, "console", self._read_console, until=ended),
            self._every(CONSOLE_POLL_S, "losses", self.ingest.read_losses, until=ended),
            self._every(GUARD_POLL_S, "guard", self.alarms.work, until=ended),
            self._every(GUARD_POLL_S, "job", self.job.work, until=ended),
            self._every(HARDWARE_POLL_S, "hardware", self.monitor.work, until=ended),
            self._every(FAMILY_POLL_S, "family", self.trainer.count_family, until=ended),
            self._every(QUEUE_POLL_S, "queue", self._tend_queue, until=ended),
            self._every(VERIFY_POLL_S, "verifier", self.verifier.once, until=ended),
        ]
        await ended.wait()
        await _cancel(*tasks)
        freeing = asyncio.create_task(self.queue.free(self.trainer), name="slots")
        await guarded("hardware", self.monitor.stop)
        await self._evaluate()
        final = await self._finish()
        await guarded("slots", lambda: freeing)
        await _cancel(heart)
        self._leave(final)
        # status.json shows it by now: the sender of a later order checks that itself
        self.left.set()
        await _cancel(orders)
        await guarded("the last orders", self.orders.work)
        return 0

    def _every(
        self,
        seconds: float,
        part: str,
        work: Callable[[], Awaitable[object]],
        until: asyncio.Event | None = None,
    ) -> asyncio.Task[None]:
        """Repeat `work` until the event, or until it is cancelled; a failure never ends it."""

        async def repeat() -> None:
            while until is None or not until.is_set():
                if not await self.journals.guarded(part, work):
                    await asyncio.sleep(1.0)
                await asyncio.sleep(seconds)

        return asyncio.create_task(repeat(), name=part)

    # ----------------------------------------------------------------- work of several parts

    async def _beat(self) -> None:
        if self._lock is not None:
            self._lock.hold()
        self.status.write()

    async def _tend_queue(self) -> None:
        await self.queue.tend(self.monitor.sample)

    async def _read_console(self) -> None:
        """Check whether the trainer is alive, then read all its output, including the last lines."""
        gone = self.trainer.look_for_end()
        await self.ingest.read_console()
        if gone and not self.orders.stopping:
            self.trainer.ended.set()

    async def _take_orders(self) -> None:
        if await self.orders.work():
            self.status.write()

    async def _continue_smoothing(self) -> None:
        context = self.context
        if context.attempt > 1:
            until = context.run.steps, context.attempt, context.plan.base_step
            self.translator.rows.smoothing = await asyncio.to_thread(smoothing_until, *until)

    async def _catch_up(self) -> None:
        """Read again what a previous supervisor read, without repeating its reports and orders."""
        self.guard.silent = True  # replayed output has no timing
        await self.journals.guarded("reading earlier output", self.ingest.catch_up)
        await self.journals.guarded("recalling files", self.journals.recall_files)
        restore = partial(self.verifier.restore, unread=self.ingest.console.damaged)
        await self.journals.guarded("restoring checkpoints", restore)
        await self.journals.guarded("restoring alarms", self.alarms.restore)
        await self.journals.guarded("restoring notifications", self.notifier.restore)

    # ----------------------------------------------------------------- end

    async def _evaluate(self) -> None:
        """Read to the last byte, verify every file."""
        guarded, flush = self.journals.guarded, self.journals.flush
        await guarded("the end of the job", self.job.settle)
        await guarded("reading the console", self.ingest.finish_console)
        await guarded("reading exact losses", self.ingest.finish_losses)
        await guarded("writing steps", self.translator.finish)
        await guarded("writing steps", flush)
        await guarded("losses of checkpoints", self._settle_losses)
        await guarded("verification of files", self.verifier.finish)
        await guarded("the last alarms", self.alarms.last_look)
        await guarded("watching processes", self.trainer.watch_survivors)
        await guarded("writing steps", flush)

    async def _settle_losses(self) -> None:
        """Exact losses may have arrived after their rows: at the end a checkpoint's loss is taken from the
        written rows, as in show, summary, compare and export."""
        book = self.translator.book
        steps = {one.step for one in book.own}
        found = await asyncio.to_thread(smoothed_at, self.context.run.steps, steps)
        for key in book.own_keys:
            step = book[key].step
            if step in found:
                book.update(key, loss=found[step])

    async def _finish(self) -> Status:
        """The verdict: in the summary first, in status.json last (`_leave`)."""
        trainer, state = self.trainer, self.translator.state
        status = replace(self._last_status(), ended_at=trainer.ended_at or time.time())
        ending = Ending(
            stopped=self.orders.carried_out,
            stopped_for=self.alarms.reason(),
            stopped_for_job=self.job.reason(),
            job=self.job.end(),
            faults=(*self.journals.faults.values(), *self.ingest.problems),
            console_damaged=self.ingest.console.damaged,
            disk_full_at=max(self.status.full_at or 0.0, self.journals.full_at or 0.0) or None,
            sample=self.monitor.sample,
        )
        verdict = conclude(self.context, status, self.translator, trainer, self.guard, ending)
        final = replace(
            status,
            state=RunState.ENDED,
            phase=Phase.FINISHED if state.model_saved else status.phase,
            outcome=verdict.outcome,
            cause=verdict.cause,
            reasons=verdict.reasons,
            eta_s=None,
            saving_since=None,
            stop_after_save=False,
        )
        self.journals.emit(
            "ended",
            outcome=str(verdict.outcome),
            cause=verdict.cause.key if verdict.cause else None,
            code=trainer.exit.code if trainer.exit else None,
            signal=trainer.exit.signal if trainer.exit else None,
        )
        self.ingest.doing = "writing the summary"
        try:
            if self.context.run.is_there:
                await asyncio.to_thread(write_summary, self.context.run, final)
        except Exception as error:
            log.warning("summary: %s: %s", type(error).__name__, error)
        return final

    def _leave(self, final: Status) -> None:
        self.notifier.before_end(final)
        if self.status.write_end(final):
            self.notifier.after_end(final)

    def _last_status(self) -> Status:
        """The current status, or the last one written: a failure must not cost the verdict."""
        try:
            return self.status.now()
        except Exception as error:
            self.journals.fault("status", error)
            before = written_status(self.context.run)
            if before is not None and before.attempt == self.context.attempt:
                return before
            return Status(RunState.RUNNING, self.context.attempt, time.time())


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main(path: str, lock_fd: int | None = None, what: str = "", visible: str = "") -> int:
    """Supervise the run in `path` unless another process does. `lock_fd`: the run's lock, inherited from the
    starter of the newest attempt, whose trainer is then started. `what`, `visible`: from a waiting process,
    see `runner.supervisor.detach`."""
    run = RunDir(Path(path))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    for name in ("SIGHUP", "SIGINT", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    inherited = lock_fd is not None and keep_lock(run.lock, lock_fd)
    held = lock_fd if inherited else take_lock(run.lock)
    if held is None or (not inherited and another_works(run)):
        return 0
    if found := newer(run):  # that version evaluates it
        log.warning("run %s was %s", run.id, found)
        return 1
    lock = HeldLock(run.lock, held)
    turn = turn_of(run, lock, what, visible)
    start = lock_fd is not None and what == ""
    with contextlib.suppress(asyncio.CancelledError):
        return asyncio.run(_supervise(run, lock, turn, start=turn.starts if turn else start))
    return 1


async def _supervise(run: RunDir, lock: HeldLock, turn: Turn | None, *, start: bool) -> int:
    supervisor = Supervisor(run, lock, turn)
    if supervisor.came_too_late():
        leave_queue(run)
        return 0
    entries()  # read now: plasma-tui may be updated while the training runs
    return await supervisor.supervise(start=start)
