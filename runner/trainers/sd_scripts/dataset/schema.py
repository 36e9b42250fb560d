"""Which keys a dataset configuration may hold, where, and of which type.

sd-scripts checks with voluptuous (`ConfigSanitizer` in `config_util.py`): an unknown key or a wrong
type anywhere stops it, and only one of all mistakes is shown, as `... @ data['datasets'][0][...]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.trainers.sd_scripts.dataset.spec import DatasetError

NUMBER = (float, int)
#: `int` for a single side, or two of them
RESOLUTION = "resolution"
PAIR = "pair"

SUBSET_SHARED: dict[str, Any] = {
    "color_aug": bool,
    "face_crop_aug_range": PAIR,
    "flip_aug": bool,
    "num_repeats": int,
    "random_crop": bool,
    "shuffle_caption": bool,
    "keep_tokens": int,
    "keep_tokens_separator": str,
    "secondary_separator": str,
    "caption_separator": str,
    "enable_wildcard": bool,
    "token_warmup_min": int,
    "token_warmup_step": NUMBER,
    "caption_prefix": str,
    "caption_suffix": str,
    "custom_attributes": dict,
    "resize_interpolation": str,
    "caption_dropout_every_n_epochs": int,
    "caption_dropout_rate": NUMBER,
    "caption_tag_dropout_rate": NUMBER,
    "caption_extension": str,
    "class_tokens": str,
    "cache_info": bool,
}
DATASET_ONLY: dict[str, Any] = {
    "batch_size": int,
    "bucket_no_upscale": bool,
    "bucket_reso_steps": int,
    "enable_bucket": bool,
    "max_bucket_reso": int,
    "min_bucket_reso": int,
    "validation_seed": int,
    "validation_split": float,
    "resolution": RESOLUTION,
    "network_multiplier": float,
    "resize_interpolation": str,
}
SUBSET: dict[str, Any] = {**SUBSET_SHARED, "image_dir": str, "is_reg": bool, "alpha_mask": bool}
DATASET: dict[str, Any] = {**DATASET_ONLY, **SUBSET_SHARED}
GENERAL: dict[str, Any] = DATASET
_OF_CAPTION_FILES = ("caption_extension", "class_tokens", "cache_info")
#: A dataset of metadata files has no caption files; one without subsets is taken for one.
METADATA_DATASET = {key: kind for key, kind in DATASET.items() if key not in _OF_CAPTION_FILES}
METADATA_SUBSET: dict[str, Any] = {
    **{key: kind for key, kind in SUBSET_SHARED.items() if key not in _OF_CAPTION_FILES},
    "metadata_file": str,
    "image_dir": str,
    "alpha_mask": bool,
}
#: A subset with one of these belongs to a method that is not planned here.
OTHER_METHODS = ("conditioning_data_dir",)
MIXED = "DreamBooth subset and fine tuning subset cannot be mixed in the same dataset"


def is_metadata(subsets: list[Any]) -> bool | None:
    """Are all subsets of metadata files (True), or none (False)? None: some, which the trainer refuses."""
    kinds = {isinstance(subset, Mapping) and "metadata_file" in subset for subset in subsets}
    return None if len(kinds) == 2 else kinds != {False}


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError at the first key that sd-scripts would refuse. `where` names the file."""
    _no_extra(config, ("general", "datasets"), "data", where)
    general = _table(config.get("general", {}), "data['general']", where)
    _check_keys(general, GENERAL, "data['general']", where)
    datasets = config.get("datasets", [])
    if not isinstance(datasets, list):
        raise _wrong("expected a list", "data['datasets']", where)
    for i, dataset in enumerate(datasets):
        _check_dataset(dataset, f"data['datasets'][{i}]", where)


def _check_dataset(dataset: Any, path: str, where: str) -> None:
    table = _table(dataset, path, where)
    rest = {key: value for key, value in table.items() if key != "subsets"}
    subsets = table.get("subsets", [])
    if not isinstance(subsets, list):
        raise _wrong("expected a list", f"{path}['subsets']", where)
    described = is_metadata(subsets)
    if described is None:
        raise _wrong(MIXED, path, where)
    _check_keys(rest, METADATA_DATASET if described else DATASET, path, where)
    for j, subset in enumerate(subsets):
        subset_path = f"{path}['subsets'][{j}]"
        entry = _table(subset, subset_path, where)
        for key in OTHER_METHODS:
            if key in entry:
                raise DatasetError(
                    f"{where}: {subset_path} uses {key}; only folders of images with caption files and "
                    "metadata files can be counted here."
                )
        if not described and "image_dir" not in entry:
            raise _wrong("required key not provided", f"{subset_path}['image_dir']", where)
        _check_keys(entry, METADATA_SUBSET if described else SUBSET, subset_path, where)


def _check_keys(table: Mapping[str, Any], schema: Mapping[str, Any], path: str, where: str) -> None:
    _no_extra(table, tuple(schema), path, where)
    for key, value in table.items():
        problem = _type_problem(value, schema[key])
        if problem:
            text = f"{problem} for dictionary value"
            raise _wrong(text, f"{path}['{key}']", where)


def _type_problem(value: Any, kind: Any) -> str | None:
    if kind == RESOLUTION:
        ok = isinstance(value, int) or _is_pair(value, int)
        return None if ok else "expected int or two of them"
    if kind == PAIR:
        return None if _is_pair(value, float) else "expected two floats"
    if isinstance(value, kind):
        return None
    return f"expected {'float' if isinstance(kind, tuple) else kind.__name__}"


def _is_pair(value: Any, kind: type) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(side, kind) for side in value)
    )


def _table(value: Any, path: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong("expected a dictionary", path, where)
    return value


def _no_extra(table: Mapping[str, Any], known: tuple[str, ...], path: str, where: str) -> None:
    for key in table:
        if key not in known:
            raise _wrong("extra keys not allowed", f"{path}['{key}']", where)


def _wrong(text: str, path: str, where: str) -> DatasetError:
    said = f"{text} @ {path}"
    return DatasetError(
        f"{where}: {said}: sd-scripts stops at a key it does not know or a value of another type; "
        "correct it there.",
        said,
        "MultipleInvalid",
    )
