"""Takes orders from the queue, and stops the training at the right moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from functools import partial

from runner.analysis.guard import Guard
from runner.analysis.safepoint import Place, armed_answer, in_vain, is_safe, newest_safe
from runner.state.attempt_state import AttemptState
from runner.state.lineage import resumable, safe_step, weights_step
from runner.state.translator import Translator
from runner.store.inbox import TOO_OLD, Order, refusal
from runner.supervisor.context import AttemptContext
from runner.supervisor.journals import Journals
from runner.supervisor.order_queue import GUARD, OrderQueue
from runner.supervisor.trainer import TrainerProcess

#: how long a stop waits for a save in progress
SAVE_PATIENCE_S = 120.0

#: keys of an order's data that only this class may write
_OURS = ("refused", "repeats", "hurries", "after_save_index")
_STOPPING = {"default": "stopping", "now": "stopping: killing every process of the training"}
MODES = (*_STOPPING, "after_save")
UNQUEUED = "removed from the queue; it was never started"

#: the answer, and the order with data for a later supervisor
Answer = tuple[str, Order]


@dataclass(slots=True, eq=False)
class OrderHandler:
    """`order`: the current stop; `stopping`: it has begun and can no longer be cancelled. A stop is a
    separate task, so that orders are answered meanwhile, until the supervisor exits; `hurry` makes KILL its
    next signal. `reading_again`: the console is being read again, and orders that depend on the training's
    position must wait. `unqueues`: the attempt waited for a slot, and a stop removes it from the queue."""

    context: AttemptContext
    trainer: TrainerProcess
    translator: Translator
    guard: Guard
    queue: OrderQueue
    journals: Journals
    order: Order | None = field(default=None, init=False)
    stopping: bool = field(default=False, init=False)
    after_save: bool = field(default=False, init=False)
    hurry: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    reading_again: bool = field(default=False, init=False)
    unqueues: bool = field(default=False, init=False)
    _before: bool = field(default=False, init=False)
    _signalled: bool = field(default=False, init=False)
    _after: int = field(default=-1, init=False)
    _save: tuple[float, float] | None = field(default=None, init=False)
    _ladder: asyncio.Task[None] | None = field(default=None, init=False)

    def restore(self) -> None:
        """Orders of this attempt taken by a previous supervisor."""
        for order in self.queue.answered():
            if order.refused or order.data.get("repeats"):
                continue
            if order.kind == "cancel_stop":
                self._cancel()
            elif order.data.get("hurries"):
                self.hurry.set()
            elif order.kind == "stop":
                self._take(order, order.data.get("after_save_index"))
        self._signalled = any(event.kind == "signalled" for event in self.journals.before)
        if self._signalled:
            self.after_save = False  # the save it waited for has come
        # a previous supervisor may have gone further with an immediate stop
        self._before = self.order is not None and not self.after_save

    @property
    def carried_out(self) -> bool:
        """Was the training stopped on request (if it did not finish on its own)?"""
        return self.stopping or self._before or (self.unqueues and self.order is not None)

    @property
    def armed_by_guard(self) -> str | None:
        """The alarm for which the guard waits for a save."""
        if self.order is None or not self.after_save or self.stopping or self.order.by != GUARD:
            return None
        return str(self.order.data.get("alarm", ""))

    # ----------------------------------------------------------------- orders

    async def work(self) -> bool:
        """Answer pending orders. True: a stop has just begun."""
        for name, order in self.queue.waiting():
            if not self.reading_again or order.data.get("mode") == "now":
                self.queue.answer(name, partial(self._answer, order, self.queue.is_overdue(name)))
        if not self._is_due():
            return False
        self.stopping = True
        self._ladder = asyncio.create_task(self._stop(), name="stop")
        return True

    def _answer(self, given: Order, overdue: bool = False) -> Answer:
        order = replace(given, data={k: v for k, v in given.data.items() if k not in _OURS})
        try:
            return self._obey(order, overdue)
        except Exception as error:  # later orders must still be read
            self.journals.fault("an order", error)
            return f"not done: {type(error).__name__}: {error}", refusal(order)

    def _obey(self, order: Order, overdue: bool) -> Answer:
        why = self._refuses(order, overdue)
        if why is not None:
            return why, refusal(order)
        if order.kind == "cancel_stop":
            self._cancel()
            self.journals.emit("stop_cancelled", **{**order.data, "by": order.by})
            return "cancelled", order
        mode = "default" if self.unqueues else _mode(order)  # there is no save to wait for
        words = {key: str(order.data[key]) for key in ("alarm", "reason") if key in order.data}
        self.journals.emit(
            "ordered", order=order.kind, mode=mode, by=order.by, id=order.id, **words
        )
        if self.stopping or (self.order is not None and not self.after_save):
            if mode != "now" or self.hurry.is_set():
                return "already stopping", replace(order, data={**order.data, "repeats": True})
            self.hurry.set()
            return _STOPPING[mode], replace(order, data={**order.data, "hurries": True})
        if mode == "after_save":
            return self._arm(order)
        self._take(order)
        return UNQUEUED if self.unqueues else _STOPPING[mode], order

    def _refuses(self, order: Order, overdue: bool) -> str | None:
        """Why this order is refused; None if it is not."""
        if not self.queue.is_for_us(order):
            return f"not done: this order is older than attempt {self.context.attempt}"
        if overdue:
            return TOO_OLD
        ended = self.trainer.ended.is_set() or (
            self.order is None and self.context.exit() is not None
        )
        if ended and not (self.unqueues and order.kind == "stop"):
            return "not done: the training has ended"
        if order.kind == "cancel_stop":
            return self._refuses_to_cancel(order)
        if order.kind != "stop":
            return f"unknown order {order.kind!r}"
        if _mode(order) not in MODES:
            return f"unknown stop mode {_mode(order)!r}"
        waits = _mode(order) == "after_save"
        if self.stopping:
            return "not done: the training is already being stopped" if waits else None
        if self.order is None:
            return None
        if order.by == GUARD and (waits or not self.after_save):
            return f"a stop by {self.order.by} is already pending"
        if waits and not self.after_save:
            return "not done: a stop that does not wait for a checkpoint is already pending"
        return None

    def _refuses_to_cancel(self, order: Order) -> str | None:
        """A user can cancel any stop that has not begun, the guard only its own for the same alarm."""
        if self.stopping or (self._before and self._signalled):
            return "too late: the training is already being stopped"
        own = order.by != GUARD or self.armed_by_guard == order.data.get("alarm")
        return None if self.order is not None and own else "no stop is pending"

    def _take(self, order: Order, after: object = None) -> None:
        self.order, self._after = order, after if isinstance(after, int) else -1
        self.after_save = _mode(order) == "after_save"
        if _mode(order) == "now":
            self.hurry.set()

    def _cancel(self) -> None:
        self.order, self.after_save, self._before = None, False, False
        self.hurry.clear()

    def _arm(self, order: Order) -> Answer:
        """Wait for the next safe point; a save of this very step is one."""
        place, plan, seen = self.place(), self.context.plan, self.translator.checkpoints
        after = self._newest_safe()
        if after >= 0 and seen[after].step == place.step:
            text, after = f"step {place.step} is saved and complete: stopping", after - 1
        else:
            saves = self.context.expected_saves(self._state)
            saving = self._state.saving_since is not None
            text = armed_answer(plan, saves, seen, place, saving=saving)
        self._take(order, after)
        return text, replace(order, data={**order.data, "after_save_index": after})

    # ----------------------------------------------------------------- position of the training

    @property
    def _state(self) -> AttemptState:
        return self.translator.state

    def place(self) -> Place:
        context, state = self.context, self._state
        attempts, source = context.attempts(state), context.plan.state_path
        found = resumable(self.translator.book.all, attempts, source)
        untrusted = untrusted_step(state, self.guard)
        return Place(
            step=state.step,
            total_steps=context.total_steps(state),
            seconds_per_step=self.translator.pace.seconds_per_step,
            state_step=safe_step(found, untrusted),
            weights_step=weights_step(found, untrusted),
        )

    def _newest_safe(self) -> int:
        """Index of the newest safe point in this attempt's checkpoints; -1: none."""
        seen = self.translator.checkpoints
        return newest_safe(seen, self.context.saves_states(self._state, seen))

    # ----------------------------------------------------------------- the moment

    def _is_due(self) -> bool:
        """Never during a file write, if it can wait."""
        waited_s = self._look_at_save()
        if self.stopping or self.trainer.keeper is None or self.trainer.ended.is_set():
            return False
        if self.hurry.is_set():
            return True
        if self.reading_again:
            return False
        if waited_s is None and self._plan_is_done():
            return True
        if self.order is None:
            return False
        if self.after_save:
            return waited_s is None and self._safe_point_reached()
        return waited_s is None or waited_s > SAVE_PATIENCE_S

    def _look_at_save(self) -> float | None:
        """How long the save in progress has been seen; None: there is none. The machine's clock may be set."""
        since, seen = self._state.saving_since, self._save
        if since is None:
            self._save = None
            return None
        if seen is None or seen[0] != since:
            self._save = seen = since, time.monotonic()
        return time.monotonic() - seen[1]

    def _plan_is_done(self) -> bool:
        """Is the file of the planned last step verified, if the trainer on its own would train past it?"""
        plan = self.context.plan
        if plan.stop_step is None:
            return False
        with_state = bool(plan.expected) and plan.expected[-1].state_name is not None
        for one in self.translator.checkpoints:
            if one.final and one.step == plan.stop_step and is_safe(one, with_state):
                self.journals.emit("plan_done", name=one.name, step=one.step)
                return True
        return False

    def _safe_point_reached(self) -> bool:
        seen, at = self.translator.checkpoints, self._newest_safe()
        if at > self._after:
            self.journals.emit("safe_point", name=seen[at].name, step=seen[at].step)
            return True
        broken = in_vain(seen, self._after)
        if broken is not None:
            why = "its weights are not finite, so no later checkpoint will be good"
            self.journals.emit("no_safe_point", name=broken.name, step=broken.step, why=why)
        return broken is not None

    async def _stop(self) -> None:
        """Until the training has ended. Whatever fails, the order is carried out."""
        while not self.trainer.ended.is_set():
            if not await self.journals.guarded("stop", partial(self.trainer.stop, self.hurry)):
                self.hurry.set()
                await asyncio.sleep(1.0)


def untrusted_step(state: AttemptState, guard: Guard) -> int | None:
    """The first true step of this attempt with a non-finite loss, unless exact losses show a recovery: later
    files are worthless."""
    return None if guard.losses.recovered else state.first_nonfinite_step


def _mode(order: Order) -> str:
    return str(order.data.get("mode", "default"))
