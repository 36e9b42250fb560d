"""Can the dataset be read as sd-scripts would read it?"""

from __future__ import annotations

import tomllib
from typing import Any

from runner.config.dataset_file import dataset_values
from runner.dataset import DatasetError
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned
from runner.units import count


def look(facts: Facts) -> Finding:
    if _unseen(facts):
        return skipped("in another file", "The dataset is named in a file that is not read here.")
    file, own = facts.dataset_file(), facts.config.dataset
    try:
        specs = facts.specs()
    except DatasetError as error:
        return failed("dataset is invalid", str(error), "correct the dataset config")
    if own is not None and file is not None:
        if not file.exists():
            return failed(
                "file not written yet",
                f"[dataset] is valid, but {file} does not exist yet.",
                f"write {file} from [dataset] of plasma.toml",
            )
        if differs(file.read_text(encoding="utf-8"), dataset_values(facts.config)):
            return warned(
                "differs from [dataset]",
                f"{file} is what will be trained on, and it differs from [dataset].",
                f"write {file} anew, or remove [dataset]",
            )
    subsets = sum(len(spec.subsets) for spec in specs)
    evidence = f"{count(subsets, 'image folder')}"
    where = str(file) if file else "train_data_dir"
    return passed(evidence, f"{where}: {count(len(specs), 'dataset')}, {evidence}.")


def _unseen(facts: Facts) -> bool:
    """in_json and config_file name files of their own formats."""
    flags = facts.flags
    named = "dataset_config" in flags or "train_data_dir" in flags
    return "in_json" in flags or (facts.flags_elsewhere and not named)


def differs(text: str, values: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) != values
    except tomllib.TOMLDecodeError:
        return True


CHECK = Check("dataset", "Dataset", look)
