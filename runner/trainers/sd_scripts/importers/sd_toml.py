"""A TOML for sd-scripts' `--config_file` as a draft of plasma.toml; that of LoRA_Easy_Training_Scripts,
too."""

from __future__ import annotations

import tomllib
from collections import ChainMap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.config.errors import kind
from runner.config.positions import syntax_problem
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.config_file import OF_THE_GUI, entries
from runner.trainers.sd_scripts.importers.command_line import FlagWords, draft_of
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused, Number
from runner.trainers.sd_scripts.scripts import SCRIPTS

#: a network that only one script can train
_SCRIPT_OF_NETWORK = {
    **{script.network_module: name for name, script in reversed(list(SCRIPTS.items()))},
    "networks.oft_flux": "flux_train_network.py",
}
_EASY = "LoRA_Easy_Training_Scripts"
#: it derives a flag from these, or handles them itself
_EASY_ONLY = frozenset({"warmup_ratio", "tag_occurrence", "save_toml"})


def looks_like_config(values: Mapping[str, Any]) -> bool:
    """Does it contain flags of a training?"""
    keys = {name for name, _ in _flags(values)}
    return bool(keys & {"pretrained_model_name_or_path", "network_module", "output_name"})


def _flags(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value; of LoRA_Easy_Training_Scripts those of `[SECTION_args.args]`."""
    for path, value in entries(values):
        if path[-1] != "args" or not isinstance(value, dict):
            yield str(path[-1]), value
            continue
        for name, inner in value.items():
            pairs = inner.items() if isinstance(inner, dict) else ()  # optimizer_args, network_args
            yield name, [f"{key}={one}" for key, one in pairs] if pairs else inner


def _tables(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """`[SECTION.name]` of every section."""
    sections = [one for one in values.values() if isinstance(one, dict)]
    return [one[name] for one in sections if isinstance(one.get(name), dict)]


def _easy_dataset(values: Mapping[str, Any]) -> dict[str, Any]:
    """`[dataset]` from `[[subsets]]` and `[SECTION_args.dataset_args]` of LoRA_Easy_Training_Scripts."""
    found = values.get("subsets")
    subsets = (
        [dict(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    )
    for one in subsets:
        one.pop("name", None)
    settings = ChainMap(*reversed(_tables(values, "dataset_args")))
    return {"datasets": [{**settings, "subsets": subsets}]}


def read_sd_toml(text: str, source: str, folder: Path, where: Context) -> Draft:
    """`folder`: where relative paths start. Raises ImportRefused."""
    try:
        values = parse_toml(text, parse_float=Number)
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused(str(syntax_problem(source, text, error))) from None
    if "datasets" in values:
        raise ImportRefused(
            f"{source} is a dataset config, not a training; keep it and set it as dataset_config "
            "in [train] of plasma.toml"
        )
    if isinstance(values.get("trainer"), dict):
        raise ImportRefused(f"{source} is already a plasma.toml; run plasma-tui in its folder")
    if not looks_like_config(values):
        raise ImportRefused(
            f"{source} has no training flags (no pretrained_model_name_or_path); use a file for "
            "--config_file"
        )
    told, easy = FlagWords(), bool(_tables(values, "args"))
    for name, value in _flags(values):
        default = name in OF_THE_GUI or (name == "max_token_length" and value == 75)
        if easy and name in ("sdxl", "subsets", "train_mode", "dataset_args"):
            continue
        if easy and name in _EASY_ONLY:
            told.unmapped.append(f"{name} = {value}: a setting of {_EASY} only")
        elif not default and value is not False and value != []:
            _put(told, name, value)
    script = _SCRIPT_OF_NETWORK.get(str(told.flags.get("network_module")), "train_network.py")
    more: dict[str, Any] = {}
    if easy:
        script = "sdxl_train_network.py" if dict(_flags(values)).get("sdxl") else script
        told.flags["dataset_config"] = str(where.project / "dataset.toml")
        more["dataset"] = _easy_dataset(parse_toml(text))
        told.notes.append(f"{source} is a configuration of {_EASY}")
    told.notes += [
        f"{source} does not set its script: using {script}"
        + ("" if easy else "; change [trainer] script for SDXL"),
        f"relative paths start at {folder}",
    ]
    return draft_of(told, source, folder, where.found, script=script, **more)


def _put(told: FlagWords, name: str, value: Any) -> None:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, bool | int | str) or (isinstance(item, bool) and item is not value):
            told.unmapped.append(f"{name} = {value}: {kind(item)} cannot be a flag")
            return
    told.put(name, [] if value is True else list(map(str, items)), f"{name} = {value}")
