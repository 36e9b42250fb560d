"""Allowed keys of a dataset configuration, their places and types; and what is wrong with one.

sd-scripts checks with voluptuous (`ConfigSanitizer` in `config_util.py`): an unknown key or a wrong
type anywhere stops it, and only one of all mistakes is shown, as `... @ data['datasets'][0][...]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from runner.config.errors import cure_for, kind
from runner.config.positions import KeyPath, line_of
from runner.trainers.sd_scripts.dataset.foreign import TRAINER_FLAGS, foreign
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
_OF_ONE_SUBSET = ("image_dir", "metadata_file", "conditioning_data_dir", "is_reg", "alpha_mask")
_OF_ONE_KIND = (*_OF_ONE_SUBSET, "rootless", *_CAPTION_FILES)
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
#: of images with masks (masked_loss) or control images, sd-scripts' ControlNetDataset
MASKED_DATASET = {key: kind for key, kind in DATASET.items() if key != "class_tokens"}
MASKED_SUBSET = {
    **_SHARED, "image_dir": str, "conditioning_data_dir": str, "caption_extension": str, "cache_info": bool
}  # fmt: skip
#: for a key that was set as a flag
NOT_FLAGS = dict.fromkeys(
    (*DATASET, *SUBSET, *METADATA_SUBSET, *MASKED_SUBSET), "set it in the dataset config"
)
#: keys of other programs and of wishes
_ELSEWHERE = {
    "caption_dir": "captions are read only from files next to the images",
    "recursive": "deeper folders are never read; add a subset for each",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """`path`: keys from the top; `text`: what and what to do; `said`: sd-scripts' message; `line` counts from
    1, None without a line; `kind`: of the file, if it is another one."""

    path: KeyPath
    text: str
    said: str
    line: int | None = None
    kind: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def check_config(
    config: Mapping[str, Any],
    where: str,
    lines: Callable[[], Mapping[KeyPath, int]] = dict,
) -> None:
    """Raise DatasetError at the first key that sd-scripts would reject. `where`: the file; `lines`: of its
    keys."""
    for mistake in mistakes(config):
        place = "".join(f"[{key!r}]" for key in mistake.path)
        said = f"{mistake.said} @ data{place}"
        placed = replace(mistake, line=line_of(mistake.path, lines()))
        sentence = f"{where}: {placed}." if mistake.kind else f"{where}: {said}: {placed}."
        raise DatasetError(sentence, said, "MultipleInvalid")


def mistakes(values: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every key unknown to the trainer and every value of a wrong type, in its order. Of a file of another
    kind, only that."""
    if (found := foreign(values)) is not None:
        yield Mistake(found.path, found.text, found.said, kind=found.kind)
        return
    yield from _unknown(values, ("general", "datasets"), (), "the top level")
    yield from _keys(values.get("general", {}), GENERAL, ("general",), "[general]", "general")
    datasets = values.get("datasets", [])
    if not isinstance(datasets, list):
        yield Mistake(("datasets",), "datasets must be a list: write [[datasets]]", _A_LIST)
        return
    for index, dataset in enumerate(datasets):
        yield from _dataset(dataset, ("datasets", index))


_A_LIST, _EXTRA = "expected a list", "extra keys not allowed"
MASKS = "conditioning_data_dir"


def _dataset(dataset: Any, path: KeyPath) -> Iterator[Mistake]:
    own = dataset if isinstance(dataset, Mapping) else {}
    subsets = own.get("subsets", [])
    if not isinstance(subsets, list):
        text = "subsets must be a list: write [[datasets.subsets]]"
        yield Mistake((*path, "subsets"), text, _A_LIST)
        return
    masked = [isinstance(subset, Mapping) and MASKS in subset for subset in subsets]
    if any(masked) and not all(masked):
        place = (*path, "subsets", masked.index(True), MASKS)
        text = f"only some subsets of the dataset have {MASKS}; use a separate dataset for those"
        yield Mistake(place, text, _EXTRA)
        return
    # one without subsets counts as one of metadata files
    kinds = {isinstance(subset, Mapping) and "metadata_file" in subset for subset in subsets}
    described = kinds != {False} and not any(masked)
    if len(kinds) == 2 and described:
        text = (
            "a dataset mixes metadata_file and folders of images; use a separate dataset for each"
        )
        said = "DreamBooth subset and fine tuning subset cannot be mixed in the same dataset"
        yield Mistake(path, text, said)
        return
    rest = {key: value for key, value in own.items() if key != "subsets"}
    schema, subset_schema = (
        (MASKED_DATASET, MASKED_SUBSET)
        if any(masked)
        else (METADATA_DATASET, METADATA_SUBSET)
        if described
        else (DATASET, SUBSET)
    )
    yield from _keys(rest if own is dataset else dataset, schema, path, "[[datasets]]", "a dataset")
    for index, subset in enumerate(subsets):
        at = (*path, "subsets", index)
        if isinstance(subset, Mapping) and not described and "image_dir" not in subset:
            text = "a subset without image_dir; add the folder of its images"
            yield Mistake((*at, "image_dir"), text, "required key not provided")
        yield from _keys(subset, subset_schema, at, "[[datasets.subsets]]", "a subset")


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
            text = f"{key} is unknown in {where}; {_cure(key, known, where)}"
            yield Mistake((*path, key), text, _EXTRA)


def _cure(key: str, known: tuple[str, ...], where: str) -> str:
    """Often the key is right and its place wrong."""
    if key in _ELSEWHERE:
        return _ELSEWHERE[key]
    if key in _OF_ONE_SUBSET and where != "[[datasets.subsets]]":
        return "set it in [[datasets.subsets]]"
    if key in METADATA_DATASET and where in ("[[datasets.subsets]]", "the top level"):
        return "set it in [[datasets]] or [general]"
    if key in TRAINER_FLAGS:
        return "it is a flag of the trainer, not of a dataset"
    return cure_for(key, known)


def _fits(value: Any, wanted: Any) -> bool:
    """As in voluptuous: true passes as 1."""
    if wanted in (RESOLUTION, PAIR):
        side = int if wanted == RESOLUTION else float
        pair = isinstance(value, list | tuple) and len(value) == 2
        fits = pair and all(isinstance(one, side) for one in value)
        return fits or (wanted == RESOLUTION and isinstance(value, int))
    return isinstance(value, (float, int) if wanted == NUMBER else wanted)
