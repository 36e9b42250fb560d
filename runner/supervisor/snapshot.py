"""Builds status.json from what the supervisor knows: this attempt's state and earlier attempts."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import time
from dataclasses import dataclass, field, replace

from runner.analysis.guard import Guard
from runner.model import Alarm, RunState, Status
from runner.state.status import build_status, nonfinite_step
from runner.state.translator import Translator
from runner.store.attempt import attempts_of
from runner.store.journal import DISK_FULL, Unreadable, write_json
from runner.store.liveness import is_supervisor
from runner.store.norms import NormsFile, read_status
from runner.store.rundir import RunDir
from runner.supervisor.context import AttemptContext
from runner.supervisor.hardware_monitor import HardwareMonitor
from runner.supervisor.ingest import Ingest
from runner.supervisor.order_handler import OrderHandler, untrusted_step
from runner.supervisor.trainer import TrainerProcess
from runner.supervisor.verifier import Verifier

log = logging.getLogger("supervisor")

ALARMS_OF_BEFORE = 10


def written_status(run: RunDir) -> Status | None:
    """The status as last written; where it is unreadable, that of the attempt before. None: none."""
    for path in (run.status, *(run.status_before(n) for n in reversed(attempts_of(run)))):
        with contextlib.suppress(Unreadable):
            return read_status(run, path)
    return None


def another_works(run: RunDir) -> bool:
    """Does a supervisor live whose lock file was deleted? It takes the new one."""
    status = written_status(run)
    pid = status.supervisor_pid if status is not None else None
    return pid is not None and pid != os.getpid() and is_supervisor(pid, run.path)


@dataclass(slots=True)
class StatusFile:
    """Reads the parts and changes none. `final`: the status with the verdict, once available. `full_at`: when
    the disk last had no room for it, Unix time."""

    context: AttemptContext
    norms: NormsFile
    trainer: TrainerProcess
    translator: Translator
    guard: Guard
    ingest: Ingest
    orders: OrderHandler
    monitor: HardwareMonitor
    verifier: Verifier
    final: Status | None = field(default=None, init=False)
    full_at: float | None = field(default=None, init=False)

    def write(self) -> None:
        """Replace status.json. A full disk must not be fatal: the next beat retries."""
        if not self.context.run.is_there:
            return
        try:
            write_json(self.context.run.status, self.norms.lean(self.final or self.now()))
        except OSError as error:
            if error.errno in DISK_FULL:
                self.full_at = time.time()
            log.warning("status.json: %s", error)

    def write_end(self, final: Status) -> bool:
        """The status with the verdict. A full disk must not lose it: retried for ten minutes. False: the run
        folder was deleted, or the disk stayed full. Blocking."""
        self.final = final
        if not self.context.run.is_there:
            return False
        for tried in range(120):
            try:
                write_json(self.context.run.status, self.norms.lean(final), durable=True)
                return True
            except OSError as error:
                if not self.context.run.path.is_dir():
                    return False
                log.warning("status.json: %s", error)
                time.sleep(0.5 if tried < 10 else 5)
        return False

    def now(self) -> Status:
        """The current run; while its past is replayed, the last known one."""
        now, before = time.time(), self.context.before
        doing = self.ingest.doing or self.verifier.doing
        again = self.translator.rows.catching_up and self.context.resumes_supervision
        if again and before is not None:
            pid = os.getpid()
            return replace(before, heartbeat_at=now, supervisor_pid=pid, evaluating=doing)
        context, trainer, state = self.context, self.trainer, self.translator.state
        keeper, bad_before = trainer.keeper, before.first_nonfinite_step if before else None
        started_at = trainer.started_at or now
        status = build_status(
            now,
            state,
            context.plan,
            run_state=self._run_state(),
            attempts=(
                *context.earlier_attempts, replace(state.status(started_at), exit=trainer.exit)
            ),
            checkpoints=self.translator.book.all,
            alarms=self._alarms(),
            pace=self.translator.pace,
            total_steps=context.total_steps(state),
            began_at=started_at,
            ended_at=trainer.ended_at,
            first_nonfinite_step=nonfinite_step(
                bad_before, context.plan.base_step, state.first_nonfinite_step
            ),
            untrusted_step=untrusted_step(state, self.guard),
        )  # fmt: skip
        order = self.orders.order
        return replace(
            status,
            smooth=self.translator.rows.smoothing.now,
            stop_after_save=self.orders.after_save and not self.orders.stopping,
            stop_by=order.by if order is not None else None,
            offset=self.ingest.console.offset,
            supervisor_pid=os.getpid(),
            keeper_pid=keeper.keeper_pid if keeper is not None else None,
            trainer_pid=keeper.pid if keeper is not None else None,
            trainer_created_at=trainer.created_at,
            pgid=keeper.pgid if keeper is not None else None,
            unknown_lines=self.ingest.parser.unknown_lines,
            hardware=self.monitor.meter.use,
            gpu_users=self.monitor.users,
            sample=self.monitor.sample,
            awake=self.monitor.awake,
            evaluating=doing,
        )

    def _run_state(self) -> RunState:
        if self.orders.stopping:
            return RunState.STOPPING
        return RunState.RUNNING if self.trainer.is_found else RunState.STARTING

    def _alarms(self) -> tuple[Alarm, ...]:
        """This attempt's, and earlier attempts' about valid steps; none of the latter is active."""
        context, before = self.context, self.context.before
        if before is None or before.attempt > context.attempt:
            return self.guard.alarms
        own_since = self.trainer.started_at if context.resumes_supervision else math.inf
        kept = [
            replace(a, over_at=a.over_at if a.over_at is not None else before.heartbeat_at)
            for a in before.alarms
            if a.since_at < own_since and (a.step is None or a.step <= context.plan.base_step)
        ]
        return (*kept[-ALARMS_OF_BEFORE:], *self.guard.alarms)
