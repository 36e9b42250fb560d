"""A TOML for sd-scripts' `--config_file` as a draft of plasma.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.config.positions import syntax_problem
from runner.config.reading import kind
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.config_file import entries
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.flag_words import flag_value, unwritable
from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused, with_paths

#: keys that kohya_ss adds for itself
_OF_THE_GUI = frozenset({"epoch", "noise_offset_type", "stop_text_encoder_training"})
#: a network that only one script can train
_SCRIPT_OF_NETWORK = {
    "networks.lora_flux": "flux_train_network.py",
    "networks.oft_flux": "flux_train_network.py",
    "networks.lora_sd3": "sd3_train_network.py",
    "networks.lora_lumina": "lumina_train_network.py",
    "networks.lora_hunyuan_image": "hunyuan_image_train_network.py",
    "networks.lora_anima": "anima_train_network.py",
}


class _Number(str):
    """A TOML float in its own words: 1e-4 must not come back as 0.0001."""

    __slots__ = ()


def looks_like_config(values: Mapping[str, Any]) -> bool:
    """Does it hold flags of a training?"""
    keys = {str(path[-1]) for path, _ in entries(values)}
    return bool(keys & {"pretrained_model_name_or_path", "network_module", "output_name"})


def read_sd_toml(text: str, *, source: str, folder: Path, found: Found) -> Draft:
    """`folder`: where relative paths of the file are looked for. Raises ImportRefused."""
    try:
        values = parse_toml(text, parse_float=_Number)
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused(str(syntax_problem(source, text, error))) from None
    if "datasets" in values:
        raise ImportRefused(
            f"{source} is a dataset config, not a training; leave it where it is and name it as "
            "dataset_config in [train] of plasma.toml"
        )
    if "trainer" in values and isinstance(values["trainer"], dict):
        raise ImportRefused(f"{source} is a plasma.toml already; give its folder to plasma-tui")
    if not looks_like_config(values):
        raise ImportRefused(
            f"{source} holds no flags of a training (no pretrained_model_name_or_path); give a file "
            "made for --config_file"
        )
    return _draft(values, source, folder, found)


def _draft(values: Mapping[str, Any], source: str, folder: Path, found: Found) -> Draft:
    flags: dict[str, FlagValue] = {}
    unmapped: list[str] = []
    for path, value in entries(values):
        name = str(path[-1])
        if name in _OF_THE_GUI or (name == "max_token_length" and value == 75):
            continue
        if value is False or value == []:
            continue
        refusal = _refusal(name, value)
        if refusal:
            unmapped.append(f"{name} = {value}: {refusal}")
        else:
            flags[name] = _value(name, value)
    checkout = found.sd_scripts[0].path if found.sd_scripts else None
    python = found.python_for(checkout)
    network = flags.get("network_module")
    script = _SCRIPT_OF_NETWORK.get(str(network), "train_network.py")
    notes = [
        f"{source} does not name its script: {script} is taken; change [trainer] script for SDXL"
    ]
    notes.append(f"relative paths are read from {folder}")
    return Draft(
        source=source,
        train=with_paths(flags, folder),
        sd_scripts=checkout,
        python=None if python is None else str(python),
        script=script,
        smoke={"max_train_steps": 5},
        unmapped=tuple(unmapped),
        notes=tuple(notes),
    )


def _refusal(name: str, value: Any) -> str | None:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, bool | int | str) or (isinstance(item, bool) and item is not value):
            return f"{kind(item)} cannot be a flag"
    return unwritable(name, [str(item) for item in items if not isinstance(item, bool)])


def _value(name: str, value: Any) -> FlagValue:
    """The text that the flag would have on a command line, as a flag's value."""
    if value is True:
        return True
    return flag_value(name, [str(item) for item in (value if isinstance(value, list) else [value])])
