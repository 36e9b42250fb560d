"""The hardware of one run: readings, history, usage, and keeping the machine awake."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping

from runner.analysis.guard import Guard
from runner.hardware.board import Board, default_sources
from runner.hardware.contention import SlowFacts, slow_reason
from runner.hardware.host import written_places
from runner.hardware.processes import UserWatch, busiest
from runner.hardware.samples import Cadence, line_of, mean_of
from runner.hardware.used import UseMeter
from runner.hardware.users import as_gpu_users
from runner.hardware.watch import About, HardwareWatch
from runner.model import AlarmKind, GpuUser, HardwareSample, Phase
from runner.process.awake import Awake, stay_awake
from runner.process.spawn import in_wsl, trainer_environment
from runner.state.translator import Translator
from runner.store.appender import Appender
from runner.store.liveness import created_at
from runner.supervisor.context import AttemptContext
from runner.supervisor.trainer import TrainerProcess

USERS_EVERY_S = 10.0


class HardwareMonitor:
    """`sample`: the newest reading; None before the first. `users`: of the GPUs. `awake`: what keeps the
    machine awake, as text."""

    def __init__(
        self,
        context: AttemptContext,
        trainer: TrainerProcess,
        translator: Translator,
        guard: Guard,
        journal: Appender,
    ) -> None:
        self._context, self._trainer = context, trainer
        self._translator, self._guard, self._journal = translator, guard, journal
        self.meter = UseMeter(context.before.hardware if context.before is not None else None)
        self.watch = HardwareWatch()
        self.sample: HardwareSample | None = None
        self.users: tuple[GpuUser, ...] = ()
        self.awake: str | None = None
        self._holding: Awake | None = None
        self._board: Board | None = None
        self._cadence = Cadence()
        self._best_pace_s: float | None = None
        self._user_watch = UserWatch()
        self._users_at = -USERS_EVERY_S

    def start(self) -> None:
        """Start reading, in separate threads: nothing here can block the supervisor."""
        context = self._context
        output = str(context.resolve(context.output_dir)) if context.output_dir else None
        logs = str(context.event_folder) if context.event_folder else None
        places = written_places(output, logs, trainer_environment(context.plan.env))
        self._board = Board(places, default_sources())
        self._board.start()

    def stop(self) -> None:
        if self._board is not None:
            self._board.stop()
        if self._holding is not None:
            self._holding.release()

    async def work(self) -> None:
        """Every two seconds: one reading into history, sums and warnings."""
        if self._board is None:
            return
        trainer, device = self._trainer, self._translator.state.device
        keeper_pid = trainer.keeper.keeper_pid if trainer.keeper is not None else None
        sample = self._board.sample(keeper_pid, device, frozenset(trainer.members))
        if sample is None:
            return
        self.sample = sample
        about = self.about()
        self.meter.add(sample, training=about.training, device=about.device)
        self.watch.add(sample, about)
        self._mark_best()
        if self._cadence.due(sample.at):
            self._journal.append(line_of(sample))
        self._look_for_users(sample)
        await self._stay_awake()

    def about(self) -> About:
        """The run's own facts, for sums and warnings. A step may take longer than a reading, so training
        means the phase, from the first step on, unless stalled."""
        state, seen = self._translator.state, self._translator.checkpoints
        forecast = self._context.spec.forecast
        training = (
            state.phase is Phase.TRAINING
            and state.first_step is not None
            and not self._guard.stall.stalled
        )
        sizes = [c.size_bytes for c in seen if c.size_bytes and not c.removed]
        need = max(sizes, default=None) or (forecast.checkpoint_bytes if forecast else None)
        if need is not None and self._context.saves_states(state, seen):
            need += (forecast.state_bytes if forecast else None) or 3 * need
        return About(state.device, self._context.spec.expect.device, training, need)

    def _mark_best(self) -> None:
        """Remember the machine at the best pace, to compare with a slow one."""
        best = self._guard.pace.baseline_s
        if best is not None and (self._best_pace_s is None or best < self._best_pace_s * 0.98):
            self._best_pace_s = best
            self.watch.mark_best()

    # ----------------------------------------------------------------- warnings

    def warnings(self) -> Mapping[AlarmKind, str]:
        """For the guard: current problems."""
        return self.watch.findings(self.about())

    async def why_slow(self) -> str | None:
        """The likely reason, from changes since the best pace. Takes a second."""
        ours = self._ours()
        busy = await asyncio.to_thread(busiest, ours, 1.0)
        before, now = mean_of(self.watch.best), mean_of(self.watch.now)
        if before is None or now is None:
            return None
        users = self._user_watch.users(now.gpus, ours)
        device = self._translator.state.device
        return slow_reason(before, now, SlowFacts(busy, users, device, in_wsl() or os.name == "nt"))

    # ----------------------------------------------------------------- others, and sleep

    def _look_for_users(self, sample: HardwareSample) -> None:
        """Never waits: a thread does the listing. Processing it costs 7 ms."""
        now = time.monotonic()
        if now - self._users_at < USERS_EVERY_S:
            return
        self._users_at = now
        self.users = as_gpu_users(self._user_watch.users(sample.gpus, self._ours()))

    def _ours(self) -> frozenset[int]:
        """All processes of this run, including ourselves."""
        pids = self._board.run_pids if self._board is not None else frozenset()
        return frozenset({os.getpid(), *pids, *self._trainer.roots})

    async def _stay_awake(self) -> None:
        """Once the keeper is alive; it lives as long as any process of the training."""
        keeper = self._trainer.keeper
        if self._holding is not None or keeper is None or self._trainer.ended.is_set():
            return
        began = created_at(keeper.keeper_pid)
        if began is None:
            return
        self._holding = await asyncio.to_thread(stay_awake, keeper.keeper_pid, began)
        self.awake = self._holding.words
