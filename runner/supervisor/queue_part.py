"""The supervisor's part in the queue: the slots of its training, and the other queued runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from runner.model import HardwareSample
from runner.store.liveness import HeldLock
from runner.supervisor.context import AttemptContext
from runner.supervisor.slot_holder import SlotHolder
from runner.supervisor.trainer import LINGER_S, TrainerProcess
from runner.supervisor.turn import Turn, leave_queue, revive_first, wait_again


class QueuePart:
    def __init__(
        self, context: AttemptContext, slots: SlotHolder, turn: Turn | None, lock: HeldLock | None
    ) -> None:
        """`turn`: of a queued attempt; None: this one is not."""
        self._context, self._slots, self._turn, self._lock = context, slots, turn, lock

    def before_start(self) -> None:
        """Of a plain start: the queue waits until it is known which GPUs this training uses."""
        if self._turn is None and self._context.spec.engine.is_local:
            self._slots.begin_plain()

    def taken_over(self, trainer: TrainerProcess, emit: Callable[..., None]) -> None:
        """The trainer was started, or certainly will not be. Does not return if its keeper did not begin, for
        example on a full disk: then the attempt stays queued."""
        leave_queue(self._context.run)
        if self._turn is None or not self._turn.starts:
            return
        begun = self._context.run.started(self._context.attempt).exists()
        if trainer.not_started and not begun and self._lock is not None:
            wait_again(self._context.run, self._lock, self._turn.held, "turn")
        emit("slot", slots=self._turn.labels, env=self._turn.env)

    async def tend(self, sample: HardwareSample | None) -> None:
        """Hold the slots; replace the dead process of the queue's first run."""
        await asyncio.to_thread(self._slots.hold, sample)
        await asyncio.to_thread(revive_first, self._context.run)

    async def free(self, trainer: TrainerProcess) -> None:
        """Evaluating needs no GPU. Loader workers may outlive the trainer by seconds, with its memory."""
        deadline = time.monotonic() + LINGER_S
        while time.monotonic() < deadline and any(m.alive() for m in trainer.members.values()):
            await asyncio.sleep(0.3)
        self._slots.release()
