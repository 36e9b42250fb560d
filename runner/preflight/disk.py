"""Is there room for every checkpoint, state and cache? A full disk kills sd-scripts in the middle
of a save.

A state folder holds the LoRA in float32 and AdamW's two moments: about three times that (measured
on sd-scripts main; other optimizers need less). What save_last_n_* deletes makes room again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.model import ExpectedCheckpoint, Forecast
from runner.model.units import file_size
from runner.preflight.facts import Facts
from runner.preflight.lora_size import lora_bytes
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.preflight.output import nearest_existing
from runner.store.rundir import home
from runner.trainers.sd_scripts.dataset import DatasetError

STATE_FACTOR = 3
#: console.log, journals and event files of one run, generously
RUN_FOLDER_BYTES = 100_000_000
#: asked for when the size of a checkpoint cannot be told
UNKNOWN_NEED_BYTES = 5_000_000_000
#: a cached image: 4 channels of float32 at an eighth of each side, for a 1024x1024 image, with its ZIP
_CACHE_BYTES_PER_PIXEL = 4 * 4 / 64


def look(facts: Facts) -> Finding:
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    runs_free = free_bytes(home())
    if runs_free < RUN_FOLDER_BYTES:
        detail = f"{home()} has {file_size(runs_free)} left for the run's own files."
        return failed(f"{file_size(runs_free)} for runs", detail, "free disk space there")
    place = nearest_existing(folder)
    need = needed(facts.forecast(), size_of_one(facts))
    cache = cache_bytes(facts)
    if cache and (found := _cache_room(facts, cache)):
        return found
    return judge(free_bytes(place), need, str(place))


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(nearest_existing(folder)).free


def size_of_one(facts: Facts) -> int | None:
    """Learnt from a smoke test, by rank and architecture, or the most that is expected."""
    forecast, expected = facts.forecast(), facts.config.expect.checkpoint_mb
    known = forecast.checkpoint_bytes or lora_bytes(facts)
    if known is not None:
        return known
    return int(expected[1] * 1e6) if expected is not None else None


def needed(forecast: Forecast, each_bytes: int | None) -> int | None:
    """The most bytes that files and states take at one time; None when no size of a file is known."""
    if forecast.size_bytes is not None:
        return forecast.size_bytes
    if each_bytes is None:
        return None
    state_bytes = forecast.state_bytes or each_bytes * STATE_FACTOR
    if not forecast.checkpoints:
        return each_bytes
    steps = [checkpoint.step for checkpoint in forecast.checkpoints]
    return max(_held(forecast.checkpoints, step, each_bytes, state_bytes) for step in steps)


def _held(
    checkpoints: tuple[ExpectedCheckpoint, ...], step: int, each_bytes: int, state_bytes: int
) -> int:
    """What lies there when the files of this step are written: the old ones go only afterwards."""
    written = [c for c in checkpoints if c.step <= step]
    files = sum(c.removed_at_step is None or c.removed_at_step >= step for c in written)
    states = sum(
        c.state_removed_at_step is None or c.state_removed_at_step >= step
        for c in written
        if c.state_name is not None
    )
    return files * each_bytes + states * state_bytes


def cache_bytes(facts: Facts) -> int:
    """Of latents that are still to be cached beside the images."""
    script = facts.script
    if script is None or not facts.on("cache_latents_to_disk"):
        return 0
    try:
        plan = facts.plan()
    except DatasetError:
        return 0
    pixels = sum(i.bucket[0] * i.bucket[1] for d in plan.datasets for i in d.images)
    return int(pixels * _CACHE_BYTES_PER_PIXEL * (8 / script.stride) ** 2)


def _cache_room(facts: Facts, cache: int) -> Finding | None:
    place = next(iter(facts.image_paths()), facts.config.trainer_cwd / "here").parent
    free = free_bytes(place)
    if free >= cache:
        return None
    detail = f"{file_size(free)} are free in {place}; cached latents take {file_size(cache)}."
    return failed(f"{file_size(free)} for cache", detail, "cache_latents without _to_disk")


def judge(free: int, need: int | None, place: str) -> Finding:
    if need is None:
        told = f"{file_size(free)} are free in {place}; the size of the files is not known."
        if free < UNKNOWN_NEED_BYTES:
            return warned(f"{file_size(free)} free", told, "free disk space there")
        return passed(f"{file_size(free)} free", told)
    told = f"{file_size(free)} are free in {place}; about {file_size(need)} will be written."
    if free < need:
        evidence = f"{file_size(free)}, not {file_size(need)}"
        return failed(evidence, told, "free disk space, or save less often")
    if free < 1.2 * need:
        return warned(f"{file_size(free)} free", told, "free disk space, or save less often")
    return passed(f"{file_size(free)} free", told)


CHECK = Check("disk", "Disk", look)
