"""Do the repeats come from where the user thinks? `10_name` counts only below train_data_dir.

sd-scripts main: with a dataset config the folder's number means nothing, num_repeats does (default
1); without one, a folder that has no number in front is left out.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.toml_edit import edit_file, never_cancelled
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.config import folder_repeats


def look(facts: Facts) -> Finding:
    if facts.config.dataset is None and facts.dataset_file() is None:
        return _folders(facts)
    try:
        subsets = facts.subsets()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    zero = [s.name for s in subsets if s.num_repeats < 1]
    if zero:
        detail = f"num_repeats below 1 leaves the folder out: {some(zero)}."
        return warned("num_repeats is 0", detail, "num_repeats = 1 or more")
    unlike = [s for s in subsets if _named(s) not in (None, s.num_repeats)]
    if unlike:
        return _unlike(facts, unlike)
    told = ", ".join(f"{s.num_repeats}" for s in subsets if not s.is_reg)
    return passed(f"repeats: {told}"[:20], "Each folder comes as often as num_repeats says.")


def _named(subset: SubsetSpec) -> int | None:
    """The repeats that the folder's name speaks of."""
    if subset.metadata_file is not None:
        return None
    return folder_repeats(Path(subset.image_dir).name)[0]


def _unlike(facts: Facts, unlike: list[SubsetSpec]) -> Finding:
    first = unlike[0]
    name = Path(first.image_dir).name
    detail = (
        f"{name} is trained {first.num_repeats} times an epoch, not {_named(first)}: with a dataset "
        "config the number in the folder's name means nothing."
    )
    advice = f"num_repeats = {_named(first)}, if that is meant"
    finding = warned(f"{first.num_repeats}, not {_named(first)}", detail, advice)
    return finding.curable(_cure(facts, unlike))


def _cure(facts: Facts, unlike: list[SubsetSpec]) -> Cure | None:
    """Write the numbers of the folders' names into the dataset config."""
    file = facts.dataset_file()
    if file is None or file.suffix.lower() != ".toml" or not file.is_file():
        return None
    wanted = {s.image_dir: _named(s) for s in unlike}

    def edit(document: MutableMapping[str, Any]) -> None:
        for dataset in document.get("datasets") or []:
            for subset in dataset.get("subsets") or []:
                if subset.get("image_dir") in wanted:
                    subset["num_repeats"] = wanted[subset["image_dir"]]

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        never_cancelled(cancelled)
        edit_file(file, [edit], on_output)

    words = [f"num_repeats = {number} for {folder}" for folder, number in wanted.items()]
    told = (f"in {file} (a copy of the old file is kept):", *words)
    return Cure("repeats", "repeats", "as the folders' names say", told, act)


def _folders(facts: Facts) -> Finding:
    """Folder mode: every folder below needs a number in front."""
    ignored = []
    for flag in ("train_data_dir", "reg_data_dir"):
        parent = facts.path(flag)
        if parent is None or not parent.is_dir():
            continue
        folders = [path for path in sorted(parent.iterdir()) if path.is_dir()]
        ignored += [path.name for path in folders if not (folder_repeats(path.name)[0] or 0) >= 1]
    if not ignored:
        return passed("in the names", "Every image folder has its repeats in front of its name.")
    detail = f"Left out, because no number stands in front: {some(ignored)}."
    try:
        left = facts.subsets()
    except DatasetError:
        left = []
    advice = f"rename them, for example to 10_{ignored[0]}"
    if any(not subset.is_reg for subset in left):
        return warned(f"{len(ignored)} left out", detail, advice)
    return failed("no number in front", detail, advice)


CHECK = Check("repeats", "Repeats", look)
