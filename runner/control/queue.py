"""What a person can do with the queue of this machine: see it, change its order, release a held run."""

from __future__ import annotations

import contextlib
import math
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from runner.control.launch import starts_lock
from runner.control.orders import Refused, is_heard_elsewhere, refuse_foreign
from runner.model import RunListing, RunSpec, RunState, Status
from runner.process.spawn import detachment
from runner.store import queue
from runner.store.journal import readable, write_json
from runner.store.liveness import lock_held
from runner.store.queue import WHERE, Entry, Mark
from runner.store.registry import list_runs, run_paths
from runner.store.rundir import RunDir, home, runs_root
from runner.store.starting import start_supervisor


def queued_runs() -> list[RunListing]:
    """In their order, with their expected times; those of other hosts last."""
    found = [one for one in list_runs() if one.state is RunState.QUEUED]
    return sorted(found, key=lambda one: (_place(one), one.created_at))


def _place(one: RunListing) -> float:
    place = one.waiting.place if one.waiting is not None else None
    return place if place is not None else math.inf


def move(path: Path, where: str) -> str:
    """`where`: first, up, down, last. Returns one sentence. Raises Refused."""
    assert where in WHERE
    mark = _mark(path)
    folder = queue.queue_folder(home(), mark.host)
    try:
        with starts_lock():
            order = queue.entries(folder)
            if all(one.run_id != path.name for one in order):
                queue.add(folder, Entry(mark.place, path.name, bool(mark.held)))
                order = queue.entries(folder)
            for old, new in queue.reordered(order, path.name, where):
                queue.change(folder, old, new)
            order = queue.entries(folder)
    except OSError as error:
        raise Refused(f"the queue cannot be changed: {error.strerror}") from None
    at = next((n for n, one in enumerate(order, start=1) if one.run_id == path.name), None)
    if at is None:  # its turn has come
        raise Refused(f"run {path.name} has just left the queue")
    return f"run {path.name} is number {at} of {len(order)} in the queue"


def release(path: Path) -> str:
    """A held run waits for its turn again; one of a host that no longer exists, or no longer responds, joins
    the queue of this one. Returns one sentence. Raises Refused."""
    mark = _mark(path)
    run = RunDir(path)
    here = queue.this_host()
    if mark.host == here and not mark.held:
        raise Refused(f"run {run.id} is not held: it waits for its turn")
    try:
        with starts_lock():
            if mark.host != here:
                mark = _take_over(run, mark, here)
            queue.write_mark(run, replace(mark, held=""))
            _put(run, mark)
    except OSError as error:
        raise Refused(f"run {run.id} cannot be released: {error.strerror}") from None
    _start(run)
    return f"run {run.id} waits for its turn"


def _put(run: RunDir, mark: Mark) -> None:
    """Its entry, not held."""
    folder = queue.queue_folder(home(), mark.host)
    mine = next((one for one in queue.entries(folder) if one.run_id == run.id), None)
    if mine is None:
        queue.add(folder, Entry(mark.place, run.id))
    elif mine.held:
        queue.change(folder, mine, replace(mine, held=False))


def _take_over(run: RunDir, mark: Mark, here: str) -> Mark:
    """Raises Refused while a process of the other host holds the run, or wrote a heartbeat lately."""
    status = readable(run.status, Status)
    beats = status is not None and is_heard_elsewhere(run, status.heartbeat_at)
    if lock_held(run.lock) or beats:
        raise Refused(f"run {run.id} waits in the queue of {mark.host}: release it there")
    folder = queue.queue_folder(home(), here)
    spec = readable(run.spec, RunSpec)
    if spec is not None:
        write_json(run.spec, replace(spec, host=here), durable=True)
    queue.remove(queue.queue_folder(home(), mark.host), run.id)
    return replace(mark, host=here, place=queue.next_place(folder))


def _mark(path: Path) -> Mark:
    """Raises Refused."""
    refuse_foreign(RunDir(path))
    mark = queue.queued_mark(RunDir(path))
    if mark is None:
        raise Refused(f"run {path.name} is not queued")
    return mark


# --------------------------------------------------------------------------- dead processes

#: started at once; they replace their neighbours
AT_ONCE = 3


def revive(listings: Iterable[RunListing] | None = None) -> int:
    """Replace dead waiting processes; returns how many. `listings`: of all runs, if known."""
    if listings is None:
        names = [path.name for path in run_paths() if (path / "queued.json").exists()]
    else:
        names = [one.id for one in listings if one.state is RunState.QUEUED]
    started = 0
    for name in sorted(names):
        run = RunDir(runs_root() / name)
        mark = queue.queued_mark(run)
        if mark is None or mark.host != queue.this_host() or lock_held(run.lock):
            continue
        with contextlib.suppress(Refused, OSError, subprocess.SubprocessError):
            refuse_foreign(run)
            _start(run)
            started += 1
        if started == AT_ONCE:
            break
    return started


def _start(run: RunDir) -> None:
    if not lock_held(run.lock):
        start_supervisor(run, detachment()[1])
