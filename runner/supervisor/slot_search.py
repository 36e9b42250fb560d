"""Slots for a queued run: those that are free, and that no run before it in the queue may take. So a run that
names its GPU does not block the others, and none of them passes a run that could use the same slot.

In: marks of the runs ahead, the GPUs, slot locks. Out: locks, or the reason for the wait. Few imports: see
`runner.supervisor.waiting`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runner.store import queue, slot_locks, slots
from runner.store.queue import Entry, Mark
from runner.store.rundir import RunDir
from runner.store.slot_locks import Held, Holder
from runner.store.slots import BadSlots, Gpu, Slot
from runner.supervisor.handing_over import list_gpus

#: GPUs are listed by a child process
GPUS_S, GPUS_FRESH_S = 60.0, 20.0
#: after a driver without an answer
RETRY_S = 20.0
#: a training without a lock in the only free slot: searching for it reads the process table
OCCUPIED_S = 5.0

NO_GPU = (
    "no GPU of its slots responds now: see `plasma-tui hardware`, or queue it with PLASMA_SLOTS=1"
)
STARTING = "a training is starting: it is not yet known which GPU it uses"

Found = list[tuple[Slot, Held]]


class SlotSearch:
    """`reason`: why the last search found nothing, one phrase; `rest_s`: how long not to search again."""

    def __init__(self, run: RunDir) -> None:
        self._run, self._home = run, queue.home_of(run)
        self._gpus: list[Gpu] | None = None
        self._gpus_at = -GPUS_S
        #: by key, who uses a GPU outside this queue
        self._in_use: dict[str, str] = {}
        self._ahead: dict[Entry, Mark | None] = {}
        #: of this order, the slots that others may take first
        self._reserved_in: tuple[Sequence[Entry], frozenset[str] | None] = ((), None)
        self.reason, self.rest_s = "", 0.0

    def has_turn(self, mark: Mark, order: Sequence[Entry]) -> bool:
        """Is there a slot that it may take before all others?"""
        reserved = self._reserved(mark, order)
        if not reserved:
            return reserved is not None
        with contextlib.suppress(BadSlots):
            left = self._left(mark, self._known(mark), reserved)
            gpus = {slot.gpu or slot.name for fits in left for slot in fits}
            return all(left) and len(gpus) >= len(left)
        return False  # it is reported when it is the first

    def find(self, mark: Mark, order: Sequence[Entry], now: float) -> Found:
        """All that it needs, or none. Raises BadSlots, OSError."""
        self.reason, self.rest_s = "", 0.0
        if self._gpus is None or now - self._gpus_at >= GPUS_S:
            self._list_gpus(mark, now)
        folder = self._folder(mark)
        if self._gpus is not None and not slot_locks.nothing_starts(folder):
            self.reason = STARTING
            return []
        found = self._take(mark, order)
        if found and now - self._gpus_at > GPUS_FRESH_S:  # the GPU may have vanished since
            slot_locks.release([held for _, held in found])
            self._list_gpus(mark, now)
            found = self._take(mark, order)
        return found

    def may_keep(self, found: Found, mark: Mark, order: Sequence[Entry]) -> bool:
        """The order may have changed during the search."""
        reserved = self._reserved(mark, order)
        return reserved is not None and not any(slot.name in reserved for slot, _ in found)

    # ----------------------------------------------------------------- the runs ahead

    def _reserved(self, mark: Mark, order: Sequence[Entry]) -> frozenset[str] | None:
        """The slots that runs before it may take; None: unknown, or it is not in the order."""
        if self._reserved_in[0] is not order:
            self._reserved_in = order, self._reserved_by(self._runs_before(order), mark)
        return self._reserved_in[1]

    def _runs_before(self, order: Sequence[Entry]) -> list[Entry] | None:
        found: list[Entry] = []
        for entry in order:
            if entry.run_id == self._run.id:
                return found
            if not entry.held:
                found.append(entry)
        return None

    def _reserved_by(self, ahead: list[Entry] | None, mark: Mark) -> frozenset[str] | None:
        if not ahead:
            return None if ahead is None else frozenset()
        gpus = self._known(mark)
        mine = set(_names(mark, gpus))
        self._ahead = {entry: self._ahead.get(entry) for entry in ahead}
        reserved: set[str] = set()
        for entry in ahead:
            other = self._ahead[entry] or self._read(entry)
            self._ahead[entry] = other
            if other is None or not gpus:
                return None
            reserved.update(_names(other, gpus))
            if mine <= reserved:  # the usual case: the first one may take any
                break
        return frozenset(reserved)

    def _read(self, entry: Entry) -> Mark | None:
        """Without what is large and secret. None: a leftover, which its neighbour removes."""
        mark = queue.queued_mark(RunDir(self._home / "runs" / entry.run_id))
        wish = {slots.VARIABLE: slots.wish_of(mark)} if mark is not None else {}
        return mark and replace(mark, env=wish, config=None)

    def _known(self, mark: Mark) -> list[Gpu]:
        return self._gpus or slot_locks.known_gpus(self._folder(mark))

    def _left(self, mark: Mark, gpus: Sequence[Gpu], reserved: frozenset[str]) -> list[list[Slot]]:
        """Raises BadSlots."""
        wanted = slots.wanted_by(mark, gpus)
        return [[slot for slot in fits if slot.name not in reserved] for fits in wanted]

    # ----------------------------------------------------------------- the slots

    def _folder(self, mark: Mark) -> Path:
        return slot_locks.slots_folder(self._home, mark.host)

    def _take(self, mark: Mark, order: Sequence[Entry]) -> Found:
        if self._gpus is None or not slots.offered(self._gpus, slots.wish_of(mark)):
            self.reason, self.rest_s = NO_GPU, RETRY_S
            return []
        reserved = self._reserved(mark, order)
        wanted = self._left(mark, self._gpus, reserved or frozenset())
        if reserved is None or not all(wanted):
            return []
        holder = Holder(str(self._run.path), mark.attempt, alone=True)
        outside = {} if mark.force else self._in_use
        free = [[s for s in fits if not s.gpu or s.gpu.key not in outside] for fits in wanted]
        found = slot_locks.take(self._folder(mark), free, holder, self._lives) if all(free) else []
        if found or self.reason:
            return found
        used = {slot.label: outside[slot.gpu.key] for fits in wanted for slot in fits
                if slot.gpu and slot.gpu.key in outside}  # fmt: skip
        reasons = [f"{label} is used outside this queue by {who}" for label, who in used.items()]
        if all(free):
            reasons.append(_in_use(self._folder(mark), free))
        else:
            self.rest_s, self._gpus_at = RETRY_S, -GPUS_S
        self.reason = ", ".join(reasons)
        return []

    def _lives(self, holder: Holder) -> bool:
        """Does a training live whose supervisor and keeper do not?"""
        run = RunDir(self._home / "runs" / holder.run_id)
        if not run.path.is_dir():
            return False
        from runner.store.unrecorded import still_runs  # rarely needed, by one process at a time

        if still_runs(run):
            self.rest_s = OCCUPIED_S
            self.reason = f"its slot is still used by the training of run {run.id}"
            return True
        return False

    def _list_gpus(self, mark: Mark, now: float) -> None:
        """By a child: the driver may hang, and its library is large. None: no answer, or every GPU that was
        there is gone."""
        self._gpus_at = now
        found = list_gpus()
        self._gpus, self._in_use = found if found is not None else (None, {})
        self._reserved_in = (), None
        folder = self._folder(mark)
        if not self._gpus and not slots.wish_of(mark).isdigit() and slot_locks.known_gpus(folder):
            self._gpus = None
        if self._gpus:
            with contextlib.suppress(OSError):
                slot_locks.remember_gpus(folder, self._gpus)


def _names(mark: Mark, gpus: Sequence[Gpu]) -> Iterator[str]:
    """Of the slots that it may take; none if it will be held for its slots."""
    with contextlib.suppress(BadSlots):
        yield from (slot.name for fits in slots.wanted_by(mark, gpus) for slot in fits)


def _in_use(folder: Path, wanted: Sequence[Sequence[Slot]]) -> str:
    """`GPU 0 is used by run ...`, `GPU 0 and GPU 1 are in use`."""
    wanted_slots = dict.fromkeys(slot for fits in wanted for slot in fits)
    used = list(dict.fromkeys(slot.label for slot in wanted_slots))
    if len(used) > 1:
        return f"{', '.join(used[:-1])} and {used[-1]} are in use"
    holders = (one for slot in wanted_slots for one in slot_locks.holders_of(folder, slot.name))
    runs = list(dict.fromkeys(one.run_id for one in holders))
    by = f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{used[0]} is used by {by}" if runs else f"{used[0]} is in use"
