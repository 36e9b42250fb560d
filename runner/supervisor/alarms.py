"""The guard at work: journals what it raises and ends, and gives its orders.

Its orders go through the queue like a person's: there they outlive the supervisor, and from there the next one
knows which alarm has had its order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psutil

from runner.analysis.guard import Change, Guard
from runner.model import Alarm, AlarmKind, JournalEvent
from runner.state.alarms import OVER, RAISED, alarm_of
from runner.state.checkpoint_book import CheckpointBook
from runner.supervisor.context import AttemptContext
from runner.supervisor.hardware_monitor import HardwareMonitor
from runner.supervisor.journals import Journals
from runner.supervisor.order_handler import OrderHandler
from runner.supervisor.order_queue import GUARD, OrderQueue
from runner.supervisor.trainer import TrainerProcess

#: a stop that waits for a save gives up when a stall lasts so many times its limit
GIVE_UP = 2.0
#: why `after_save` stops at once, and why a stop that waited for a save waits no longer
_NO_USE_WAITING = "a later checkpoint would hold what is broken, so none is waited for"
_NO_SAVE = "nothing has moved since, so no save will come"


@dataclass(slots=True, eq=False)
class Alarms:
    """Everything about the guard that is not pure. `notify` is called with each alarm that is raised."""

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

    def restore(self) -> None:
        """The alarms of this attempt that a predecessor has journaled."""
        self.guard.silent = False
        changes = map(_change, self.journals.before)
        self.guard.restore([change for change in changes if change is not None])

    # ----------------------------------------------------------------- at work

    async def work(self) -> None:
        """Look, journal, order; about once a second."""
        if self.orders.stopping or self.trainer.ended.is_set() or self.trainer.exit is not None:
            return
        more = self.monitor.warnings()
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
        """The trainer is gone and its files are verified: what stands is known better by now."""
        self.guard.refresh(self.book.all)

    def reason(self) -> str | None:
        """Why the guard ordered the stop that was carried out, by what is known now; None: it did not."""
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
        """Is a process of the training stopped, as by SIGSTOP or Ctrl+Z? "": none."""
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
        """What [guard] asks for this alarm; once, whatever a person did about it since."""
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
        """A stalled training writes no save: has the silence lasted as long again?"""
        armed = self.orders.armed_by_guard == AlarmKind.STALLED
        return armed and self.guard.silent_s > GIVE_UP * self.guard.silence_limit_s

    def _is_pointless(self, alarm: Alarm) -> bool:
        """Are the weights broken for sure, so that a later checkpoint would be worthless? A poisoned average
        alone does not say so: then the next file is looked at."""
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
        """A stop that waits for a save is taken back when its alarm has ended by itself."""
        waiting = self.orders.armed_by_guard
        if waiting is None or any(str(alarm.kind) == waiting for alarm in self.guard.standing):
            return
        if not any(order.kind == "cancel_stop" for _, order in self.queue.waiting()):
            self.queue.put("cancel_stop", {"alarm": waiting, "reason": "the alarm is over"})


def _key(data: dict[str, Any]) -> tuple[object, ...]:
    """What makes an order of the guard: of one of these, one is given in an attempt."""
    return data.get("alarm"), data.get("step"), bool(data.get("again"))


def _change(event: JournalEvent) -> Change | None:
    alarm, base = alarm_of(event), event.data.get("baseline_s")
    if alarm is None:
        return None
    return Change(alarm, {"baseline_s": base} if base is not None else {})
