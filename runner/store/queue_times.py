"""When queued runs are expected to start and to end: a simulation over the slots of this machine."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runner.files.regular_file import read_bytes
from runner.model import RunListing, RunState, Waiting
from runner.store import queue, slot_locks, slots
from runner.store.listing import listing
from runner.store.rundir import RunDir, home
from runner.store.slots import Gpu

#: a start further behind is not computed for one run
READ_AT_MOST = 100
_TRAINING = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


def simulated(
    listings: Sequence[RunListing],
    order: Sequence[str],
    slots_here: int,
    now: float,
    needed: Mapping[str, int],
) -> list[RunListing]:
    """The same with places, expected starts and `ends_at` of the queued runs. `order`: the IDs of the
    queue; `needed`: slots by ID, default 1. What depends on an unknown time is unknown. Pure."""
    queued = {one.id: one for one in listings if one.state is RunState.QUEUED}
    places = {run_id: n for n, run_id in enumerate((i for i in order if i in queued), start=1)}
    ends = [_end(one, now) for one in listings if one.state in _TRAINING]
    free = sorted([*sorted(ends, reverse=True)[:slots_here], *[now] * (slots_here - len(ends))])
    times: dict[str, tuple[float, float]] = {}
    earliest = now
    for run_id in places:
        one = queued[run_id]
        if one.waiting is not None and one.waiting.held:
            continue
        count = min(needed.get(run_id, 1), slots_here)
        begin = earliest = max(earliest, *free[:count])
        end = begin + (one.forecast_s if one.forecast_s is not None else math.inf)
        times[run_id] = begin, end
        free = sorted([*free[count:], *[end] * count])

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


def _end(one: RunListing, now: float) -> float:
    return max(now, one.ends_at) if one.ends_at is not None else math.inf


def _known(at: float) -> float | None:
    return at if math.isfinite(at) else None


def with_queue(listings: list[RunListing]) -> list[RunListing]:
    """For the queue of this host; unchanged without one."""
    if not any(one.state is RunState.QUEUED for one in listings):
        return listings
    host = queue.this_host()
    order = [entry.run_id for entry in queue.entries(queue.queue_folder(home(), host))]
    needed = _needed(home(), order)
    here = [one for one in listings if one.host == host or one.state is RunState.QUEUED]
    found = simulated(here, order, slots_here(host, home()), time.time(), needed)
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
    folder = slot_locks.slots_folder(root, host)
    holders = {Path(one.run).name for one in slot_locks.all_holders(folder)}
    paths = [root / "runs" / name for name in dict.fromkeys((*order[: at + 1], *sorted(holders)))]
    listings = [listing(path) for path in paths if path.is_dir()]
    found = simulated(listings, order[: at + 1], slots_here(host, root), now, _needed(root, order))
    mine = next((one.waiting for one in found if one.id == run.id), None)
    return replace(known, expected_start_at=mine.expected_start_at if mine else None)


def _needed(root: Path, order: Sequence[str]) -> dict[str, int]:
    marks = ((run_id, queue.read_mark(RunDir(root / "runs" / run_id))) for run_id in order)
    return {run_id: len(mark.gpus) if mark.gpus else mark.count for run_id, mark in marks if mark}


def slots_here(host: str, root: Path) -> int:
    """How many there are, as far as known: the queue's first process lists the GPUs."""
    gpus: list[Gpu] = []
    try:
        text = read_bytes(slot_locks.slots_folder(root, host) / "gpus.json", follow=False)
        gpus = [Gpu(str(key), str(kind), int(index)) for key, kind, index in json.loads(text)]
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    try:
        return max(1, len(slots.offered(gpus, os.environ.get(slots.VARIABLE, ""))))
    except slots.BadSlots:
        return 1
