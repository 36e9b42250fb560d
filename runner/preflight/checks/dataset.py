"""The dataset config: valid, and each folder repeated as meant."""

from __future__ import annotations

import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from runner.config.dataset_file import dataset_text, dataset_values
from runner.config.interpreter import run_small
from runner.model.units import count
from runner.preflight.cures.files import write_file
from runner.preflight.cures.model import Cure, OnOutput, file_cure
from runner.preflight.cures.settings import edit_file
from runner.preflight.dataset_errors import Mistake, mistakes, mistakes_in_file
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, short, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.config import folder_repeats

_TOML_TIMEOUT_S = 10.0
#: sd-scripts reads with the package `toml`, which refuses some TOML that is valid today
_TOML_SOURCE = """
import sys
try:
    import toml
except ImportError:
    sys.exit(0)
try:
    toml.load(sys.argv[1])
except Exception as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(3)
"""


@check(
    "dataset", "Dataset", order=120,
    foresees=("dataset_toml_invalid", "dataset_toml_missing", "dataset_toml_syntax"),
)  # fmt: skip
def dataset(facts: Facts) -> Finding:
    """Can the dataset be read as sd-scripts would read it? All mistakes are told, not the first alone."""
    if facts.flags_elsewhere and not facts.flags.keys() & {"dataset_config", "train_data_dir"}:
        return skipped("in another file", "The dataset is named in a file that is not read here.")
    file, own = facts.dataset_file(), facts.config.dataset is not None
    if wrong := _mistakes(facts, file):
        where = str(file) if not facts.dataset_unwritten else f"{facts.config.path} [dataset]"
        detail = f"{where}: {'; '.join(map(str, wrong))}."
        cure = _rewrite(facts, file)
        return failed(count(len(wrong), "mistake"), detail, f"correct {where}", cure)
    try:
        specs = facts.specs()
    except DatasetError as error:
        cure = _rewrite(facts, file)
        return failed("dataset is invalid", str(error), "correct the dataset config", cure)
    if own and file is not None and (held := _against_section(facts, file)):
        return held
    if file is not None and (told := _by_trainer(facts, file)):
        detail = f"{file} is refused by the trainer's own reader: {told}."
        return failed("toml refuses it", detail, "write it more plainly at that place")
    subsets = [subset for spec in specs for subset in spec.subsets]
    described = sum(subset.metadata_file is not None for subset in subsets)
    if described and facts.config.trainer.embedded:
        detail = (
            "The built-in trainer reads folders of images with caption files, no metadata_file."
        )
        return failed("metadata_file", detail, "name the folder as image_dir, or use sd-scripts")
    evidence = count(len(subsets) - described, "image folder")
    if described:
        folders = f"{evidence}, " if len(subsets) > described else ""
        evidence = f"{folders}{count(described, 'metadata file')}"
    where = str(file) if file else "in_json" if described else "train_data_dir"
    return passed(short(evidence), f"{where}: {count(len(specs), 'dataset')}, {evidence}.")


def _mistakes(facts: Facts, file: Path | None) -> list[Mistake]:
    if facts.dataset_unwritten:
        return list(mistakes(facts.config.dataset or {}))
    return mistakes_in_file(file) if file is not None and file.is_file() else []


def _against_section(facts: Facts, file: Path) -> Finding | None:
    """The file that will be read, held against [dataset]; None: they say the same."""
    if not file.exists():
        detail = f"[dataset] is valid, but {file} does not exist yet."
        advice = f"write {file} from [dataset] of plasma.toml"
        return failed("file not written yet", detail, advice, _rewrite(facts, file))
    try:
        if tomllib.loads(file.read_text(encoding="utf-8")) == dataset_values(facts.config):
            return None
    except tomllib.TOMLDecodeError:
        pass
    detail = f"{file} is what will be trained on, and it differs from [dataset]."
    advice = f"rewrite {file}, or remove [dataset]"
    return warned("differs from [dataset]", detail, advice, _rewrite(facts, file))


def _rewrite(facts: Facts, file: Path | None) -> Cure | None:
    """Write the file from [dataset]; the old one is kept."""
    if facts.config.dataset is None or file is None or file.suffix.lower() != ".toml":
        return None
    if list(mistakes(facts.config.dataset)):
        return None  # it would only be wrong once more
    kept = (f"a copy of the old {file.name} is kept beside it",) if file.exists() else ()

    def change(on_output: OnOutput) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, dataset_text(facts.config), on_output)

    told = (f"write {file} from [dataset] of {facts.config.path}", *kept)
    return file_cure("dataset", "dataset", "write the dataset file", told, change)


def _by_trainer(facts: Facts, file: Path) -> str | None:
    """What `toml.load` of the trainer's Python says against the file; None: nothing."""
    if facts.config.trainer.embedded or file.suffix.lower() != ".toml":
        return None
    answer = run_small(
        [facts.config.trainer.python, "-B", "-c", _TOML_SOURCE, str(file)],
        env=facts.environment(), cwd="/", timeout_s=_TOML_TIMEOUT_S, cancelled=facts.cancelled,
    )  # fmt: skip
    lines = answer.output.strip().splitlines()
    return lines[-1] if answer.code == 3 and lines else None


@check("repeats", "Repeats", order=210, dataset=True)
def repeats(facts: Facts) -> Finding:
    """Do the repeats come from where the user thinks? `10_name` counts only below train_data_dir.

    sd-scripts main: with a dataset config the folder's number means nothing, num_repeats does (default
    1); without one, a folder that has no number in front is left out.
    """
    if facts.config.dataset is None and facts.dataset_file() is None:
        return _folders(facts)
    subsets = facts.subsets()
    zero = [s.name for s in subsets if s.num_repeats < 1]
    if zero:
        detail = f"num_repeats below 1 leaves the folder out: {some(zero)}."
        return warned("num_repeats is 0", detail, "num_repeats = 1 or more")
    unlike = [s for s in subsets if _named(s) not in (None, s.num_repeats)]
    if unlike:
        first, number = unlike[0], _named(unlike[0])
        detail = (
            f"{Path(first.image_dir).name} is trained {first.num_repeats} times an epoch, not {number}: "
            "with a dataset config the number in the folder's name means nothing."
        )
        advice = f"num_repeats = {number}, if that is meant"
        return warned(f"{first.num_repeats}, not {number}", detail, advice, _cure(facts, unlike))
    told = ", ".join(f"{s.num_repeats}" for s in subsets if not s.is_reg)
    return passed(f"repeats: {told}"[:20], "Each folder comes as often as num_repeats says.")


def _named(subset: SubsetSpec) -> int | None:
    """The repeats that the folder's name speaks of."""
    return None if subset.metadata_file else folder_repeats(Path(subset.image_dir).name)[0]


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

    words = [f"num_repeats = {number} for {folder}" for folder, number in wanted.items()]
    told = (f"in {file} (a copy of the old file is kept):", *words)
    title = "as the folders' names say"
    return file_cure("repeats", "repeats", title, told, lambda tell: edit_file(file, edit, tell))


def _folders(facts: Facts) -> Finding:
    """Folder mode: every folder below needs a number in front."""
    ignored = []
    for parent in map(facts.path, ("train_data_dir", "reg_data_dir")):
        if parent is not None and parent.is_dir():
            names = sorted(path.name for path in parent.iterdir() if path.is_dir())
            ignored += [name for name in names if not (folder_repeats(name)[0] or 0) >= 1]
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
