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


def _of(kind: Any, names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), kind)


#: of caption files, which a dataset of metadata files does not have
_CAPTION_FILES = {**_of(str, "caption_extension class_tokens"), "cache_info": bool}
_SHARED = {
    **_of(bool, "color_aug flip_aug random_crop shuffle_caption enable_wildcard"),
    **_of(int, "num_repeats keep_tokens token_warmup_min caption_dropout_every_n_epochs"),
    **_of(str, "keep_tokens_separator secondary_separator caption_separator caption_prefix"),
    **_of(str, "caption_suffix resize_interpolation"),
    **_of(NUMBER, "token_warmup_step caption_dropout_rate caption_tag_dropout_rate"),
    "face_crop_aug_range": PAIR,
    "custom_attributes": dict,
}
#: also of one without subsets
METADATA_DATASET: dict[str, Any] = {
    **_of(int, "batch_size bucket_reso_steps max_bucket_reso min_bucket_reso validation_seed"),
    **_of(bool, "bucket_no_upscale enable_bucket"),
    **_of(float, "validation_split network_multiplier"),
    "resolution": RESOLUTION,
    **_SHARED,
}
DATASET: dict[str, Any] = METADATA_DATASET | _CAPTION_FILES
GENERAL = DATASET
METADATA_SUBSET = {**_SHARED, **_of(str, "metadata_file image_dir"), "alpha_mask": bool}
SUBSET = {**_SHARED, **_CAPTION_FILES, "image_dir": str, **_of(bool, "is_reg alpha_mask")}
#: A subset with one of these belongs to a method that is not planned here.
OTHER_METHODS = ("conditioning_data_dir",)
MIXED = "DreamBooth subset and fine tuning subset cannot be mixed in the same dataset"


def is_metadata(subsets: list[Any]) -> bool | None:
    """Are all subsets of metadata files (True), or none (False)? None: some, which the trainer refuses."""
    kinds = {isinstance(subset, Mapping) and "metadata_file" in subset for subset in subsets}
    return None if len(kinds) == 2 else kinds != {False}


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError at the first key that sd-scripts would refuse. `where` names the file."""

    def refuse(text: str, path: str) -> DatasetError:
        said = f"{text} @ {path}"
        return DatasetError(
            f"{where}: {said}: sd-scripts stops at a key it does not know or a value of another type; "
            "correct it there.",
            said,
            "MultipleInvalid",
        )

    def keys(value: Any, schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse("expected a dictionary", path)
        for key in value:
            if key not in schema:
                raise refuse("extra keys not allowed", f"{path}['{key}']")
        for key, item in value.items():
            if problem := _type_problem(item, schema[key]):
                raise refuse(f"{problem} for dictionary value", f"{path}['{key}']")
        return value

    def tables(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise refuse("expected a list", path)
        return value

    keys(config, dict.fromkeys(("general", "datasets"), object), "data")
    keys(config.get("general", {}), GENERAL, "data['general']")
    for i, dataset in enumerate(tables(config.get("datasets", []), "data['datasets']")):
        path = f"data['datasets'][{i}]"
        if not isinstance(dataset, Mapping):
            raise refuse("expected a dictionary", path)
        subsets = tables(dataset.get("subsets", []), f"{path}['subsets']")
        described = is_metadata(subsets)
        if described is None:
            raise refuse(MIXED, path)
        rest = {key: value for key, value in dataset.items() if key != "subsets"}
        keys(rest, METADATA_DATASET if described else DATASET, path)
        for j, subset in enumerate(subsets):
            at = f"{path}['subsets'][{j}]"
            own = subset if isinstance(subset, Mapping) else {}
            for key in set(OTHER_METHODS) & own.keys():
                raise DatasetError(
                    f"{where}: {at} uses {key}; only folders of images with caption files and "
                    "metadata files can be counted here."
                )
            if own is subset and not described and "image_dir" not in subset:
                raise refuse("required key not provided", f"{at}['image_dir']")
            keys(subset, METADATA_SUBSET if described else SUBSET, at)


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
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    return pair and all(isinstance(side, kind) for side in value)
