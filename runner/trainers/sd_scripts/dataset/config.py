"""Dataset configuration to `DatasetSpec`s: fallbacks, folder mode, the flags of the command line.

Order of fallbacks for a subset's value: subset, dataset, [general], command line, default; for a
dataset's value: dataset, [general], command line, default (`config_util.py`,
`BlueprintGenerator.generate`). A missing value falls through, an explicit `false` does not.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runner.config.positions import KeyPath, key_lines
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.dataset.schema import MASKS, check_config
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, Size, SubsetSpec

#: Command line names that differ from the configuration's.
FLAG_NAMES = {
    "train_batch_size": "batch_size",
    "dataset_repeats": "num_repeats",
    "caption_extention": "caption_extension",
}
#: Flags of the command line that a dataset configuration replaces (train_network.py warns so).
IGNORED_WITH_CONFIG = ("train_data_dir", "reg_data_dir", "in_json")

_KINDS: dict[object, type[int] | type[float]] = {"int": int, "int | None": int, "float": float}
#: the fields that are numbers, read as argparse reads them
_NUMBERS = {
    item.name: _KINDS[item.type]
    for spec in (SubsetSpec, DatasetSpec)
    for item in dataclasses.fields(spec)
    if item.type in _KINDS
}

Spec = TypeVar("Spec", SubsetSpec, DatasetSpec)


def load_dataset_file(path: Path) -> dict[str, Any]:
    """Read a `--dataset_config` file (.toml or .json). Raises DatasetError naming the file."""
    if not path.is_file():
        raise DatasetError(
            f"{path}: the dataset config does not exist; write it or correct dataset_config.",
            f"file not found / ファイルが見つかりません: {path}",
        )
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        raise DatasetError(
            f"{path}: a dataset config must end in .toml or .json.",
            f"not supported config file format / 対応していない設定ファイルの形式です: {path}",
        )
    parse: Callable[[str], dict[str, Any]] = parse_json if suffix == ".json" else parse_toml
    try:
        return parse(read_text(path))
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        theirs = "JSONDecodeError" if suffix == ".json" else "TomlDecodeError"
        sentence = f"{path}: not valid {suffix[1:].upper()}: {error}."
        raise DatasetError(sentence, str(error), theirs) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}.") from error


def specs_from_flags(flags: Mapping[str, Any], base_dir: Path) -> tuple[DatasetSpec, ...]:
    """The datasets that a command line trains on: its `dataset_config`, else the folders below
    `train_data_dir` and `reg_data_dir`. Relative paths are relative to `base_dir`, the trainer's
    working directory. Raises DatasetError."""
    config_path = flags.get("dataset_config")
    if config_path:
        path = base_dir / str(config_path)
        return read_specs(load_dataset_file(path), flags, str(config_path), path)
    if flags.get("in_json"):
        if not flags.get("train_data_dir"):
            raise DatasetError(
                "in_json needs train_data_dir: set it to the folder of the images.",
                "expected str for dictionary value @ data['datasets'][0]['subsets'][0]['image_dir']",
                "MultipleInvalid",
            )
        subset = {"metadata_file": flags["in_json"], "image_dir": flags["train_data_dir"]}
        return read_specs({"datasets": [{"subsets": [subset]}]}, flags, "in_json")
    if not flags.get("train_data_dir"):
        raise DatasetError("dataset_config and train_data_dir are both missing: set one of them.")
    subsets = folder_subsets(base_dir, flags.get("train_data_dir"), flags.get("reg_data_dir"))
    return read_specs({"datasets": [{"subsets": subsets}]}, flags, "train_data_dir")


def read_specs(
    config: Mapping[str, Any], flags: Mapping[str, Any], where: str, file: Path | None = None
) -> tuple[DatasetSpec, ...]:
    """Apply all fallbacks to a dataset configuration. Raises DatasetError naming `where`, and the line in
    `file`."""
    check_config(config, where, lambda: _lines(file))
    general = config.get("general", {})
    command = command_line_fallbacks(flags)
    specs = []
    for dataset in config.get("datasets", []):
        subsets = tuple(
            _fill(SubsetSpec, [subset, dataset, general, command], **dict(_fixed(subset)))
            for subset in dataset.get("subsets", [])
        )
        specs.append(_fill(DatasetSpec, [dataset, general, command], subsets=subsets))
    return tuple(specs)


def _lines(file: Path | None) -> dict[KeyPath, int]:
    return key_lines(read_text(file)) if file and file.suffix.lower() == ".toml" else {}


def _fixed(subset: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a subset of its kind does not fall back for."""
    if "image_dir" not in subset:
        yield from {"image_dir": "", "rootless": True}.items()
    if MASKS in subset:
        yield from {"class_tokens": None, "alpha_mask": False}.items()


def command_line_fallbacks(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The fallback flags of a dataset, under the configuration's names and types."""
    named = {FLAG_NAMES.get(key, key): value for key, value in flags.items() if value is not None}
    if "resolution" in named:
        named["resolution"] = _sides(named["resolution"])
    for name, kind in _NUMBERS.items():
        if isinstance(text := named.get(name), str):  # a recorded command line has text
            try:
                named[name] = kind(text)
            except ValueError as error:
                raise DatasetError(f"{name} is {text!r}: use a number.", str(error)) from error
    if isinstance(named.get("face_crop_aug_range"), str):
        low, high = named["face_crop_aug_range"].split(",")
        named["face_crop_aug_range"] = (float(low), float(high))
    for name in ("image_dir", "is_reg", MASKS):
        named.pop(name, None)
    return named


def folder_subsets(
    base_dir: Path, train_data_dir: object, reg_data_dir: object
) -> list[dict[str, Any]]:
    """Folder mode: the direct subfolders named `<repeats>_<class tokens>`, in the order of the
    directory; others are skipped, as are repeats below 1 (`config_util.py`)."""
    subsets: list[dict[str, Any]] = []
    for parent, is_reg in ((train_data_dir, False), (reg_data_dir, True)):
        if not parent or not (base_dir / str(parent)).is_dir():
            continue
        for folder in (base_dir / str(parent)).iterdir():
            repeats, class_tokens = folder_repeats(folder.name)
            if not folder.is_dir() or repeats is None or repeats < 1:
                continue
            subsets.append(
                {
                    "image_dir": str(Path(str(parent)) / folder.name),
                    "num_repeats": repeats,
                    "is_reg": is_reg,
                    "class_tokens": class_tokens,
                }
            )
    return subsets


def folder_repeats(name: str) -> tuple[int | None, str]:
    """`10_spyke_plasma_v1` -> (10, "spyke_plasma_v1"); (None, "") without a leading number."""
    first, _, rest = name.partition("_")
    try:
        return int(first), rest
    except ValueError:
        return None, ""


def _fill(kind: type[Spec], sources: Sequence[Mapping[str, Any]], **given: Any) -> Spec:
    """The first source with a value wins."""
    values: dict[str, Any] = dict(given)
    for name in (item.name for item in dataclasses.fields(kind) if item.name not in given):
        for source in sources:
            if source.get(name) is not None:
                values[name] = _clean(name, source[name])
                break
    return kind(**values)


def _clean(name: str, value: Any) -> Any:
    if name == "resolution":
        return _sides(value)
    if name == "caption_extension":
        return value if not value or value.startswith(".") else "." + value
    return tuple(value) if name == "face_crop_aug_range" else value


def _sides(value: Any) -> Size:
    """512, "512", "512,768" or [512, 768] as (width, height)."""
    if isinstance(value, int):
        return value, value
    sentence = f"resolution is {value!r}: use one number or width,height."
    try:
        sides = [int(part) for part in (value.split(",") if isinstance(value, str) else value)]
    except ValueError as error:
        raise DatasetError(sentence, str(error)) from error
    if len(sides) not in (1, 2):
        raise DatasetError(
            sentence, "resolution must be 'size' or 'width,height'", "AssertionError"
        )
    return sides[0], sides[-1]
