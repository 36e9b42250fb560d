"""Flags in a TOML, JSON or YAML, by sd-scripts' own names or those of a window around it, as a draft of
plasma.toml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.errors import kind
from runner.config.positions import syntax_problem
from runner.files.json_text import parse_json
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.config_file import entries, of_the_gui
from runner.trainers.sd_scripts.flag_table import lora_script_of
from runner.trainers.sd_scripts.importers.command_line import FlagWords, basename, draft_of
from runner.trainers.sd_scripts.importers.easy_toml import is_easy, read_easy
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.flag_dialects import Settings, translated
from runner.trainers.sd_scripts.importers.kohya.fields import WINDOW_FIELDS
from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused, Number, plain_text
from runner.trainers.sd_scripts.importers.other_formats import refuse_other
from runner.trainers.sd_scripts.importers.safe_yaml import YamlError, parse_yaml
from runner.trainers.sd_scripts.scripts import SCRIPTS

#: a network that only one script can train
_SCRIPT_OF_NETWORK = {
    **{script.network_module: name for name, script in reversed(list(SCRIPTS.items()))},
    "networks.oft_flux": "flux_train_network.py",
}
#: "xl" at the end of a word, and the well-known families
_SDXL_NAME = re.compile(r"xl(?![a-z])|pony|illustrious|noobai", re.I)
_SIGNS = frozenset({"pretrained_model_name_or_path", "network_module", "output_name"})


def looks_like_config(values: Mapping[str, Any]) -> bool:
    """Does it contain flags of a training?"""
    keys = {str(path[-1]) for path, _ in entries(values)}
    return is_easy(values) or bool(keys & _SIGNS) or bool(translated(values).name)


def is_flags(values: Any) -> bool:
    """Is it a JSON with flags, rather than the fields of kohya_ss?"""
    if not isinstance(values, dict) or "LoRA_type" in values:
        return False
    keys = {path[-1] for path, _ in entries(values)}
    flags = "network_module" in keys or ("network_dim" in keys and not keys & WINDOW_FIELDS)
    return is_easy(values) or bool(translated(values).name) or flags


def parse_settings(text: str, source: str, suffix: str) -> Any:
    """`suffix`: .toml, .json or .yaml. Floats keep their text. Raises ImportRefused."""
    try:
        if suffix == ".json":
            return parse_json(text, parse_float=Number)
        if suffix in (".yaml", ".yml"):
            return parse_yaml(text)
        return parse_toml(text, parse_float=Number)
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused(str(syntax_problem(source, text, error))) from None
    except json.JSONDecodeError as error:
        place = f"{source}:{error.lineno}"
        raise ImportRefused(f"{place}: not valid JSON ({error.msg}); save it again") from None
    except YamlError as error:
        raise ImportRefused(
            f"{source}:{error.line}: this YAML is not a list of settings; use a script or a "
            "--config_file TOML for sd-scripts"
        ) from None


def read_settings(values: Any, source: str, folder: Path, where: Context) -> Draft:
    """`folder`: where relative paths start. Raises ImportRefused."""
    refuse_other(values, source)
    if not isinstance(values, dict):
        raise ImportRefused(f"{source} holds no settings; use a file for --config_file")
    outside = {name: value for name, value in values.items() if name != "datasets"}
    if "datasets" in values and not looks_like_config(outside):
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
    return settings_draft(settings_of(values), source, folder, where)


def settings_of(values: Mapping[str, Any]) -> Settings:
    if is_easy(values):
        return read_easy(values)
    datasets = values.get("datasets")
    settings = translated(
        {str(path[-1]): value for path, value in entries(values) if path != ("datasets",)}
    )
    if isinstance(datasets, list):  # sd-scripts would ignore it there
        settings.dataset = {"datasets": datasets}
    return settings


def settings_draft(settings: Settings, source: str, folder: Path, where: Context) -> Draft:
    told = words_of(settings)
    if settings.name:
        told.notes.append(f"{source} is a configuration of {settings.name}")
    script = settings.script or ""
    if not script:
        script, why = _script_for(told)
        told.notes.append(f"{source} does not set its script: using {script} ({why})")
    told.notes.append(f"relative paths start at {folder}")
    files = settings.files
    for file in files:  # beside plasma.toml
        told.flags["sample_prompts"] = str(where.project / file.name)
    if settings.dataset is not None:
        told.flags["dataset_config"] = str(where.project / "dataset.toml")
    return draft_of(
        told,
        source,
        folder,
        where.found,
        script=script,
        accelerate=settings.accelerate,
        dataset=None if settings.dataset is None else plain(settings.dataset),
        files=files,
    )


def words_of(settings: Settings) -> FlagWords:
    """The settings as flags; what is empty or off is left out."""
    told, empty, foreign = FlagWords(unmapped=list(settings.unmapped)), [], list[str]()
    for name, value in settings.values.items():
        items = value if isinstance(value, list) else [value]
        if of_the_gui(name, value):
            foreign.append(name)
            continue
        if value is False:
            continue
        if all(item is None or (isinstance(item, str) and not item.strip()) for item in items):
            empty += [name] if value else []
            continue
        _put(told, name, value)
    if "noise_offset_type" in foreign:
        told.notes.append(f"saved by kohya_ss; {', '.join(foreign)}: of its window only, left out")
    if empty:
        told.notes.append(f"empty, left out: {', '.join(empty)}")
    return told


def _script_for(told: FlagWords) -> tuple[str, str]:
    module = str(told.flags.get("network_module", ""))
    if (script := _SCRIPT_OF_NETWORK.get(module)) and script != "train_network.py":
        return script, f"{module} needs it"
    if script := lora_script_of(told.flags, module):
        return script, "only it has all of these flags"
    if module in ("networks.loha", "networks.lokr"):  # they know the layers of SDXL and Anima only
        return "sdxl_train_network.py", f"{module} needs it"
    model = basename(str(told.flags.get("pretrained_model_name_or_path")))
    if _SDXL_NAME.search(model):
        return "sdxl_train_network.py", f"{model} sounds like SDXL"
    return "train_network.py", "change [trainer] script for SDXL"


def plain(value: Any) -> Any:
    """Numbers instead of their texts."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, Number) else value


def _put(told: FlagWords, name: str, value: Any) -> None:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, bool | int | str) or (isinstance(item, bool) and item is not value):
            told.unmapped.append(f"{name} = {value}: {kind(item)} cannot be a flag")
            return
    told.put(name, [] if value is True else list(map(plain_text, items)), f"{name} = {value}")
