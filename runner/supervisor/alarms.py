"""Runs the guard: journals what it raises and ends, and gives its orders.

Its orders go through the queue like a user's: there they survive the supervisor, and the next one knows which
alarms already had an order.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psutil

from runner.analysis.guard import Change, Guard
from runner.analysis.usual_pace import Likeness, UsualPace, usual_pace
from runner.model import Alarm, AlarmKind, JournalEvent
from runner.process.spawn import in_wsl
from runner.state.alarms import OVER, RAISED, alarm_of
from runner.state.checkpoint_book import CheckpointBook
from runner.supervisor.context import AttemptContext
from runner.supervisor.hardware_monitor import HardwareMonitor
from runner.supervisor.journals import Journals
from runner.supervisor.order_handler import OrderHandler
from runner.supervisor.order_queue import GUARD, OrderQueue
from runner.supervisor.trainer import TrainerProcess

#: a stop that waits for a save gives up when a stall lasts this many times its limit
GIVE_UP = 2.0
#: why `after_save` stops at once, and why a stop no longer waits for a save
_NO_USE_WAITING = "later checkpoints would be broken too, so it does not wait for one"
_NO_SAVE = "no progress since, so there will be no save"


@dataclass(slots=True, eq=False)
class Alarms:
    """The impure part of the guard. `notify` is called with each raised alarm."""

    context: AttemptContext
    guard: Guard
    book: CheckpointBook
    trainer: TrainerProcess
    monitor: HardwareMonitor
    queue: OrderQueue
    orders: OrderHandler
    journals: Journals
    notify: Callable[[Alarm], None]
    _ordered: set[tuple[object, ...]] | None = field(default=None, init=False)
    _compared: bool = field(default=False, init=False)

    def restore(self) -> None:
        """Alarms of this attempt journaled by a previous supervisor."""
        self.guard.silent = False
        changes = map(_change, self.journals.before)
        self.guard.restore([change for change in changes if change is not None])

    def _usual_pace(self) -> UsualPace | None:
        """Of earlier runs like this attempt. Reads their files."""
        about, context = self.monitor.about(), self.context
        name = self.monitor.meter.use.gpu_name
        mine = Likeness.of(context.spec, context.plan.command)
        return usual_pace(mine, about.device, name, context.run.path)

    # ----------------------------------------------------------------- running

    async def work(self) -> None:
        """Check, journal, order; about once a second."""
        if self.orders.stopping or self.trainer.ended.is_set() or self.trainer.exit is not None:
            return
        more = self.monitor.warnings()
        if self.guard.pace.known and not self._compared:
            self._compared = True
            self.guard.spills = in_wsl() or os.name == "nt"
            self.guard.usual = await asyncio.to_thread(self._usual_pace)
        for change in self.guard.tick(time.time(), self.book.all, self._stopped_process, more):
            alarm = change.alarm
            if alarm.kind is AlarmKind.SLOW and alarm.over_at is None:
                reason = await self.monitor.why_slow()
                alarm = (self.guard.explain(alarm.kind, reason) if reason else None) or alarm
            fields = msgspec.to_builtins(alarm)
            self.journals.emit(RAISED if alarm.over_at is None else OVER, **fields, **change.data)
            if alarm.over_at is None:
                self.notify(alarm)
        for alarm in self.guard.standing:
            self._act(alarm)
        self._take_back()

    def last_look(self) -> None:
        """The trainer has ended and its files are verified: update active alarms."""
        self.guard.refresh(self.book.all)

    def reason(self) -> str | None:
        """Why the guard ordered the completed stop, with current knowledge; None: it did not."""
        order = self.orders.order
        if order is None or order.by != GUARD or not self.orders.carried_out:
            return None
        reason, told = str(order.data.get("reason", "")), str(order.data.get("told", ""))
        kind, step = order.data.get("alarm"), order.data.get("step")
        for alarm in self.guard.standing:
            if told and alarm.kind == kind and alarm.step == step:
                reason = reason.replace(told, alarm.text)
        return reason or "something was wrong"

    def _stopped_process(self) -> str:
        """Is a process of the training stopped, for example by SIGSTOP or Ctrl+Z? "": none."""
        for member in self.trainer.members.values():
            try:
                if member.alive() and psutil.Process(member.pid).status() == psutil.STATUS_STOPPED:
                    stopped = f"process {member.pid} of the training is stopped (SIGSTOP)"
                    return f"; {stopped}, `kill -CONT {member.pid}` resumes it"
            except psutil.Error:
                continue
        return ""

    # ----------------------------------------------------------------- orders

    def _act(self, alarm: Alarm) -> None:
        """The action of [guard] for this alarm; once, whatever the user did about it since."""
        action = getattr(self.context.spec.guard, str(alarm.kind), "tell")
        if action == "tell":
            return
        waits, reason = action != "stop", alarm.text
        if waits and self._is_pointless(alarm):
            waits, reason = False, f"{reason}; {_NO_USE_WAITING}"
        self._order(alarm, "after_save" if waits else "default", reason)
        if waits and alarm.kind is AlarmKind.STALLED and self._waits_in_vain():
            self._order(alarm, "default", f"{reason}; {_NO_SAVE}", again=True)

    def _waits_in_vain(self) -> bool:
        """A stalled training does not save: has the silence lasted long enough?"""
        armed = self.orders.armed_by_guard == AlarmKind.STALLED
        return armed and self.guard.silent_s > GIVE_UP * self.guard.silence_limit_s

    def _is_pointless(self, alarm: Alarm) -> bool:
        """Are the weights certainly broken, so that later checkpoints are worthless? A NaN average alone does
        not prove it: then the next file is verified."""
        losses = self.guard.losses
        return alarm.kind is AlarmKind.NONFINITE and losses.exact and losses.bad.without_end

    def _order(self, alarm: Alarm, mode: str, reason: str, *, again: bool = False) -> None:
        if self._ordered is None:
            stops = (order for order in self.queue.by_guard() if order.kind == "stop")
            self._ordered = {_key(order.data) for order in stops}
        data = {"mode": mode, "alarm": str(alarm.kind), "step": alarm.step, "reason": reason}
        data |= {"told": alarm.text, **({"again": True} if again else {})}
        if _key(data) not in self._ordered and self.queue.put("stop", data):
            self._ordered.add(_key(data))

    def _take_back(self) -> None:
        """A stop that waits for a save is cancelled when its alarm has ended."""
        waiting = self.orders.armed_by_guard
        if waiting is None or any(str(alarm.kind) == waiting for alarm in self.guard.standing):
            return
        if not any(order.kind == "cancel_stop" for _, order in self.queue.waiting()):
            self.queue.put("cancel_stop", {"alarm": waiting, "reason": "the alarm is over"})


def _key(data: dict[str, Any]) -> tuple[object, ...]:
    """Identity of a guard order: each is given once per attempt."""
    return data.get("alarm"), data.get("step"), bool(data.get("again"))


def _change(event: JournalEvent) -> Change | None:
    alarm, base = alarm_of(event), event.data.get("baseline_s")
    if alarm is None:
        return None
    return Change(alarm, {"baseline_s": base} if base is not None else {})
