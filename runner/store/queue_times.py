"""When queued runs are expected to start and to end: a simulation over the slots of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.model import RunListing, RunState, Waiting
from runner.store import queue, slot_locks, slots
from runner.store.listing import listing
from runner.store.rundir import RunDir, home
from runner.store.slots import MACHINE, BadSlots, Slot

#: a start further behind is not computed for one run
READ_AT_MOST = 100
_TRAINING = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`held`: by run ID, the slots that a training uses, if known; `wanted`: by run ID, for each slot that a
    queued run needs, those it may have; empty: it will be held."""

    held: Mapping[str, Sequence[str]] = field(default_factory=dict)
    wanted: Mapping[str, Sequence[Sequence[Slot]]] = field(default_factory=dict)


def simulated(
    listings: Sequence[RunListing], order: Sequence[str], occupancy: Occupancy, now: float
) -> list[RunListing]:
    """The same with places, expected starts and `ends_at` of the queued runs. `order`: the IDs of the queue.
    What depends on an unknown time is unknown. Pure."""
    queued = {one.id: one for one in listings if one.state is RunState.QUEUED}
    places = {run_id: n for n, run_id in enumerate((i for i in order if i in queued), start=1)}
    wanted = {run_id: occupancy.wanted.get(run_id, [[MACHINE]]) for run_id in places}
    free = {slot.name: now for units in wanted.values() for fits in units for slot in fits}
    _occupy(free, [one for one in listings if one.state in _TRAINING], occupancy.held, now)
    times: dict[str, tuple[float, float]] = {}
    for run_id in places:
        one = queued[run_id]
        if (one.waiting is not None and one.waiting.held) or not wanted[run_id]:
            continue
        chosen = _earliest(free, wanted[run_id])
        begin = max(now, *(free[name] for name in chosen))
        end = begin + (one.forecast_s if one.forecast_s is not None else math.inf)
        times[run_id] = begin, end
        for slot in (slot for fits in wanted[run_id] for slot in fits):  # no later run passes it
            free[slot.name] = max(free[slot.name], begin)
        free.update(dict.fromkeys(chosen, end))

    def timed(one: RunListing) -> RunListing:
        if one.id not in places:
            return one
        begin, end = times.get(one.id, (math.inf, math.inf))
        waiting = replace(
            one.waiting or Waiting(),
            expected_start_at=_known(begin),
            place=places[one.id],
            places=len(places),
        )
        return replace(one, ends_at=_known(end), waiting=waiting)

    return [timed(one) for one in listings]


def _occupy(
    free: dict[str, float],
    training: Iterable[RunListing],
    held: Mapping[str, Sequence[str]],
    now: float,
) -> None:
    """Until its end, a training uses its slots; if they are unknown, the one that is free first."""
    ends = {one.id: _end(one, now) for one in training} if free else {}
    for run_id in sorted(ends, key=lambda one: not held.get(one)):  # those without come last
        known = [name for name in held.get(run_id, ()) if name in free]
        for name in known if held.get(run_id) else [min(free, key=free.__getitem__)]:
            free[name] = max(free[name], ends[run_id])


def _end(one: RunListing, now: float) -> float:
    """Before its first steps, by its forecast."""
    if one.ends_at is None and one.forecast_s is not None:
        return now + max(0.0, one.forecast_s - (one.duration_s or 0.0))
    return max(now, one.ends_at) if one.ends_at is not None else math.inf


def _earliest(free: Mapping[str, float], wanted: Sequence[Sequence[Slot]]) -> list[str]:
    """One of each list, on different GPUs."""
    chosen: list[Slot] = []
    for fits in wanted:
        used = {slot.gpu or slot.name for slot in chosen}
        left = [slot for slot in fits if (slot.gpu or slot.name) not in used]
        chosen.append(min(left or fits, key=lambda slot: free[slot.name]))
    return [slot.name for slot in chosen]


def _known(at: float) -> float | None:
    return at if math.isfinite(at) else None


def with_queue(listings: list[RunListing]) -> list[RunListing]:
    """For the queue of this host; unchanged without one."""
    if not any(one.state is RunState.QUEUED for one in listings):
        return listings
    host = queue.this_host()
    order = [entry.run_id for entry in queue.entries(queue.queue_folder(home(), host))]
    here = [one for one in listings if one.host == host or one.state is RunState.QUEUED]
    found = simulated(here, order, occupancy_of(home(), host, order), time.time())
    timed = {one.id: one for one in found}
    return [timed.get(one.id, one) for one in listings]


def with_place(run: RunDir, waiting: Waiting, now: float) -> Waiting:
    """The same with its place, and the expected start unless it is far behind: reads the queue and the runs
    that train in its slots, not all runs."""
    mark = queue.queued_mark(run)
    root = queue.home_of(run)
    host = mark.host if mark is not None else queue.this_host()
    order = [entry.run_id for entry in queue.entries(queue.queue_folder(root, host))]
    if mark is None or run.id not in order:
        return waiting
    at = order.index(run.id)
    known = replace(waiting, place=at + 1, places=len(order))
    if at >= READ_AT_MOST:
        return known
    before = order[: at + 1]
    occupancy = occupancy_of(root, host, before)
    paths = [root / "runs" / name for name in dict.fromkeys((*before, *sorted(occupancy.held)))]
    listings = [listing(path) for path in paths if path.is_dir()]
    found = simulated(listings, before, occupancy, now)
    mine = next((one.waiting for one in found if one.id == run.id), None)
    return replace(known, expected_start_at=mine.expected_start_at if mine else None)


def occupancy_of(root: Path, host: str, order: Sequence[str]) -> Occupancy:
    """As far as known: the queue's first process lists the GPUs, and slots name their holders, also former
    ones."""
    folder = slot_locks.slots_folder(root, host)
    gpus = slot_locks.known_gpus(folder)
    named = [(h, name) for name, found in slot_locks.all_holders(folder).items() for h in found]
    newest: dict[str, int] = {}
    held: dict[str, list[str]] = {}
    for holder, name in sorted(named, key=lambda one: -one[0].attempt):
        run_id = holder.run_id
        if newest.setdefault(run_id, holder.attempt) == holder.attempt:
            held.setdefault(run_id, []).append(name)
    wanted: dict[str, list[list[Slot]]] = {}
    for run_id in order:
        mark = queue.read_mark(RunDir(root / "runs" / run_id))
        try:
            wanted[run_id] = slots.wanted_by(mark, gpus) if mark is not None else [[MACHINE]]
        except BadSlots:
            wanted[run_id] = []
    return Occupancy(held, wanted)
