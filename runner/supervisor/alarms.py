"""The guard at work: feeds it, journals what it raises and ends, and gives its orders.

Its orders go through the inbox like a person's, by `guard`: there they outlive the supervisor, and from there
the next one knows which alarm has had its order.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from runner.analysis.guard import Change, Guard
from runner.model import Alarm, AlarmKind, JournalEvent
from runner.model.events import ConsoleEvent
from runner.state.journal_state import OVER, RAISED, alarm_of
from runner.store import inbox
from runner.store.journal import events_of
from runner.supervisor.order_handler import GUARD
from runner.supervisor.snapshot import all_checkpoints

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

log = logging.getLogger("supervisor")

#: a stop that waits for a save gives up when a stall lasts so many times its limit
GIVE_UP = 2.0
#: why `after_save` stops at once, and why a stop that waited for a save waits no longer
_NO_USE_WAITING = "a later checkpoint would hold what is broken, so none is waited for"
_NO_SAVE = "nothing has moved since, so no save will come"
_EVENTS_BYTES = 1 << 26


class Alarms:
    """`guard`: what it finds; this class does everything about it that is not pure."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self.guard = Guard()
        self._ordered: set[tuple[str, int | None]] | None = None

    # ----------------------------------------------------------------- in

    def on_bytes(self, now: float) -> None:
        self.guard.on_bytes(now)

    def on_console(self, event: ConsoleEvent, step: int, average: float | None, now: float) -> None:
        self.guard.on_console(event, step, average, now)

    def on_exact(self, step: int, loss: float) -> None:
        self.guard.on_exact(step, loss)

    def silence(self, silent: bool) -> None:
        """While an attempt's past is read again, nothing is learnt of its times."""
        self.guard.silent = silent
        if not silent:
            self.guard.restore(self._told())

    def _told(self) -> list[Change]:
        """The alarms of this attempt that a predecessor has journaled."""
        try:
            with self._s.run.events.open("rb") as stream:
                data = stream.read(_EVENTS_BYTES)
        except OSError:
            return []
        told = []
        for event in events_of(data)[0]:
            if event.kind in (RAISED, OVER) and event.attempt == self._s.attempt:
                change = _change(event)
                told += [change] if change is not None else []
        return told

    # ----------------------------------------------------------------- at work

    async def work(self) -> None:
        """Look, tell, order; about once a second."""
        s = self._s
        if s.orders.stopping or s.ended.is_set() or s.exit is not None:
            return
        more = s.hardware_monitor.warnings()
        for change in self.guard.tick(time.time(), all_checkpoints(s), self._evidence, more):
            alarm = change.alarm
            if alarm.kind is AlarmKind.SLOW and alarm.over_at is None:
                reason = await s.hardware_monitor.why_slow()
                alarm = (self.guard.explain(alarm.kind, reason) if reason else None) or alarm
            fields = msgspec.to_builtins(alarm)
            s.tell(RAISED if alarm.over_at is None else OVER, **fields, **change.data)
            if alarm.over_at is None:
                s.notifier.alarm(alarm)
        for alarm in self.guard.standing:
            self._act(alarm)
        self._take_back()

    def last_look(self) -> None:
        """The trainer is gone and its files are looked at: what stands is told by them."""
        self.guard.refresh(all_checkpoints(self._s))

    def reason(self) -> str | None:
        """Why the guard ordered the stop that was carried out, by what is known now; None: it did not."""
        order = self._s.orders.order
        if order is None or order.by != GUARD or not self._s.orders.carried_out:
            return None
        reason, told = str(order.data.get("reason", "")), str(order.data.get("told", ""))
        kind, step = order.data.get("alarm"), order.data.get("step")
        for alarm in self.guard.standing:
            if told and alarm.kind == kind and alarm.step == step:
                reason = reason.replace(told, alarm.text)
        return reason or "something was wrong"

    def _evidence(self) -> str:
        """Is a process of the training stopped, as by SIGSTOP or Ctrl+Z?"""
        for member in self._s.members.values():
            try:
                if member.alive() and psutil.Process(member.pid).status() == psutil.STATUS_STOPPED:
                    stopped = f"process {member.pid} of the training is stopped (SIGSTOP)"
                    return f"; {stopped}, `kill -CONT {member.pid}` lets it go on"
            except psutil.Error:
                continue
        return ""

    # ----------------------------------------------------------------- orders

    def _act(self, alarm: Alarm) -> None:
        """What [guard] asks for this alarm; once, whatever a person did about it since."""
        action = getattr(self._s.spec.guard, str(alarm.kind), "tell")
        if action == "tell":
            return
        mode, reason = "default" if action == "stop" else "after_save", alarm.text
        if mode == "after_save" and self._hopeless(alarm):
            mode, reason = "default", f"{reason}; {_NO_USE_WAITING}"
        self._order(alarm, mode, reason)
        if mode == "after_save" and alarm.kind is AlarmKind.STALLED and self._waits_in_vain():
            self._order(alarm, "default", f"{reason}; {_NO_SAVE}", again=True)

    def _waits_in_vain(self) -> bool:
        """A stalled training writes no save: has the silence lasted as long again?"""
        armed = self._s.orders.armed_by_guard == AlarmKind.STALLED
        return armed and self.guard.silent_s > GIVE_UP * self.guard.silence_limit_s

    def _hopeless(self, alarm: Alarm) -> bool:
        """Are the weights broken for sure, so that a later checkpoint would be worthless? A poisoned average
        alone does not say so: then the next file is looked at."""
        losses = self.guard.losses
        return alarm.kind is AlarmKind.NONFINITE and losses.exact and losses.bad.without_end

    def _order(self, alarm: Alarm, mode: str, reason: str, *, again: bool = False) -> None:
        key = (f"{alarm.kind}{' again' if again else ''}", alarm.step)
        if key in self._given():
            return
        data = {"mode": mode, "alarm": str(alarm.kind), "step": alarm.step, "reason": reason}
        data["told"] = alarm.text
        if again:
            data["again"] = True
        try:
            inbox.send(self._s.run, "stop", data, by=GUARD)
        except OSError as error:  # a full disk: the next look tries again
            log.warning("the guard's order: %s", error)
            return
        self._given().add(key)

    def _given(self) -> set[tuple[str, int | None]]:
        """(alarm, its step) of every order that the guard has given in this attempt."""
        if self._ordered is None:
            keeper, run = self._s.keeper, self._s.run
            since = keeper.started_at if keeper is not None else 0.0
            attempt = self._s.attempt
            known = [*inbox.done(run), *(order for _, order in inbox.pending(run))]
            self._ordered = {
                (
                    f"{o.data.get('alarm')}{' again' if o.data.get('again') else ''}",
                    o.data.get("step"),
                )
                for o in known
                if o.by == GUARD and o.kind == "stop" and inbox.is_for(o, attempt, since)
            }
        return self._ordered

    def _take_back(self) -> None:
        """A stop that waits for a save is taken back when its alarm has ended by itself."""
        waiting = self._s.orders.armed_by_guard
        if waiting is None or any(str(alarm.kind) == waiting for alarm in self.guard.standing):
            return
        if any(order.kind == "cancel_stop" for _, order in inbox.pending(self._s.run)):
            return
        data: dict[str, Any] = {"alarm": waiting, "reason": "the alarm is over"}
        try:
            inbox.send(self._s.run, "cancel_stop", data, by=GUARD)
        except OSError as error:
            log.warning("the guard's order: %s", error)


def _change(event: JournalEvent) -> Change | None:
    alarm, base = alarm_of(event), event.data.get("baseline_s")
    if alarm is None:
        return None
    return Change(alarm, {"baseline_s": base} if base is not None else {})
