"""The settings that sd-scripts wrote into a LoRA, as a draft of plasma.toml: train another one like it.

Keys: `ss_...` in train_network.py of sd-scripts main 48d368fa. Folders of the images and the base model are
only names there, so they stay to be filled in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.files.header import Broken, read_header
from runner.files.json_text import parse_json
from runner.trainers.sd_scripts.flag_table import shipped_flags
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.flag_dialects import Settings
from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused
from runner.trainers.sd_scripts.importers.sd_toml import settings_draft

#: name in the metadata, where it is not that of the flag
_RENAMED = {
    "debiased_estimation": "debiased_estimation_loss",
    "batch_size_per_device": "train_batch_size",
    "num_epochs": "max_train_epochs",
}
#: flags that follow from others, or that mean files of the other machine
_LEFT_OUT = frozenset({"max_train_steps", "initial_epoch", "initial_step"})
#: beginning of ss_base_model_version
_SCRIPTS = {
    "sdxl": "sdxl_train_network.py", "flux": "flux_train_network.py", "chroma": "flux_train_network.py",
    "sd3": "sd3_train_network.py", "lumina": "lumina_train_network.py",
    "hunyuan": "hunyuan_image_train_network.py", "anima": "anima_train_network.py",
    "sd": "train_network.py",
}  # fmt: skip


def read_lora(path: Path, where: Context) -> Draft | None:
    """None if it is no safetensors file. Raises ImportRefused, OSError."""
    try:
        header = read_header(path)[0]
    except Broken:
        return None
    metadata: Mapping[str, str] = header.get("__metadata__") or {}
    if "ss_network_module" not in metadata:
        raise ImportRefused(
            f"{path} holds no settings of a training with sd-scripts; use the script or "
            "configuration that it was trained with"
        )
    given = {name[3:]: value for name, value in metadata.items() if name.startswith("ss_")}
    settings = _settings(given)
    settings.values["output_dir"] = str(where.project / "output")
    draft = settings_draft(settings, str(path), where.project, where)
    missing = {}
    if model := given.get("sd_model_name"):
        missing["pretrained_model_name_or_path"] = (
            f"the base model; this LoRA was trained on {model}"
        )
    missing["dataset_config"] = f"the dataset TOML{_images(given.get('dataset_dirs', ''))}"
    note = "the settings in the metadata of this LoRA; what it lacks has the trainer's default"
    return replace(draft, missing=missing, notes=(note, *draft.notes))


def _settings(given: Mapping[str, str]) -> Settings:
    version = given.get("base_model_version", "")
    script = next((one for start, one in _SCRIPTS.items() if version.startswith(start)), None)
    known = shipped_flags(script or "train_network.py").names
    values: dict[str, Any] = {}
    for name, text in given.items():
        flag = _RENAMED.get(name, name)
        if flag in known and flag not in _LEFT_OUT and text not in ("None", "False", "null"):
            values[flag] = _value(flag, text)
    if match := re.fullmatch(r"([\w.]+)(?:\((.*)\))?", given.get("optimizer", ""), re.S):
        values["optimizer_type"] = match[1].rpartition(".")[2]
        values["optimizer_args"] = _arguments(match[2] or "")
    if isinstance(arguments := _json(given.get("network_args", "")), dict):
        values["network_args"] = [f"{name}={value}" for name, value in arguments.items()]
    return Settings(values, script=script)


def _value(flag: str, text: str) -> Any:
    """`True`, `(512, 512)`, `[1e-05, 1e-05]`, or the text."""
    if text == "True":
        return True
    if flag == "resolution":
        return text.strip("()[]").replace(" ", "")
    if text.startswith("["):
        return [one.strip() for one in text.strip("[]").split(",") if one.strip()]
    return text


def _arguments(text: str) -> list[str]:
    """`a=1,b=(0.9, 0.99)` as written for --optimizer_args."""
    try:
        tree = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return []
    words = tree.keywords if isinstance(tree, ast.Call) else []
    return [f"{one.arg}={ast.unparse(one.value).replace(' ', '')}" for one in words if one.arg]


def _images(text: str) -> str:
    """The image folders, by name."""
    folders = _json(text)
    if not isinstance(folders, dict):
        return ""
    shown = [
        f"{name} ({one.get('img_count')} images, {one.get('n_repeats')} repeats)"
        for name, one in folders.items()
        if isinstance(one, dict)
    ]
    return f"; it was trained on {', '.join(shown[:5])}" if shown else ""


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None
