"""A case as files and words, and what the forecast says of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset import FolderImages
from runner.trainers.sd_scripts.forecast import Question, forecast
from scripts.forecast_cases.case import Case
from scripts.forecast_cases.pictures import CACHE_SUFFIX, write_image

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def write_case(case: Case, folder: Path) -> None:
    for name, sizes in case.folders.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, size in enumerate(sizes):
            write_image(folder / name / f"{number:03d}.png", size, number)
    for number, (name, size) in enumerate(case.images.items()):
        write_image(folder / name, size, number)
    for name, text in case.also.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if case.config is not None:
        (folder / "dataset.toml").write_text(case.config, encoding="utf-8")


def case_words(case: Case, flags: str | None = None) -> list[str]:
    """The command line of train_network.py; `flags` instead of the case's own."""
    words = shlex.split(case.flags if flags is None else flags)
    if case.config is not None:
        words += ["--dataset_config", "dataset.toml"]
    if "--output_name" not in words and not case.name.startswith("default names"):
        words += ["--output_name", "x"]
    if "--output_dir" not in words:
        words += ["--output_dir", "out"]
    words += ["--network_module", "networks.lora", "--seed", "42"]
    return [*words, "--max_data_loader_n_workers", "0", "--cache_latents"]


def flags_of(words: list[str]) -> dict[str, Any]:
    """The words as plasma.toml would hold them."""
    flags: dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            flags[name] = True
        else:
            flags[name] = _typed(word)
    return flags


def _typed(word: str) -> int | float | str:
    if not _NUMBER.fullmatch(word):
        return word
    return float(word) if "." in word else int(word)


def predicted(case: Case, folder: Path) -> dict[str, Any]:
    """What the forecast says, under the names of `observed`."""
    read = trainer_flags(flags_of(case_words(case)), folder)
    images = FolderImages(folder, CACHE_SUFFIX)
    told = forecast(read.values, folder, case.processes, images=images, origins=read.origins)
    if told.steps is None:
        return {"ends": "stops"}
    if not told.batches_per_epoch:
        return {"ends": "no data"}
    plan = Question(read.values, folder, images).plan()[1]
    left = {c.name for c in told.checkpoints if c.removed_at_step is None}
    left |= {
        c.state_name
        for c in told.checkpoints
        if c.state_name is not None and c.state_removed_at_step is None
    }
    return {
        "ends": "trained",
        "train": plan.train_images_with_repeats,
        "validation": plan.validation_images,
        "reg": plan.reg_images_with_repeats,
        "batches": told.batches_per_epoch,
        "epochs": told.epochs,
        "steps": told.steps,
        "bar": told.steps,
        "written": [checkpoint.name for checkpoint in told.checkpoints],
        "states": [c.state_name for c in told.checkpoints if c.state_name],
        "left": sorted(left),
        "samples": told.samples,
    }


def differences(case: Case, told: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """What the forecast has wrong, a sentence each."""
    skipped = set()
    if case.begins_later or case.surplus:
        skipped.add("bar")
    problems = [
        f"{name}: forecast {told.get(name)}, trainer {seen.get(name)}"
        for name in sorted(told.keys() | seen.keys())
        if name not in skipped and told.get(name) != seen.get(name)
    ]
    if case.surplus and seen.get("bar", 0) >= told.get("bar", 0):
        problems.append("the trainer makes all steps, and the forecast says that it does not")
    if case.stops and seen["ends"] != "stops":
        problems.append(f"the trainer does not stop: {seen['ends']}")
    return problems
