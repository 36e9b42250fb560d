"""The flags that stand in a file given by sd-scripts' own --config_file.

sd-scripts main 48d368fa (train_util.read_config_from_file): `.toml` is appended when it is missing,
the tables of the file are flattened into one, the command line wins. Nothing in it is checked
there: neither names nor types nor choices.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.catalog_file import config_file_path, entries
from runner.config.flags import FlagValue
from runner.config.positions import key_lines
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """`values`: the flags by name; `lines`: the line of each; `problem`: why it cannot be read."""

    path: Path
    values: dict[str, FlagValue] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    missing: bool = False


def read_train_config(name: str, base: Path) -> TrainConfig:
    """`name` as given to --config_file; relative to `base`, the trainer's working folder."""
    path = base / config_file_path(name)
    try:
        text = read_text(path)
        loaded = parse_toml(text)
    except FileNotFoundError:
        return TrainConfig(path, problem="there is no such file", missing=True)
    except OSError as error:
        return TrainConfig(path, problem=error.strerror or str(error))
    except UnicodeDecodeError:
        return TrainConfig(path, problem="it is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        return TrainConfig(path, problem=f"no valid TOML: {error}")
    values: dict[str, FlagValue] = {}
    lines: dict[str, int] = {}
    places = key_lines(text)
    for keys, value in entries(loaded):
        if not isinstance(value, dict):
            values[str(keys[-1])] = _flag(value)
            lines[str(keys[-1])] = places.get(keys, 1)
    return TrainConfig(path, values, lines)


def _flag(value: Any) -> FlagValue:
    if isinstance(value, list):
        return tuple(item if isinstance(item, int | float | str) else str(item) for item in value)
    return value if isinstance(value, bool | int | float | str) else str(value)
