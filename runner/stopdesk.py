"""Takes the orders that lie in the inbox, and stops the training when the moment is right.

Orders outlive a supervisor: the answered ones in inbox/done are the record from which the next one knows that a
stop is armed, or was under way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from runner import inbox
from runner.composition import resumable_checkpoints, untrusted_step
from runner.lineage import safe_step, weights_step
from runner.model import RunState
from runner.safepoint import (
    Place,
    armed_answer,
    expected_saves,
    in_vain,
    is_safe,
    newest_safe,
    states_are_saved,
)
from runner.stopping import stop_training

if TYPE_CHECKING:
    from runner.supervisor import Supervisor

log = logging.getLogger("supervisor")

#: a stop waits so long for a save in progress to end
SAVE_PATIENCE_S = 120.0
#: the keeper writes how the trainer ended within moments
EXIT_PATIENCE_S = 5.0
GUARD = "guard"


class StopDesk:
    """`order`: the stop that was taken; `stopping`: the ladder has begun, there is no way back."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self.order: inbox.Order | None = None
        self.stopping = False
        self.after_save = False
        self._before = False
        self._after = -1

    # ----------------------------------------------------------------- what was ordered before

    def restore(self) -> None:
        """What a predecessor had taken of this attempt's orders."""
        keeper = self._s.keeper
        since = keeper.started_at if keeper is not None else 0.0
        for order in inbox.done(self._s.run):
            if (order.answered_at or order.at) < since or order.data.get("refused"):
                continue
            if order.kind == "cancel_stop":
                self.order, self.after_save = None, False
            elif order.kind == "stop":
                self._take(order, int(order.data.get("after_save_index", -1)))
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
        """Answer what lies in the inbox; stop if it is time to."""
        for name, order in inbox.pending(self._s.run):
            text, taken = "too old: nobody was there to obey it", order
            if time.time() - order.at <= inbox.DEADLINE_S:
                text, taken = self._obey(order)
            inbox.answer(self._s.run, name, taken, text)
        if self._due():
            await self._stop()

    def _obey(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        """The answer, and the order with what a later supervisor must know of it."""
        refused = replace(order, data={**order.data, "refused": True})
        if order.kind == "cancel_stop":
            return self._cancel(order) or ("no stop is waiting", refused)
        if order.kind != "stop":
            return f"unknown order {order.kind!r}", refused
        mode = str(order.data.get("mode", "default"))
        told = {"mode": mode, "by": order.by, "id": order.id}
        told |= {key: order.data[key] for key in ("alarm", "reason") if key in order.data}
        self._s.tell("ordered", order=order.kind, **told)
        if self.stopping:
            return "already stopping", refused
        if (
            order.by == GUARD
            and self.order is not None
            and (mode == "after_save" or not self.after_save)
        ):
            return f"a stop by {self.order.by} is already ordered", refused
        if mode != "after_save":
            self._take(order, -1)
            return "stopping", order
        return self._arm(order)

    def _cancel(self, order: inbox.Order) -> tuple[str, inbox.Order] | None:
        """A person takes back any stop that waits, the guard only its own for the same alarm."""
        if not self.after_save or self.stopping:
            return None
        if order.by == GUARD and self.armed_by_guard != order.data.get("alarm"):
            return None
        self.after_save, self.order = False, None
        self._s.tell("stop_cancelled", by=order.by, **order.data)
        return "taken back", order

    def _take(self, order: inbox.Order, after: int) -> None:
        self.order, self._after = order, after
        self.after_save = order.data.get("mode") == "after_save"

    def _arm(self, order: inbox.Order) -> tuple[str, inbox.Order]:
        s, place = self._s, self._place()
        saves = expected_saves(s.plan, s.spec.forecast, place.total_steps)
        seen = s.progress.checkpoints
        after = newest_safe(seen, states_are_saved(s.plan, saves, seen))
        saving = s.progress.saving_since is not None
        if after >= 0 and seen[after].step == place.step:
            text, after = f"step {place.step} is saved and whole: stopping", after - 1
        else:
            text = armed_answer(s.plan, saves, seen, place, saving=saving)
        self._take(order, after)
        return text, replace(order, data={**order.data, "after_save_index": after})

    def _place(self) -> Place:
        s, found = self._s, resumable_checkpoints(self._s)
        return Place(
            step=s.progress.step,
            total_steps=s.files.total_steps(s.progress),
            seconds_per_step=s.progress.pace.seconds_per_step,
            state_step=safe_step(found, untrusted_step(s)),
            weights_step=weights_step(found, untrusted_step(s)),
        )

    # ----------------------------------------------------------------- the moment

    def _due(self) -> bool:
        """Never in the middle of writing a file, if it can wait."""
        if self.stopping or self._s.keeper is None or self._s.ended.is_set():
            return False
        if self._plan_is_done():
            return True
        if self.order is None:
            return False
        saving = self._s.progress.saving_since
        if self.after_save:
            return saving is None and self._safe_point_reached()
        if self.order.data.get("mode") == "now" or saving is None:
            return True
        return time.time() - saving > SAVE_PATIENCE_S

    def _plan_is_done(self) -> bool:
        """Is the file of the planned last step verified, where the trainer by itself would train past it?"""
        s, plan = self._s, self._s.plan
        if plan.stop_step is None or s.progress.saving_since is not None:
            return False
        with_state = bool(plan.expected) and plan.expected[-1].state_name is not None
        for one in s.progress.checkpoints:
            if one.final and one.step == plan.stop_step and is_safe(one, with_state):
                s.tell("plan_done", name=one.name, step=one.step)
                return True
        return False

    def _safe_point_reached(self) -> bool:
        s, seen = self._s, self._s.progress.checkpoints
        total = s.files.total_steps(s.progress)
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
