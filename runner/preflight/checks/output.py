"""Where files are written: output_dir, existing files, and free disk space."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

from runner.model import Forecast
from runner.model.units import count, file_size
from runner.preflight.cures.files import move_cure
from runner.preflight.cures.model import Cure, Fix, OnOutput
from runner.preflight.existing_files import existing_files
from runner.preflight.facts import Facts
from runner.preflight.forecast import peak
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.store.registry import claim_of, live_runs, same_target
from runner.store.rundir import home
from runner.trainers.sd_scripts.dataset import DatasetError
from runner.trainers.sd_scripts.saves import save_warnings, zero_divisors


@check("output", "Output", 340, foresees=("output_dir_missing", "output_not_writable"))
def output(facts: Facts) -> Finding:
    """Can the checkpoints be written to output_dir?

    Without --output_dir sd-scripts trains to the first save and crashes there (main 48d368fa,
    save_model).
    """
    folder = facts.path("output_dir")
    if folder is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", "output_dir may be set in config_file.")
        fix = Fix("write into output", {"output_dir": "output"})
        detail = "Without output_dir the first save crashes, after all the training before it."
        return failed("no output_dir", detail, f"add {fix.words} to [train]", fix)
    existing = nearest_existing(folder)
    if not existing.is_dir():
        return failed(
            "a file is in the way", f"{existing} is not a folder.", "choose another output_dir"
        )
    if problem := write_problem(existing):
        detail = f"Nothing can be written into {existing}: {problem}."
        return failed("not writable", detail, "choose another output_dir, or fix its permissions")
    if existing == folder:
        return passed("writable", f"{folder} exists and is writable.")

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        on_output(f"made {folder}")

    cure = Cure("output", "output", "create the folder", (f"mkdir -p {folder}",), act)
    return passed("will be created", f"{folder} will be created in {existing}.", cure)


def nearest_existing(path: Path) -> Path:
    """The path itself, or its first existing parent."""
    places = (path, *path.parents)
    # a name that is too long is no error
    return next((one for one in places if os.path.exists(one)), Path(path.anchor))  # noqa: PTH110


def write_problem(folder: Path) -> str | None:
    """Why no file can be created in the folder; permissions are not enough (read-only mounts, quotas)."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".plasma-", suffix=".tmp"):
            return None
    except OSError as error:
        return error.strerror or str(error)


@check("overwrite", "Overwrites", 350)
def overwrite(facts: Facts) -> Finding:
    """Would files of an earlier training be overwritten? sd-scripts never asks."""
    folder, name = facts.path("output_dir"), facts.text("output_name")
    if folder is None:
        return skipped("no output_dir")
    existing = existing_files(str(folder), name, facts.forecast())
    if not existing:
        return passed("nothing", f"No file of that name is in {folder}.")
    detail = f"In {folder} these will be overwritten: {some([one.name for one in existing], 6)}."
    evidence = count(len(existing), "file")
    if facts.smoke:
        return passed(f"{evidence} of a test", detail)
    files = [folder / one.name for one in existing]
    # not while another run writes them, and not the state to resume
    free = (
        same_target(str(folder), name, but=facts.run_id) is None
        and facts.path("resume") not in files
    )
    cure = move_cure("overwrite", "move the old files away", files) if free else None
    return warned(evidence, detail, "choose another output_name, or move the files", cure)


@check("saves", "Saves", 355)
def saves(facts: Facts) -> Finding:
    """Do the flags of saving do what they seem to?

    sd-scripts main 48d368fa: train_network.py divides by save_every_n_* and validate_every_n_*;
    get_remove_step_no and get_remove_epoch_no (train_util.py) are only asked with their save_every_n_*.
    """
    if zero := zero_divisors(facts.flags):
        names = [text.partition(" ")[0] for text in zero]
        fix = Fix("without it", dict.fromkeys(names, False))
        return failed(names[0], f"{'. '.join(zero)}.", "", fix)
    if idle := save_warnings(facts.flags):
        return warned(idle[0].partition(" ")[0], f"{'. '.join(idle)}.", "change or remove it")
    files = len(facts.forecast().checkpoints)
    if not files:
        return skipped("files unknown")
    return passed(count(files, "file"), f"{count(files, 'checkpoint')} will be written.")


@check("other_run", "Other run", 360)
def other_run(facts: Facts) -> Finding:
    """Does another run write the same files, or will it from the queue?"""
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    other = same_target(str(folder), facts.text("output_name"), but=facts.run_id)
    if other is not None:
        detail = f"Run {other.id} {claim_of(other)} the same files."
        return failed(other.id, detail, f"plasma-tui stop {other.id}")
    live = [run.id for run in live_runs() if run.id != facts.run_id]
    if not live:
        return passed("none", "No other run is live.")
    return passed(f"{count(len(live), 'run')} elsewhere", f"Also running: {', '.join(live)}.")


#: a state folder has the LoRA in float32 and AdamW's two moments (measured on sd-scripts main)
STATE_FACTOR = 3
#: console.log, journals and event files of one run, generously
RUN_FOLDER_BYTES = 100_000_000
#: required if the size of a checkpoint is unknown
UNKNOWN_NEED_BYTES = 5_000_000_000
#: a cached image: 4 channels of float32 at an eighth of each side, for a 1024x1024 image, with its ZIP
_CACHE_BYTES_PER_PIXEL = 4 * 4 / 64


@check("disk", "Disk", 390, foresees=("disk_full",))
def disk(facts: Facts) -> Finding:
    """Is there space for every checkpoint, state and cache? A full disk kills sd-scripts during a save.
    save_last_n_* frees space again."""
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    runs_free = free_bytes(home())
    if runs_free < RUN_FOLDER_BYTES:
        detail = f"{home()} has {file_size(runs_free)} left for the run's own files."
        return failed(f"{file_size(runs_free)} for runs", detail, "free disk space there")
    if cache := cache_bytes(facts):
        place = next(iter(facts.image_paths()), facts.config.trainer_cwd / "here").parent
        free = free_bytes(place)
        if free < cache:
            detail = f"{file_size(free)} free in {place}; cached latents take {file_size(cache)}."
            return failed(f"{file_size(free)} for cache", detail, "cache_latents without _to_disk")
    forecast, expected = facts.forecast(), facts.config.expect.checkpoint_mb
    most = int(expected[1] * 1e6) if expected else None
    need = needed(forecast, forecast.checkpoint_bytes or most)
    place = nearest_existing(folder)
    return judge_disk(free_bytes(place), need, str(place))


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(nearest_existing(folder)).free


def needed(forecast: Forecast, each_bytes: int | None) -> int | None:
    """Maximum bytes of files and states at one time; None if no file size is known."""
    if forecast.size_bytes is not None or each_bytes is None:
        return forecast.size_bytes
    state_bytes = forecast.state_bytes or each_bytes * STATE_FACTOR
    return peak(forecast.checkpoints, each_bytes, state_bytes)[0] or each_bytes


def cache_bytes(facts: Facts) -> int:
    """Size of latents still to be cached next to the images."""
    if facts.script is None or not facts.on("cache_latents_to_disk"):
        return 0
    try:
        images = [image for dataset in facts.plan().datasets for image in dataset.images]
    except DatasetError:
        return 0
    pixels = sum(image.bucket[0] * image.bucket[1] for image in images)
    return int(pixels * _CACHE_BYTES_PER_PIXEL * (8 / facts.script.stride) ** 2)


def judge_disk(free: int, need: int | None, place: str) -> Finding:
    detail, advice = f"{file_size(free)} free in {place}", "free disk space, or save less often"
    if need is None:
        detail += "; the size of the files is unknown."
        little = free < UNKNOWN_NEED_BYTES
    else:
        detail += f"; about {file_size(need)} will be written."
        if free < need:
            return failed(f"{file_size(free)}, not {file_size(need)}", detail, advice)
        little = free < 1.2 * need
    evidence = f"{file_size(free)} free"
    return warned(evidence, detail, advice) if little else passed(evidence, detail)
