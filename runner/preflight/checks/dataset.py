"""The dataset config: valid, and each folder repeated as meant."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.interpreter import run_small
from runner.config.model import dataset_text, dataset_values
from runner.config.positions import key_lines, line_of, syntax_problem
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.model.units import count
from runner.preflight.cures.files import write_file
from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.settings import toml_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.config import folder_repeats
from runner.trainers.sd_scripts.dataset.schema import Mistake, mistakes

_TOML_TIMEOUT_S = 10.0
#: sd-scripts uses the package `toml`, which rejects some valid TOML
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
    "dataset", "Dataset", 120,
    foresees=("dataset_toml_invalid", "dataset_toml_missing", "dataset_toml_syntax"),
)  # fmt: skip
def dataset(facts: Facts) -> Finding:
    """Can the dataset be read the way sd-scripts reads it? Reports all mistakes, not only the first."""
    if facts.flags_elsewhere and not facts.flags.keys() & {"dataset_config", "train_data_dir"}:
        return skipped("in another file", "The dataset is set in a file that is not read here.")
    file, cure = facts.dataset_file(), _rewrite(facts)
    if facts.dataset_unwritten:
        wrong, where = list(mistakes(facts.config.dataset or {})), f"{facts.config.path} [dataset]"
    else:
        wrong = mistakes_in_file(file) if file is not None and file.is_file() else []
        where = str(file)
    if wrong:
        detail = f"{where}: {'; '.join(map(str, wrong))}."
        evidence = wrong[0].kind or count(len(wrong), "mistake")
        advice = "set the dataset config as dataset_config" if wrong[0].kind else f"correct {where}"
        return failed(evidence, detail, advice, cure)
    try:
        facts.specs()
    except DatasetError as error:
        return failed("dataset is invalid", str(error), "correct the dataset config", cure)
    if file is not None and (found := _against_section(facts, file, cure)):
        return found
    if file is not None and (problem := _by_trainer(facts, file)):
        detail = f"{file} is rejected by the trainer's own parser: {problem}."
        return failed("toml rejects it", detail, "use simpler TOML there")
    return _counted(facts)


def _counted(facts: Facts) -> Finding:
    subsets = facts.subsets()
    described = sum(subset.metadata_file is not None for subset in subsets)
    masked = any(subset.conditioning_data_dir is not None for subset in subsets)
    if (described or masked) and not facts.demands.metadata:
        key = "metadata_file" if described else "conditioning_data_dir"
        detail = f"The built-in trainer reads folders of images with caption files, no {key}."
        return failed(key, detail, f"remove {key}, or use sd-scripts")
    folders = len(subsets) - described
    parts = [count(folders, "image folder")] if folders or not described else []
    parts += [count(described, "metadata file")] if described else []
    evidence = ", ".join(parts)
    where = facts.dataset_file() or ("in_json" if described else "train_data_dir")
    return passed(evidence, f"{where}: {count(len(facts.specs()), 'dataset')}, {evidence}.")


def _against_section(facts: Facts, file: Path, cure: Cure | None) -> Finding | None:
    """The file that will be read, compared with [dataset]; None: identical."""
    if facts.config.dataset is None:
        return None
    if not file.exists():
        detail = f"[dataset] is valid, but {file} does not exist yet."
        return failed(
            "file not written yet", detail, f"write {file} from [dataset] of plasma.toml", cure
        )
    try:
        if parse_toml(read_text(file)) == dataset_values(facts.config):
            return None
    except tomllib.TOMLDecodeError:
        pass
    detail = f"{file} will be used for training, but differs from [dataset]."
    return warned("unlike [dataset]", detail, f"rewrite {file}, or remove [dataset]", cure)


def _rewrite(facts: Facts) -> Cure | None:
    """Write the file from [dataset], unless that is invalid; the old one is kept."""
    own, file = facts.config.dataset, facts.dataset_file()
    if own is None or file is None or file.suffix.lower() != ".toml" or any(mistakes(own)):
        return None
    kept = (f"a copy of the old {file.name} is kept next to it",) if file.exists() else ()

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, dataset_text(facts.config), on_output)

    will_do = (f"write {file} from [dataset] of {facts.config.path}", *kept)
    return Cure("dataset", "dataset", "write the dataset file", will_do, act)


def _by_trainer(facts: Facts, file: Path) -> str | None:
    """The error of `toml.load` in the trainer's Python; None: none."""
    if "toml" not in facts.demands.packages or file.suffix.lower() != ".toml":
        return None
    answer = run_small(
        [facts.config.trainer.python, "-B", "-c", _TOML_SOURCE, str(file)],
        env=facts.environment(), cwd="/", timeout_s=_TOML_TIMEOUT_S, cancelled=facts.cancelled,
    )  # fmt: skip
    lines = answer.output.strip().splitlines()
    return lines[-1] if answer.code == 3 and lines else None


def mistakes_in_file(path: Path) -> list[Mistake]:
    """For a .toml or .json file; empty if fine, in another format, or invalid JSON. Raises OSError."""
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        return []
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [Mistake((), "the file is not UTF-8; save it as UTF-8", "", line)]
    if suffix == ".toml":
        return mistakes_in_text(text, str(path))
    try:
        return list(mistakes(parse_json(text)))
    except ValueError:
        return []  # reading it as a dataset says so


def mistakes_in_text(text: str, where: str) -> list[Mistake]:
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        problem = syntax_problem(where, text, error)
        return [Mistake((), problem.text, "", problem.line)]
    lines = key_lines(text)
    found = [replace(one, line=line_of(one.path, lines)) for one in mistakes(values)]
    return sorted(found, key=lambda mistake: mistake.line or 0)


@check("repeats", "Repeats", 210)
def repeats(facts: Facts) -> Finding:
    """Do the repeats come from the expected place? `10_name` counts only below train_data_dir.

    sd-scripts main: with a dataset config the folder's number is ignored and num_repeats is used (default 1);
    without one, a folder without a leading number is skipped.
    """
    if facts.config.dataset is None and facts.dataset_file() is None:
        return _folders(facts)
    subsets = facts.subsets()
    if zero := [s.name for s in subsets if s.num_repeats < 1]:
        detail = f"num_repeats below 1 skips the folder: {some(zero)}."
        return warned("num_repeats is 0", detail, "num_repeats = 1 or more")
    unlike = {s.image_dir: (s, n) for s in subsets if (n := _named(s)) not in (None, s.num_repeats)}
    if not unlike:
        numbers = ", ".join(str(s.num_repeats) for s in subsets if not s.is_reg)
        return passed(f"repeats: {numbers}", "Each folder is repeated num_repeats times.")
    first, number = next(iter(unlike.values()))
    detail = (
        f"{Path(first.image_dir).name} is trained {first.num_repeats} times per epoch, not "
        "{number}: with a dataset config the number in the folder's name is ignored."
    )
    advice = f"num_repeats = {number}, if that is intended"
    cure = _cure(facts, {folder: named for folder, (_, named) in unlike.items()})
    return warned(f"{first.num_repeats}, not {number}", detail, advice, cure)


def _named(subset: SubsetSpec) -> int | None:
    """The repeats in the folder's name."""
    return None if subset.metadata_file else folder_repeats(Path(subset.image_dir).name)[0]


def _cure(facts: Facts, wanted: dict[str, int | None]) -> Cure | None:
    """Write the numbers of the folders' names into the dataset config."""
    file = facts.dataset_file()
    if file is None or file.suffix.lower() != ".toml" or not file.is_file():
        return None

    def edit(document: MutableMapping[str, Any]) -> None:
        for dataset in document.get("datasets") or []:
            for subset in dataset.get("subsets") or []:
                if subset.get("image_dir") in wanted:
                    subset["num_repeats"] = wanted[subset["image_dir"]]

    lines = (f"num_repeats = {number} for {folder}" for folder, number in wanted.items())
    will_do = (f"in {file} (a copy of the old file is kept):", *lines)
    return toml_cure(facts.config, "repeats", "as in the folder names", will_do, {file: edit})


def _folders(facts: Facts) -> Finding:
    """Folder mode: every subfolder needs a leading number."""
    parents = [path for flag in ("train_data_dir", "reg_data_dir") if (path := facts.path(flag))]
    names = [one.name for path in parents for one in sorted(path.glob("*")) if one.is_dir()]
    ignored = [name for name in names if (folder_repeats(name)[0] or 0) < 1]
    if not ignored:
        return passed("in the names", "Every image folder's name starts with its repeats.")
    detail = f"Skipped, no leading number: {some(ignored)}."
    try:
        left = any(not subset.is_reg for subset in facts.subsets())
    except DatasetError:
        left = False
    advice = f"rename them, for example to 10_{ignored[0]}"
    if left:
        return warned(f"{len(ignored)} left out", detail, advice)
    return failed("no number in front", detail, advice)
