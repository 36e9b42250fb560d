"""Where files go: output_dir, what would be overwritten, and the room on the disk."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

from runner.model import ExpectedCheckpoint, Forecast
from runner.model.units import count, file_size
from runner.preflight.cures.files import move_cure
from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.settings import flag_cure
from runner.preflight.existing_files import existing_files
from runner.preflight.facts import Facts
from runner.preflight.lora_size import lora_bytes
from runner.preflight.model import Finding, check, failed, passed, short, skipped, some, warned
from runner.store.registry import live_runs, same_target
from runner.store.rundir import home
from runner.trainers.sd_scripts.dataset import DatasetError


@check("output", "Output", order=340, foresees=("output_dir_missing", "output_not_writable"))
def output(facts: Facts) -> Finding:
    """Can the checkpoints be written where they are to go?

    Without --output_dir sd-scripts trains to the first save and crashes there (main 48d368fa,
    save_model).
    """
    folder = facts.path("output_dir")
    if folder is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", "output_dir may stand in config_file.")
        advice = 'add output_dir = "output" to [train]'
        told = "Without output_dir the first save crashes, after all the training before it."
        cure = flag_cure(facts.config, "output", "write into output", {"output_dir": "output"})
        return failed("no output_dir", told, advice, cure)
    existing = nearest_existing(folder)
    if not existing.is_dir():
        told = f"{existing} is no folder."
        return failed("a file is in the way", told, "choose another output_dir")
    problem = write_problem(existing)
    if problem:
        detail = f"Nothing can be written into {existing}: {problem}."
        return failed("not writable", detail, "choose another output_dir, or correct its rights")
    if existing == folder:
        return passed("writable", f"{folder} exists and is writable.")
    told = f"{folder} will be created in {existing}."

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        on_output(f"made {folder}")

    cure = Cure("output", "output", "make the folder", (f"mkdir -p {folder}",), act)
    return passed("will be created", told).curable(cure)


def nearest_existing(path: Path) -> Path:
    """The path itself, or the first of its parents that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def write_problem(folder: Path) -> str | None:
    """Why no file can be made in the folder; rights alone do not tell (read-only mounts, quotas)."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".plasma-", suffix=".tmp"):
            return None
    except OSError as error:
        return error.strerror or str(error)


@check("overwrite", "Overwrites", order=350)
def overwrite(facts: Facts) -> Finding:
    """Would files of an earlier training be overwritten? sd-scripts never asks."""
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    if not folder.is_dir():
        return passed("no files yet", f"{folder} does not exist yet.")
    existing = existing_files(str(folder), facts.text("output_name"), facts.forecast())
    there = [one.name for one in existing]
    if not there:
        return passed("nothing", f"No file of that name is in {folder}.")
    detail = f"In {folder} these will be overwritten: {some(there, 6)}."
    if facts.smoke:
        return passed(f"{count(len(there), 'file')} of a test", detail)
    advice = "choose another output_name, or move the files"
    return warned(count(len(there), "file"), detail, advice, _cure(facts, folder, there))


def _cure(facts: Facts, folder: Path, there: list[str]) -> Cure | None:
    """Not while another run writes them, and not the state that is to be resumed."""
    if same_target(str(folder), facts.text("output_name")) is not None:
        return None
    files = [folder / name for name in there]
    if facts.path("resume") in files:
        return None
    return move_cure("overwrite", "move the old files away", files)


@check("other_run", "Other run", order=360)
def other_run(facts: Facts) -> Finding:
    """Is another run writing the same files right now?"""
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    other = same_target(str(folder), facts.text("output_name"))
    if other is not None:
        return failed(
            short(other.id),
            f"Run {other.id} is writing the same files right now.",
            f"plasma-tui stop {other.id}",
        )
    live = live_runs()
    if live:
        names = ", ".join(snapshot.id for snapshot in live)
        return passed(f"{count(len(live), 'run')} elsewhere", f"Running as well: {names}.")
    return passed("none", "No other run is live.")


STATE_FACTOR = 3
#: console.log, journals and event files of one run, generously
RUN_FOLDER_BYTES = 100_000_000
#: asked for when the size of a checkpoint cannot be told
UNKNOWN_NEED_BYTES = 5_000_000_000
#: a cached image: 4 channels of float32 at an eighth of each side, for a 1024x1024 image, with its ZIP
_CACHE_BYTES_PER_PIXEL = 4 * 4 / 64


@check("disk", "Disk", order=390, foresees=("disk_full",))
def disk(facts: Facts) -> Finding:
    """Is there room for every checkpoint, state and cache? A full disk kills sd-scripts in the middle
    of a save.

    A state folder holds the LoRA in float32 and AdamW's two moments: about three times that (measured
    on sd-scripts main; other optimizers need less). What save_last_n_* deletes makes room again.
    """
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
    return judge_disk(free_bytes(place), need, str(place))


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


def judge_disk(free: int, need: int | None, place: str) -> Finding:
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
