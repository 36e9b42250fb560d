"""Takes the orders that lie in the inbox, and stops the training when the moment is right."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from runner import inbox
from runner.model import RunState
from runner.stopping import stop_training

if TYPE_CHECKING:
    from runner.supervisor import Supervisor

log = logging.getLogger("supervisor")

#: a stop waits so long for a save in progress to end
SAVE_PATIENCE_S = 120.0
#: the keeper writes how the trainer ended within moments
EXIT_PATIENCE_S = 5.0


class StopDesk:
    """`order`: the stop that was taken; `stopping`: the ladder has begun, there is no way back."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self.order: inbox.Order | None = None
        self.stopping = False
        self.after_save = False
        self._saves_at_order = 0

    async def work(self) -> None:
        """Answer what lies in the inbox; stop if it is time to."""
        for name, order in inbox.pending(self._s.run):
            if time.time() - order.at > inbox.DEADLINE_S:
                text = "too old: nobody was there to obey it"
            else:
                text = self._obey(order)
            inbox.answer(self._s.run, name, order, text)
        if self._due():
            await self._stop()

    def _obey(self, order: inbox.Order) -> str:
        if order.kind == "cancel_stop":
            if not self.after_save or self.stopping:
                return "no stop is waiting"
            self.after_save, self.order = False, None
            self._s.tell("stop_cancelled", by=order.by)
            return "taken back"
        if order.kind != "stop":
            return f"unknown order {order.kind!r}"
        mode = str(order.data.get("mode", "default"))
        self._s.tell("ordered", order=order.kind, mode=mode, by=order.by, id=order.id)
        if self.stopping:
            return "already stopping"
        self.order = order
        self.after_save = mode == "after_save"
        self._saves_at_order = self._saves_done()
        return "will stop after the next save" if self.after_save else "stopping"

    def _saves_done(self) -> int:
        """Checkpoints with all that belongs to them written and looked at, the state included."""
        wants_state = any(word.startswith("--save_state") for word in self._s.plan.command)
        return sum(
            bool(c.complete) and (c.state_complete is True or not wants_state)
            for c in self._s.progress.checkpoints
        )

    def _due(self) -> bool:
        """Never in the middle of writing a file, if it can wait."""
        if self.order is None or self.stopping or self._s.keeper is None or self._s.ended.is_set():
            return False
        saving = self._s.progress.saving_since
        if self.after_save:
            return saving is None and self._saves_done() > self._saves_at_order
        if self.order.data.get("mode") == "now" or saving is None:
            return True
        return time.time() - saving > SAVE_PATIENCE_S

    async def _stop(self) -> None:
        s = self._s
        assert s.keeper is not None
        self.stopping = True
        s.state = RunState.STOPPING
        s.write_status()
        await s.count_family()
        members = {pid: m for pid, m in s.members.items() if pid != s.keeper.keeper_pid}
        roots = (s.keeper.keeper_pid, s.keeper.pid)
        gone = await stop_training(roots, s.keeper.pgid, members, s.spec.stop_grace_s, s.tell)
        log.info("stop: all gone: %s", gone)
        deadline = time.monotonic() + EXIT_PATIENCE_S
        while not s.look_for_end() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        s.exit_unseen = s.exit is None
        s.ended.set()
