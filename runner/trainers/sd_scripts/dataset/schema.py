"""Allowed keys of a dataset configuration, their places and types; and what is wrong with one.

sd-scripts checks with voluptuous (`ConfigSanitizer` in `config_util.py`): an unknown key or a wrong
type anywhere stops it, and only one of all mistakes is shown, as `... @ data['datasets'][0][...]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from runner.config.errors import cure_for, kind
from runner.config.positions import KeyPath
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, SubsetSpec

NUMBER, RESOLUTION, PAIR = "number", "resolution", "pair"
#: a key's type: as voluptuous prints it, and as text for display
_WORDS: Mapping[Any, tuple[str, str]] = {
    bool: ("bool", "true or false"),
    int: ("int", "an integer"),
    float: ("float", "a number with a point, such as 0.5"),
    str: ("str", "text in quotes"),
    dict: ("dict", "a table"),
    NUMBER: ("float", "a number"),
    RESOLUTION: ("int or two of them", "an integer or two of them"),
    PAIR: ("two floats", "two numbers with a point, such as [1.0, 2.0]"),
}
#: field types of a spec, as annotated
_TYPES: Mapping[Any, Any] = {
    "bool": bool, "int": int, "int | None": int, "float": NUMBER, "str": str, "str | None": str,
    "Size | None": RESOLUTION, "tuple[float, float] | None": PAIR, "Mapping[str, Any]": dict,
}  # fmt: skip


def _keys_of(spec: type[SubsetSpec | DatasetSpec]) -> dict[str, Any]:
    return {one.name: _TYPES[one.type] for one in fields(spec) if one.type in _TYPES}


#: of caption files, which a dataset of metadata files does not have
_CAPTION_FILES = {"caption_extension": str, "class_tokens": str, "cache_info": bool}
_OF_ONE_KIND = ("image_dir", "metadata_file", "rootless", "is_reg", "alpha_mask", *_CAPTION_FILES)
_SHARED = {key: kind for key, kind in _keys_of(SubsetSpec).items() if key not in _OF_ONE_KIND}
METADATA_DATASET = {
    **_keys_of(DatasetSpec),
    **_SHARED,
    "validation_split": float,
    "network_multiplier": float,
}
del METADATA_DATASET["prior_loss_weight"]  # only a flag of the command line
DATASET = GENERAL = METADATA_DATASET | _CAPTION_FILES
METADATA_SUBSET = {**_SHARED, "metadata_file": str, "image_dir": str, "alpha_mask": bool}
SUBSET = {**_SHARED, **_CAPTION_FILES, "image_dir": str, "is_reg": bool, "alpha_mask": bool}
#: A subset with one of these uses a method not supported here.
OTHER_METHODS = ("conditioning_data_dir",)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`path`: keys from the top; `text`: what and what to do; `said`: sd-scripts' message; `line` counts from
    1, None without a line."""

    path: KeyPath
    text: str
    said: str
    line: int | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError at the first key that sd-scripts would reject. `where`: the file."""
    for mistake in mistakes(config):
        place = "".join(f"[{key!r}]" for key in mistake.path)
        said = f"{mistake.said} @ data{place}"
        raise DatasetError(
            f"{where}: {said}: sd-scripts stops at a key it does not know or a value of another "
            "type; fix it there.",
            said,
            "MultipleInvalid",
        )
    for i, dataset in enumerate(config.get("datasets", [])):
        for j, subset in enumerate(dataset.get("subsets", [])):
            for key in subset.keys() & set(OTHER_METHODS):
                raise DatasetError(
                    f"{where}: data['datasets'][{i}]['subsets'][{j}] uses {key}; only folders of images "
                    "with caption files and metadata files can be counted here."
                )


def mistakes(values: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every key unknown to the trainer and every value of a wrong type, in its order."""
    yield from _unknown(values, ("general", "datasets"), (), "the top level")
    yield from _keys(values.get("general", {}), GENERAL, ("general",), "[general]", "general")
    datasets = values.get("datasets", [])
    if not isinstance(datasets, list):
        yield Mistake(("datasets",), "datasets must be a list: write [[datasets]]", _A_LIST)
        return
    for index, dataset in enumerate(datasets):
        yield from _dataset(dataset, ("datasets", index))


_A_LIST = "expected a list"


def _dataset(dataset: Any, path: KeyPath) -> Iterator[Mistake]:
    own = dataset if isinstance(dataset, Mapping) else {}
    subsets = own.get("subsets", [])
    if not isinstance(subsets, list):
        text = "subsets must be a list: write [[datasets.subsets]]"
        yield Mistake((*path, "subsets"), text, _A_LIST)
        return
    # one without subsets counts as one of metadata files
    kinds = {isinstance(subset, Mapping) and "metadata_file" in subset for subset in subsets}
    described = kinds != {False}
    if len(kinds) == 2:
        text = (
            "a dataset mixes metadata_file and folders of images; use a separate dataset for each"
        )
        said = "DreamBooth subset and fine tuning subset cannot be mixed in the same dataset"
        yield Mistake(path, text, said)
        return
    rest = {key: value for key, value in own.items() if key != "subsets"}
    schema = METADATA_DATASET if described else DATASET
    yield from _keys(rest if own is dataset else dataset, schema, path, "[[datasets]]", "a dataset")
    for index, subset in enumerate(subsets):
        at = (*path, "subsets", index)
        if isinstance(subset, Mapping) and any(name in subset for name in OTHER_METHODS):
            continue  # of ControlNet: other keys
        if isinstance(subset, Mapping) and not described and "image_dir" not in subset:
            text = "a subset without image_dir; add the folder of its images"
            yield Mistake((*at, "image_dir"), text, "required key not provided")
        schema = METADATA_SUBSET if described else SUBSET
        yield from _keys(subset, schema, at, "[[datasets.subsets]]", "a subset")


def _keys(
    table: Any, schema: Mapping[str, Any], path: KeyPath, where: str, name: str
) -> Iterator[Mistake]:
    if not isinstance(table, Mapping):
        yield Mistake(path, f"{name} must be a table: write {where}", "expected a dictionary")
        return
    yield from _unknown(table, tuple(schema), path, where)
    for key, value in table.items():
        if key in schema and not _fits(value, schema[key]):
            said, wanted = _WORDS[schema[key]]
            shown = f' "{value}"' if isinstance(value, str) else ""
            if isinstance(value, int | float) and not isinstance(value, bool):
                shown = f" {value}"
            text = f"{key} is {kind(value)}{shown} in {where}; it must be {wanted}"
            yield Mistake((*path, key), text, f"expected {said} for dictionary value")


def _unknown(
    table: Mapping[str, Any], known: tuple[str, ...], path: KeyPath, where: str
) -> Iterator[Mistake]:
    for key in table:
        if key not in known:
            text = f"{key} is unknown in {where}; {cure_for(key, known)}"
            yield Mistake((*path, key), text, "extra keys not allowed")


def _fits(value: Any, wanted: Any) -> bool:
    """As in voluptuous: true passes as 1."""
    if wanted in (RESOLUTION, PAIR):
        side = int if wanted == RESOLUTION else float
        pair = isinstance(value, list | tuple) and len(value) == 2
        fits = pair and all(isinstance(one, side) for one in value)
        return fits or (wanted == RESOLUTION and isinstance(value, int))
    return isinstance(value, (float, int) if wanted == NUMBER else wanted)
