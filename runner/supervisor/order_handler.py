"""Takes the orders that lie in the inbox, and stops the training when the moment is right.

Orders outlive a supervisor: the answered ones in inbox/done are the record from which the next one knows that a
stop is armed, or was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.analysis.safepoint import (
    Place,
    armed_answer,
    expected_saves,
    in_vain,
    is_safe,
    newest_safe,
    states_are_saved,
)
from runner.model import RunState
from runner.process.family import Member
from runner.process.stopping import LOOK_PATIENCE_S, stop_training
from runner.state.lineage import safe_step, weights_step
from runner.store import inbox
from runner.supervisor.snapshot import resumable_checkpoints, untrusted_step

if TYPE_CHECKING:
    from runner.supervisor.main import Supervisor

log = logging.getLogger("supervisor")

#: a stop waits so long for a save in progress to end
SAVE_PATIENCE_S = 120.0
#: the keeper writes how the trainer ended within moments
EXIT_PATIENCE_S = 5.0
#: before the first gentle signal, all that belongs to the training is looked for
GENTLE_LOOK_S = 5.0
GUARD = "guard"


#: what only this class may write into the data of an order
_OURS = ("refused", "repeats", "hurries", "after_save_index")
MODES = ("default", "now", "after_save")


class OrderHandler:
    """`order`: the stop that was taken; `stopping`: the ladder has begun, there is no way back.

    The ladder is a task of its own, so that the inbox is read while it is climbed; `hurry` makes KILL its next
    rung. Orders are answered until the supervisor leaves.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self.order: inbox.Order | None = None
        self.stopping = False
        self.after_save = False
        self.hurry = asyncio.Event()
        #: the console is being read again: what depends on the place of the training has to wait
        self.reading_again = False
        self._before = False
        self._after = -1
        self._began_at = _written_at(supervisor)
        #: by file name: obeyed, but the answer could not be written yet
        self._unanswered: dict[str, tuple[str, inbox.Order]] = {}
        self._ladder: asyncio.Task[None] | None = None

    # ----------------------------------------------------------------- what was ordered before

    def restore(self) -> None:
        """What a predecessor had taken of this attempt's orders."""
        for order in inbox.done(self._s.run):
            if not inbox.is_for(order, self._s.attempt, self._began_at):
                continue
            if order.refused or order.data.get("repeats"):
                continue
            if order.kind == "cancel_stop":
                self.order, self.after_save = None, False
            elif order.data.get("hurries"):
                self.hurry.set()
            elif order.kind == "stop":
                self._take(order, order.data.get("after_save_index"))
        # of a stop at once, a predecessor may have seen more than the beginning
        self._before = self.order is not None and not self.after_save

    @property
    def carried_out(self) -> bool:
        """Was the training stopped as ordered (if it did not end by itself)?"""
        return self.stopping or self._before

    @property
    def armed_by_guard(self) -> str | None:
        """The alarm for which the guard waits for a save."""
        if self.order is None or not self.after_save or self.stopping or self.order.by != GUARD:
            return None
        return str(self.order.data.get("alarm", ""))

    # ----------------------------------------------------------------- orders

    async def work(self) -> None:
        """Answer what lies in the inbox; begin to stop if it is time to."""
        for name, order in inbox.pending(self._s.run):
            if self.reading_again and order.data.get("mode") != "now":
                continue
            if name not in self._unanswered:
                self._unanswered[name] = self._answered(order)
            text, taken = self._unanswered[name]
            try:
                inbox.answer(self._s.run, name, taken, text)
            except OSError as error:  # a full disk must not keep a training from being stopped
                log.warning("the answer to order %s: %s", order.id, error)
            else:
                del self._unanswered[name]
        if self._due():
            self.stopping = True
            self._ladder = asyncio.create_task(self._stop(), name="stop")

    def _answered(self, given: inbox.Order) -> tuple[str, inbox.Order]:
        """The answer, and the order with what a later supervisor must know of it."""
        order = replace(given, data={k: v for k, v in given.data.items() if k not in _OURS})
        try:
            return self._obey(order)
        except Exception as error:  # the orders behind it must be read all the same
            self._s.fault("an order", error)
            return f"not carried out: {type(error).__name__}: {error}", inbox.refusal(order)

    def _obey(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        why = self._refuses(order)
        if why is not None:
            return why, inbox.refusal(order)
        if order.kind == "cancel_stop":
            return self._cancel(order)
        told = {"mode": _mode(order), "by": order.by, "id": order.id}
        told |= {key: str(order.data[key]) for key in ("alarm", "reason") if key in order.data}
        self._s.tell("ordered", order=order.kind, **told)
        if self.stopping or (self.order is not None and not self.after_save):
            return self._hurry(order)
        if _mode(order) == "after_save":
            return self._arm(order)
        self._take(order)
        return _STOPPING[_mode(order)], order

    def _refuses(self, order: inbox.Order) -> str | None:
        """Why this order is not carried out; None if it is."""
        if not inbox.is_for(order, self._s.attempt, self._began_at):
            return f"not carried out: this order is older than attempt {self._s.attempt}"
        if time.time() - order.at > inbox.DEADLINE_S:
            return "not carried out: too old, no supervisor was running to take it"
        if self._s.ended.is_set():
            return "not carried out: the training has ended"
        if order.kind == "cancel_stop":
            return self._refuses_to_cancel(order)
        if order.kind != "stop":
            return f"unknown order {order.kind!r}"
        if _mode(order) not in MODES:
            return f"unknown way to stop {_mode(order)!r}"
        if self.stopping:
            waits = _mode(order) == "after_save"
            return "not carried out: the training is already being stopped" if waits else None
        if self.order is None:
            return None
        waits = _mode(order) == "after_save"
        if order.by == GUARD and (waits or not self.after_save):
            return f"a stop by {self.order.by} is already ordered"
        if waits and not self.after_save:
            return "not carried out: a stop that does not wait for a checkpoint is already ordered"
        return None

    def _refuses_to_cancel(self, order: inbox.Order) -> str | None:
        """A person takes back any stop that has not begun, the guard only its own for the same alarm."""
        if self.stopping:
            return "too late: the training is already being stopped"
        if self.order is None:
            return "no stop is waiting"
        if order.by == GUARD and self.armed_by_guard != order.data.get("alarm"):
            return "no stop is waiting"
        return None

    def _cancel(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        self.after_save, self.order = False, None
        self._s.tell("stop_cancelled", **{**order.data, "by": order.by})
        return "taken back", order

    def _hurry(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        """A further stop, while one is carried out or waits for a save in progress."""
        if _mode(order) != "now" or self.hurry.is_set():
            return "already stopping", replace(order, data={**order.data, "repeats": True})
        self.hurry.set()
        return _STOPPING["now"], replace(order, data={**order.data, "hurries": True})

    def _take(self, order: inbox.Order, after: object = None) -> None:
        self.order, self._after = order, after if isinstance(after, int) else -1
        self.after_save = _mode(order) == "after_save"
        if _mode(order) == "now":
            self.hurry.set()

    def _arm(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        s, place = self._s, self._place()
        saves = expected_saves(s.plan, s.spec.forecast, place.total_steps)
        seen = s.translator.checkpoints
        after = newest_safe(seen, states_are_saved(s.plan, saves, seen))
        saving = s.translator.state.saving_since is not None
        if after >= 0 and seen[after].step == place.step:
            text, after = f"step {place.step} is saved and whole: stopping", after - 1
        else:
            text = armed_answer(s.plan, saves, seen, place, saving=saving)
        self._take(order, after)
        return text, replace(order, data={**order.data, "after_save_index": after})

    def _place(self) -> Place:
        s, found = self._s, resumable_checkpoints(self._s)
        return Place(
            step=s.translator.state.step,
            total_steps=s.files.total_steps(s.translator.state.total_steps),
            seconds_per_step=s.translator.pace.seconds_per_step,
            state_step=safe_step(found, untrusted_step(s)),
            weights_step=weights_step(found, untrusted_step(s)),
        )

    # ----------------------------------------------------------------- the moment

    def _due(self) -> bool:
        """Never in the middle of writing a file, if it can wait."""
        if self.stopping or self._s.keeper is None or self._s.ended.is_set():
            return False
        if self.hurry.is_set():
            return True
        if self.reading_again:
            return False
        if self._plan_is_done():
            return True
        if self.order is None:
            return False
        saving = self._s.translator.state.saving_since
        if self.after_save:
            return saving is None and self._safe_point_reached()
        return saving is None or time.time() - saving > SAVE_PATIENCE_S

    def _plan_is_done(self) -> bool:
        """Is the file of the planned last step verified, where the trainer by itself would train past it?"""
        s, plan = self._s, self._s.plan
        if plan.stop_step is None or s.translator.state.saving_since is not None:
            return False
        with_state = bool(plan.expected) and plan.expected[-1].state_name is not None
        for one in s.translator.checkpoints:
            if one.final and one.step == plan.stop_step and is_safe(one, with_state):
                s.tell("plan_done", name=one.name, step=one.step)
                return True
        return False

    def _safe_point_reached(self) -> bool:
        s, seen = self._s, self._s.translator.checkpoints
        total = s.files.total_steps(s.translator.state.total_steps)
        saves = expected_saves(s.plan, s.spec.forecast, total)
        at = newest_safe(seen, states_are_saved(s.plan, saves, seen))
        if at > self._after:
            s.tell("safe_point", name=seen[at].name, step=seen[at].step)
            return True
        broken = in_vain(seen, self._after)
        if broken is not None:
            why = "its weights are not finite, so no later checkpoint will be good"
            s.tell("no_safe_point", name=broken.name, step=broken.step, why=why)
        return broken is not None

    async def _stop(self) -> None:
        """Until the training has ended. Whatever fails, what was ordered is carried out."""
        while not self._s.ended.is_set():
            try:
                await self._climb()
            except Exception as error:
                self._s.fault("stop", error)
                self.hurry.set()
                await asyncio.sleep(1.0)

    async def _climb(self) -> None:
        s = self._s
        assert s.keeper is not None
        s.state = RunState.STOPPING
        s.write_status()
        with contextlib.suppress(TimeoutError):
            patience_s = LOOK_PATIENCE_S if self.hurry.is_set() else GENTLE_LOOK_S
            await asyncio.wait_for(s.count_family(), patience_s)
        members = {pid: m for pid, m in s.members.items() if pid != s.keeper.keeper_pid}
        if s.trainer_created_at is not None:
            trainer = Member(s.keeper.pid, s.trainer_created_at, "", same_group=True)
            members.setdefault(trainer.pid, trainer)
        roots = (s.keeper.keeper_pid, s.keeper.pid)
        grace_s = s.spec.stop_grace_s
        gone = await stop_training(roots, s.keeper.pgid, members, grace_s, s.tell, self.hurry)
        log.info("stop: all gone: %s", gone)
        deadline = time.monotonic() + EXIT_PATIENCE_S
        while not s.look_for_end():
            # nothing is left, although nobody saw how it ended; a trainer that lives has not ended
            if gone and time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        s.exit_unseen = s.exit is None
        s.ended.set()


_STOPPING = {"default": "stopping", "now": "stopping: killing every process of the training"}


def _mode(order: inbox.Order) -> str:
    return str(order.data.get("mode", "default"))


def _written_at(s: Supervisor) -> float:
    """When the plan of this attempt was written; 0 if that is not known."""
    try:
        return s.run.attempt(s.attempt).stat().st_mtime
    except OSError:
        return 0.0
