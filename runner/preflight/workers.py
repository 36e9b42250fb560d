"""Can the data loader's workers work?

sd-scripts main 48d368fa: 8 workers by default, no more than the machine has cores; persistent
workers need at least one. On Linux they hand batches over in /dev/shm, which a container makes
small (64 MB); elsewhere each is a new process that imports torch.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from runner.model.units import file_size
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned

DEFAULT_WORKERS = 8
SHARED_MEMORY = Path("/dev/shm")
#: a batch of pixels at 1024x1024 is 12 MB; workers hold two each
LEAST_BYTES_PER_WORKER = 64_000_000


def look(facts: Facts) -> Finding:
    if facts.config.trainer.embedded:
        return skipped("none", "The built-in trainer has no workers.")
    asked = facts.number("max_data_loader_n_workers")
    wanted = DEFAULT_WORKERS if asked is None else int(asked)
    workers = min(wanted, os.cpu_count() or 1)
    if facts.on("persistent_data_loader_workers") and workers < 1:
        detail = "persistent_data_loader_workers needs at least one worker."
        cure = flag_cure(
            facts.config, "workers", "no workers", {"persistent_data_loader_workers": False}
        )
        advice = "take persistent_data_loader_workers out"
        return failed("persistent without", detail, advice).curable(cure)
    if workers and sys.platform == "linux" and (found := _shared_memory(facts, workers)):
        return found
    spawned = sys.platform != "linux" and workers > 1
    if spawned and not facts.on("persistent_data_loader_workers"):
        detail = f"{workers} workers are started anew at every epoch and import torch each time."
        changes = {"max_data_loader_n_workers": 1, "persistent_data_loader_workers": True}
        cure = flag_cure(facts.config, "workers", "one worker that stays", changes)
        return warned(f"{workers} spawned", detail, "max_data_loader_n_workers = 1").curable(cure)
    return passed(f"{workers} workers" if workers != 1 else "1 worker", _told(workers))


def _told(workers: int) -> str:
    if not workers:
        return "The trainer loads the images itself."
    return f"{workers} of {os.cpu_count()} cores load images."


def _shared_memory(facts: Facts, workers: int) -> Finding | None:
    try:
        space = shutil.disk_usage(SHARED_MEMORY)
    except OSError:
        return None
    return judge_shared(facts, workers, space.free)


def judge_shared(facts: Facts, workers: int, free_bytes: int) -> Finding | None:
    need = workers * LEAST_BYTES_PER_WORKER
    if free_bytes >= need:
        return None
    detail = (
        f"{SHARED_MEMORY} has {file_size(free_bytes)} left; {workers} workers may fill it, which "
        "ends the training with a bus error."
    )
    cure = flag_cure(facts.config, "workers", "load without workers", _no_workers(facts))
    advice = "max_data_loader_n_workers = 0, or --shm-size for the container"
    return warned("little /dev/shm", detail, advice).curable(cure)


def _no_workers(facts: Facts) -> dict[str, int | bool]:
    changes: dict[str, int | bool] = {"max_data_loader_n_workers": 0}
    if facts.on("persistent_data_loader_workers"):
        changes["persistent_data_loader_workers"] = False
    return changes


CHECK = Check("workers", "Workers", look)
