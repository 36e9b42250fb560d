"""Free resources of the machine: GPU, memory, loader workers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from runner.hardware.board import default_sources, read_once
from runner.hardware.comfy import port_users
from runner.hardware.processes import myself, running
from runner.hardware.programs import COMFY, Hold
from runner.hardware.users import Listing, User, other_users, roots_of
from runner.model import GpuSample
from runner.model.units import count, file_size, memory_size
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.store.registry import live_runs

#: do not wait longer for a driver
_DRIVER_S = 1.5


@check("gpu_users", "GPU users", 430)
def gpu_users(facts: Facts) -> Finding:
    """Who else uses the GPU, or will on its next request? Reporting only: nothing is ever stopped from here.
    Three sources: the table of known command lines, the GPU driver's processes, and listeners on ComfyUI's
    port.
    """
    if facts.device_wanted == "cpu":
        return skipped("trains on the CPU", "The GPU is not used.")
    gpus = read_once(default_sources(), _DRIVER_S)
    if not gpus and facts.device_wanted is None and not driver_here():
        return skipped("no GPU", "This machine has no GPU.")
    return judge_gpu_users(users(others(), gpus, roots_of(live_runs())))


def driver_here() -> bool:
    """May there be a GPU that did not respond in time? True if unknown."""
    places = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    known = sys.platform == "linux" and shutil.which("nvidia-smi") is None
    return not known or any(map(os.path.exists, places))


def others() -> Listing:
    """Every process except ourselves and our parent shells."""
    mine = myself()
    return Listing.of(process for process in running() if process.pid not in mine)


def judge_gpu_users(found: Sequence[User]) -> Finding:
    if not found:
        return passed("none seen", "No known program uses the GPU.")
    found = sorted(found, key=lambda user: user.title != COMFY)  # it can be asked to free the GPU
    titles = list(dict.fromkeys(user.title for user in found))
    evidence = titles[0] if len(titles) == 1 else f"{titles[0]} +{len(titles) - 1}"
    users = some([f"{user.title}{_details(user)}" for user in found], 4)
    advice = "; ".join(dict.fromkeys(filter(None, (user.how for user in found))))
    return warned(evidence, f"Also running: {users}.", advice)


def _details(user: User) -> str:
    """` (pid 71, 3.0 GB on the GPU)`; GPU memory if the driver reports it, else main memory."""
    parts = [f"pid {user.pid}"] if user.pid is not None else []
    if user.gpu_memory_bytes:
        parts.append(f"{memory_size(user.gpu_memory_bytes)} on the GPU")
    elif user.memory_bytes:
        parts.append(memory_size(user.memory_bytes))
    return f" ({', '.join(parts)})" if parts else ""


def users(
    listing: Listing, gpus: Sequence[GpuSample] = (), runs: frozenset[int] = frozenset()
) -> list[User]:
    """One entry per program; launchers and their children are one training. A server without a loaded model
    is no reason to wait. `runs`: the processes of our runs; their children are left out too."""
    found = other_users(listing, gpus, runs)
    found = (*found, *port_users(listing, found, own=listing.with_descendants(runs)))
    return [user for user in found if user.hold is not Hold.IDLE]


@check("memory", "Memory", 440)
def memory(facts: Facts) -> Finding:
    """Is there memory left? Very little is a warning; the check `memory_need` compares it with the need."""
    memory = psutil.virtual_memory()
    return judge_memory(memory.available, memory.total, facts.demands.memory_bytes)


def judge_memory(available: int, total: int, least: int) -> Finding:
    evidence = f"{memory_size(available)} free"
    detail = f"{memory_size(available)} of {memory_size(total)} memory are available."
    if available < least:
        return warned(evidence, detail, "close other programs that use memory or the GPU")
    return passed(evidence, detail)


DEFAULT_WORKERS = 8
SHARED_MEMORY = Path("/dev/shm")
#: a batch of pixels at 1024x1024 is 12 MB; workers hold two each
LEAST_BYTES_PER_WORKER = 64_000_000
PERSISTENT, WORKERS = "persistent_data_loader_workers", "max_data_loader_n_workers"


@check(
    "workers", "Workers", 320,
    foresees=("persistent_workers_without_workers", "shared_memory_exhausted"),
)  # fmt: skip
def workers(facts: Facts) -> Finding:
    """Can the data loader use its workers?

    sd-scripts main 48d368fa: 8 workers by default, no more than the machine has cores; persistent workers
    need at least one. On Linux they pass batches through /dev/shm, which is small in a container (64 MB);
    elsewhere each is a new process that imports torch.
    """
    asked, cores = facts.number(WORKERS), os.cpu_count() or 1
    workers = min(DEFAULT_WORKERS if asked is None else int(asked), cores)
    persistent, linux = facts.on(PERSISTENT), sys.platform == "linux"
    if persistent and workers < 1:
        fix = Fix("no workers", {PERSISTENT: REMOVED})
        return failed("no worker to keep", f"{PERSISTENT} needs at least one worker.", "", fix)
    if workers and linux and SHARED_MEMORY.is_dir():
        free = shutil.disk_usage(SHARED_MEMORY).free
        if found := judge_shared(facts, workers, free):
            return found
    if workers > 1 and not linux and not persistent:
        detail = f"{workers} workers are restarted every epoch and import torch each time."
        fix = Fix("one worker that stays", {WORKERS: 1, PERSISTENT: True})
        return warned(f"{workers} spawned", detail, "", fix)
    detail = (
        f"{workers} of {cores} cores load images." if workers else "The trainer loads them itself."
    )
    return passed(count(workers, "worker"), detail)


def judge_shared(facts: Facts, workers: int, free_bytes: int) -> Finding | None:
    if free_bytes >= workers * LEAST_BYTES_PER_WORKER:
        return None
    detail = (
        f"{SHARED_MEMORY} has {file_size(free_bytes)} left; {workers} workers may fill it, which "
        "ends the training with a bus error."
    )
    changes = {WORKERS: 0} | ({PERSISTENT: REMOVED} if facts.on(PERSISTENT) else {})
    advice = "max_data_loader_n_workers = 0, or --shm-size for the container"
    return warned("little /dev/shm", detail, advice, Fix("load without workers", changes))
