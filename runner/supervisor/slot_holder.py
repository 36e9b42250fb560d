"""The slots of a running training, see `runner.store.slot_locks`: those of a queued run since its turn, those
that an earlier supervisor held, or a share in the slots that a plain start uses."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

from runner.config.slot_needs import needs_of
from runner.hardware.list_gpus import usable
from runner.model import AttemptPlan, HardwareSample
from runner.process.spawn import shell_environment
from runner.store import queue, slot_locks, slots
from runner.store.slot_locks import Held, Holder
from runner.store.slots import BadSlots, Gpu, Slot
from runner.supervisor.context import AttemptContext

#: how long a plain start may look for its GPUs before the queue continues
PATIENCE_S = 60.0


class SlotHolder:
    def __init__(self, context: AttemptContext, held: Sequence[Held] = ()) -> None:
        """`held`: the locks of a queued attempt."""
        run = context.run
        self._context, self._held = context, list(held)
        self._folder = slot_locks.slots_folder(queue.home_of(run), queue.this_host())
        self._plain = False
        self._began_at = 0.0
        self._starting: Held | None = None
        #: set by the supervisor's loop while `hold` works in a thread
        self._over = threading.Event()

    def descriptors(self) -> tuple[int, ...]:
        """For the keeper, which holds them until it exits."""
        return tuple(one.fd for one in self._held)

    def begin_plain(self) -> None:
        """Before a plain start: the queue takes no slot until this training has its share. Never waits."""
        self._plain = True
        self._began_at = time.monotonic()
        with contextlib.suppress(OSError):
            self._starting = slot_locks.begin_plain(self._folder)

    def hold(self, sample: HardwareSample | None) -> None:
        """Repeated: take again what an earlier supervisor held, or a share, as soon as it is free. `sample`:
        with the machine's GPUs; None: none yet."""
        if time.monotonic() - self._began_at > PATIENCE_S:
            self._begun()  # a driver that does not respond, or a full disk, must not block the queue
        if self._held or self._over.is_set():
            return
        run, attempt = self._context.run, self._context.attempt
        with contextlib.suppress(OSError):
            known = slot_locks.named_by(self._folder, run.id, attempt)
            if known is not None:
                self._held = slot_locks.retake(self._folder, known)
            elif self._plain and sample is not None and _answered(sample):
                self._share(sample, Holder(str(run.path), attempt, alone=False))
        if self._over.is_set():  # meanwhile
            self.release()

    def _share(self, sample: HardwareSample, holder: Holder) -> None:
        env = shell_environment()
        wanted = _by_default([Gpu(*one) for one in usable(sample.gpus)], env, self._context.plan)
        for fits in wanted:
            shares = (slot_locks.share(self._folder, slot, holder) for slot in fits)
            held = next((one for one in shares if one is not None), None)
            if held is not None:
                self._held.append(held)
            else:
                slot_locks.claim(self._folder, fits[0], holder)
        self._begun()

    def _begun(self) -> None:
        if self._starting is not None:
            slot_locks.release([self._starting])
            self._starting = None

    def release(self) -> None:
        """The training has ended. The keeper's copies end with it."""
        self._over.set()
        slot_locks.release(self._held)
        self._held = []
        self._begun()


def _by_default(gpus: list[Gpu], env: dict[str, str], plan: AttemptPlan) -> list[list[Slot]]:
    """The slots of the GPUs that a training without the queue uses: those that it names, else the first ones.
    A list of GPUs in PLASMA_SLOTS is not for it."""
    wish, needs = env.get(slots.VARIABLE, "").strip(), needs_of(plan, env)
    try:
        offered = slots.offered(gpus, wish if wish.isdigit() else "")
        if needs.gpus is not None:
            return slots.units(offered, needs)
    except BadSlots:
        return []
    first = list(dict.fromkeys(slot.gpu for slot in offered))[: needs.count]
    return [[slot for slot in offered if slot.gpu == gpu] for gpu in first]


def _answered(sample: HardwareSample) -> bool:
    """Is it known which GPUs this machine has?"""
    return bool(sample.gpus) or {"nvidia", "amd"} <= sample.reasons.keys()
