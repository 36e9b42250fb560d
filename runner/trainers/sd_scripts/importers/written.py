"""Configurations that a program writes before it starts a training: their flags belong to the draft."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit

from runner.config.paths import absolute
from runner.files.toml_text import parse_toml
from runner.trainers.sd_scripts.importers.commands import is_known
from runner.trainers.sd_scripts.importers.dialects import ShellText
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.flag_dialects import Settings
from runner.trainers.sd_scripts.importers.model import Draft, Field, Number
from runner.trainers.sd_scripts.importers.sd_toml import (
    looks_like_config,
    plain,
    settings_draft,
    settings_of,
)
from runner.trainers.sd_scripts.scripts import SCRIPTS


def written_files(shell: ShellText, folder: Path) -> tuple[dict[Path, Field], list[str]]:
    """The files that the program writes, for the reader of its commands, and what stays unknown of them.
    `folder`: where its relative paths start."""
    files: dict[Path, Field] = {}
    lost: list[str] = []
    for path, content in shell.written.items():
        if isinstance(content, dict):
            clean, unmapped = _known(content)
            lost += unmapped
            content = tomlkit.dumps(plain(clean))
        if is_known(path) and is_known(content):
            files[Path(absolute(path, folder))] = Field(content)
    return files, lost


def configured(
    shell: ShellText, text: str, source: str, folder: Path, where: Context
) -> Draft | None:
    """For a program that starts no training with the values in it: the configuration that it would write.
    `text`: of the program."""
    found = [*shell.configs, *filter(None, map(_values, shell.written.values()))]
    flags: dict[str, Any] = {}
    lost: list[str] = []
    dataset: Mapping[str, Any] | None = None
    for values in found:
        if isinstance(values.get("datasets"), list):
            dataset = values
            continue
        clean, unmapped = _known(values)
        flags |= settings_of(clean).values
        lost += unmapped
    if not looks_like_config(flags):
        return None
    named = [script for script in SCRIPTS if re.search(rf"\b{re.escape(script)}", text)]
    script = next((one for one in named if one != "train_network.py"), None)
    unmapped = list(dict.fromkeys(lost))
    if dataset is not None:
        dataset, unknown = _known(dataset)
        unmapped += [f"[dataset] {text}" for text in unknown]
    settings = Settings(flags, script=script, dataset=dataset, unmapped=unmapped)
    draft = settings_draft(settings, source, folder, where)
    said = (
        "it starts no training with the values in it; the configuration that it writes is imported"
    )
    return replace(draft, notes=(said, *draft.notes))


def _values(content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        try:
            return parse_toml(content, parse_float=Number)
        except tomllib.TOMLDecodeError:
            return {}
    return content if isinstance(content, dict) else {}


def _known(values: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    """Without what is unknown or nothing, which is listed."""
    clean: dict[str, Any] = {}
    unmapped: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            clean[str(name)], lost = _known(value)
            unmapped += lost
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            parts = [_known(one) for one in value if isinstance(one, dict)]
            clean[str(name)] = [part for part, _ in parts]
            unmapped += [text for _, lost in parts for text in lost]
        elif value is None:
            continue
        elif all(map(_is_plain, value if isinstance(value, list) else [value])):
            clean[str(name)] = _numbered(value)
        else:
            unmapped.append(f"{name}: its value follows only when the program runs")
    return clean, unmapped


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and is_known(value)


def _numbered(value: Any) -> Any:
    """Floats as their texts, as they are read from a TOML."""
    if isinstance(value, list):
        return [_numbered(one) for one in value]
    return Number(value) if isinstance(value, float) else value
