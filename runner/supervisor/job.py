"""The supervisor inside a job of Slurm: what the job's end does to the training.

`main` is the start in the foreground, `JobWatch` a part of the supervisor. Slurm's signals only set a mark:
the supervisor must live until the verdict is written, whatever it is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.analysis.facts import JobEnd
from runner.analysis.safepoint import next_save
from runner.analysis.slot import MODES, SAVE_S, Slot, left_s, order_for
from runner.engines.slurm import client, memory
from runner.engines.slurm.client import SlurmError
from runner.engines.slurm.words import CAUSES, words_of
from runner.model import JobPhase, JobRecord
from runner.model.units import duration
from runner.state.translator import Translator
from runner.store.attempt import newest_attempt
from runner.store.inbox import CLUSTER
from runner.store.jobs import job_of
from runner.store.journal import Unreadable, write_json
from runner.store.liveness import take_lock
from runner.store.rundir import RunDir
from runner.supervisor.context import AttemptContext
from runner.supervisor.journals import Journals
from runner.supervisor.order_handler import OrderHandler
from runner.supervisor.order_queue import OrderQueue
from runner.supervisor.trainer import TrainerProcess

log = logging.getLogger("supervisor")

#: the end of a job may be moved while it runs
ASK_EVERY_S = 60.0
#: a job cannot have begun in the future: that much and the clocks differ
CLOCKS_APART_S = 10.0
#: whoever submitted the job may still hold the run's lock
LOCK_PATIENCE_S = 30.0

#: signal -> when it came (monotonic)
_received: dict[int, float] = {}


def _note(number: int, _frame: object) -> None:
    _received.setdefault(number, time.monotonic())


def own_id() -> str:
    """Of the job that this process runs in, as squeue shows it; "": in none."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def _restarts() -> int:
    """How often Slurm had put this job back into its queue when it started this time."""
    found = os.environ.get("SLURM_RESTART_COUNT", "")
    return int(found) if found.isdecimal() else 0


def main(path: str, attempt: int, token: str) -> int:
    """Supervise one attempt as the job with this token; also again after a supervisor of it was killed."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, _note)
    from runner.supervisor.main import main as supervise

    run = RunDir(Path(path))
    job = job_of(run)
    if job is None or job.token != token or job.attempt != attempt:
        sys.stderr.write(f"this job is not the one of attempt {attempt}: nothing is started\n")
        return 0
    with contextlib.suppress(Unreadable, OSError):
        if newest_attempt(run) > attempt:
            return 0
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while (lock := take_lock(run.lock)) is None:
        if time.monotonic() > deadline:
            sys.stderr.write("another process holds the lock of this run: nothing is started\n")
            return 1
        time.sleep(0.1)
    with contextlib.suppress(OSError):
        write_json(run.job, _begun(job))
    return supervise(path, lock)


def _begun(job: JobRecord) -> JobRecord:
    facts = None
    with contextlib.suppress(SlurmError):
        facts = client.job(own_id(), job.cluster)
    return replace(
        job,
        id=own_id() or job.id,
        phase=JobPhase.RUNNING,
        state="RUNNING",
        reason="",
        text=words_of("RUNNING"),
        node=os.environ.get("SLURMD_NODENAME", ""),
        expected_start_at=None,
        began_at=facts.starts_at if facts is not None else None,
        ends_at=facts.ends_at if facts is not None else None,
        asked_at=time.time(),
        problem="",
    )


@dataclass(slots=True, eq=False)
class JobWatch:
    """Orders a stop in time, and knows how the job ended. Does nothing for a run of this machine."""

    context: AttemptContext
    trainer: TrainerProcess
    translator: Translator
    queue: OrderQueue
    orders: OrderHandler
    journals: Journals
    _job: str = field(default="", init=False)
    _ends_at: float | None = field(default=None, init=False)
    _asked: float | None = field(default=None, init=False)
    _asked_again: bool = field(default=False, init=False)
    _told: bool = field(default=False, init=False)
    _ordered: str = field(default="", init=False)
    _saving: tuple[float, float] | None = field(default=None, init=False)
    _save_s: float = field(default=SAVE_S, init=False)
    _end: JobEnd | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        job = job_of(self.context.run) if not self.context.spec.engine.is_local else None
        if job is not None and job.attempt == self.context.attempt and job.id == own_id():
            self._job, self._ends_at = job.id, job.ends_at

    @property
    def inside(self) -> bool:
        """Does this supervisor run in the job of its run?"""
        return bool(self._job)

    # ----------------------------------------------------------------- while it trains

    async def work(self) -> None:
        """About once a second."""
        if not self.inside:
            return
        if not self._told:
            self._tell()
        self._measure_save()
        if signal.SIGTERM in _received:
            await self.settle()
            self._order("now", self._end.text if self._end is not None else "Slurm ends the job")
            return
        await self._ask()
        signal_s, now = float(self.context.spec.engine.signal_s), time.time()
        at = _received.get(signal.SIGUSR1)
        since = None if at is None else time.monotonic() - at
        left = left_s(self._ends_at, now, signal_s, since)
        if left is None or self.trainer.keeper is None:
            return
        mode = order_for(self._slot(left, due=since is not None or left <= signal_s))
        if mode:
            self._order(mode, f"the job's time ends in {duration(max(0.0, left))}")

    def _slot(self, left: float, *, due: bool) -> Slot:
        context, state = self.context, self.translator.state
        place = self.orders.place()
        save, certain = next_save(context.plan, context.expected_saves(state), place)
        total = place.total_steps
        return Slot(
            left,
            due,
            place.seconds_per_step,
            None if save is None else save - place.step,
            total - place.step if save is None and certain and total is not None else None,
            self._save_s,
        )

    def _measure_save(self) -> None:
        since, now = self.translator.state.saving_since, time.monotonic()
        if since is None:
            if self._saving is not None:
                self._save_s = max(1.0, now - self._saving[1])
            self._saving = None
        elif self._saving is None or self._saving[0] != since:
            self._saving = since, now

    def _tell(self) -> None:
        """Once per attempt: which job it is, and whether this node's clock is behind that of Slurm."""
        self._told = True
        if self.context.resumes_supervision:
            return
        node = os.environ.get("SLURMD_NODENAME", "") or socket.gethostname()
        self.journals.emit("job_began", job=self._job, node=node)
        job = job_of(self.context.run)
        behind_s = job.began_at - job.asked_at if job is not None and job.began_at else 0.0
        if behind_s > CLOCKS_APART_S:
            self.journals.emit("clocks_apart", node=node, seconds=round(behind_s))

    async def _ask(self) -> None:
        """When does the job end? Asked again at Slurm's signal: a preemption moves the end."""
        now, signalled = time.monotonic(), signal.SIGUSR1 in _received
        fresh = self._asked is not None and now - self._asked < ASK_EVERY_S
        if fresh and (not signalled or self._asked_again):
            return
        self._asked, self._asked_again = now, signalled
        with contextlib.suppress(SlurmError):
            facts = await asyncio.to_thread(client.job, self._job)
            if facts is not None and facts.ends_at is not None:
                self._ends_at = facts.ends_at

    def _order(self, mode: str, reason: str) -> None:
        """Only what is stronger than before, and never weaker than what a person ordered."""
        order = self.orders.order
        theirs = order is not None and order.by != CLUSTER
        if self.orders.stopping and mode != "now":
            return
        if theirs and mode == "after_save":
            return
        if MODES.index(mode) <= MODES.index(self._ordered):
            return
        data = {"mode": mode, "reason": reason}
        by = order.by if theirs and order is not None else CLUSTER
        if self.queue.put("stop", data, by=by):
            self._ordered = mode

    # ----------------------------------------------------------------- its end

    async def settle(self) -> None:
        """Why does Slurm end the job? Known for a moment only, while the job is ending."""
        if not self.inside or self._end is not None:
            return
        exit = self.trainer.exit
        if exit is not None and exit.signal == signal.SIGKILL and memory.kills():
            text = f"Slurm job {self._job}: {words_of('OUT_OF_MEMORY')}"
            self._end = JobEnd(CAUSES["OUT_OF_MEMORY"], text)
        if self._end is not None or signal.SIGTERM not in _received:
            return
        facts = None
        with contextlib.suppress(SlurmError):
            facts = await asyncio.to_thread(client.job, self._job)
        state = facts.state if facts is not None else "CANCELLED"
        if facts is not None and facts.restarts > _restarts():
            state = "REQUEUED"
        if state not in CAUSES:  # it hides behind COMPLETING
            ends_at = self._ends_at
            late = ends_at is not None and time.time() >= ends_at - 1.0
            state = "TIMEOUT" if late else "CANCELLED"
        self._end = JobEnd(CAUSES[state], f"Slurm job {self._job}: {words_of(state)}")
        self.journals.emit("job_ended", state=state, text=self._end.text)

    def reason(self) -> str | None:
        """Why the job ordered the completed stop; None: it did not."""
        order = self.orders.order
        if order is None or order.by != CLUSTER or not self.orders.carried_out:
            return None
        return str(order.data.get("reason", ""))

    def end(self) -> JobEnd | None:
        """How Slurm ended the job; None: it did not, as far as known."""
        if self._end is not None or self.context.spec.engine.is_local or self.inside:
            return self._end
        job = job_of(self.context.run)
        if job is None or job.attempt != self.context.attempt or job.phase is not JobPhase.OVER:
            return None
        cause = CAUSES.get(job.state)
        name = f"Slurm job {job.id}" if job.id else "Slurm job"
        text = f"{name}{f' on {job.node}' if job.node else ''}: {job.text}"
        if job.state == "FAILED" and self.trainer.not_started:
            text += f" (does the node see {self.context.run.path} and {sys.executable}?)"
        return JobEnd(cause, text) if cause is not None else None
