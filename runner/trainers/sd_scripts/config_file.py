"""The TOML that sd-scripts reads by its own `--config_file`: the flags in it, and what is wrong with them.

sd-scripts main 48d368fa (`read_config_from_file` in train_util.py): `.toml` is appended when it is missing,
one level of sections is taken off, the command line wins. No name, type or choice is checked there, so a typo
is silently ignored and a wrong type breaks the training much later. Here it is a sentence with its line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.catalog import Catalog, Flag
from runner.config.errors import ConfigError, ConfigProblem, kind
from runner.config.flags import FlagValue, read_flags
from runner.config.positions import KeyPath, key_lines, read_toml
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml
from runner.model import AttemptPlan


def config_file_path(value: str) -> Path:
    """The file that `--config_file VALUE` reads: sd-scripts adds .toml if missing."""
    return Path(value if value.endswith(".toml") else f"{value}.toml")


def entries(values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Key and value as read by sd-scripts: sections are flattened."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (((key, inner), item) for inner, item in value.items())
        else:
            yield (key,), value


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """`values`: the flags by name; `problem`: why it cannot be read."""

    path: Path
    values: dict[str, FlagValue] = field(default_factory=dict)
    problem: str | None = None
    missing: bool = False


def read_train_config(name: str, base: Path) -> TrainConfig:
    """`name` as given to --config_file; relative to `base`, the trainer's working folder."""
    path = base / config_file_path(name)
    try:
        loaded = parse_toml(read_text(path))
    except FileNotFoundError:
        return TrainConfig(path, problem="file not found", missing=True)
    except OSError as error:
        return TrainConfig(path, problem=error.strerror or str(error))
    except UnicodeDecodeError:
        return TrainConfig(path, problem="it is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        return TrainConfig(path, problem=f"not valid TOML: {error}")
    flat = {str(keys[-1]): value for keys, value in entries(loaded)}
    return TrainConfig(path, {k: _flag(v) for k, v in flat.items() if not isinstance(v, dict)})


def _flag(value: Any) -> FlagValue:
    if isinstance(value, list):
        return tuple(item if isinstance(item, int | float | str) else str(item) for item in value)
    return value if isinstance(value, bool | int | float | str) else str(value)


@dataclass(frozen=True, slots=True)
class TrainerFlags:
    """`values`: all flags by name; `origins`: the name of the file, for flags that are only there; `problem`:
    why the file could not be read, one sentence."""

    values: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def trainer_flags(command: Mapping[str, Any], base_dir: Path) -> TrainerFlags:
    """`command`: the flags of the command line, without those not given; `base_dir`: the
    trainer's working directory."""
    name = command.get("config_file")
    if not isinstance(name, str) or not name:
        return TrainerFlags(command)
    read = read_train_config(name, base_dir)
    if read.problem is not None:
        return TrainerFlags(command, problem=f"{read.path}: {read.problem}: correct config_file")
    beside = {key: value for key, value in read.values.items() if key not in command}
    return TrainerFlags({**beside, **command}, dict.fromkeys(beside, read.path.name))


def effective_flags(plan: AttemptPlan) -> dict[str, Any]:
    """All flags that the trainer sees, those of its --config_file included; False ones left out."""
    read = trainer_flags(read_flags(plan.command), Path(plan.cwd))
    return {name: value for name, value in read.values.items() if value not in (False, None)}


#: kohya_ss writes these into every such file: no script has such a flag, or (with a value) no script accepts
#: this value on its command line and it is what happens without it
_OF_THE_GUI: Mapping[str, Any] = {
    "epoch": None,
    "noise_offset_type": None,
    "stop_text_encoder_training": None,
    "dynamo_backend": "no",
    "max_token_length": 75,
}


def of_the_gui(key: str, value: Any) -> bool:
    """Does this entry belong to the window of kohya_ss, not to the trainer?"""
    return key in _OF_THE_GUI and _OF_THE_GUI[key] in (None, value)


def config_file_problems(path: Path, catalog: Catalog) -> tuple[ConfigProblem, ...]:
    """All problems of the file, by line. Never raises."""
    file = str(path)
    try:
        text, values = read_toml(path, "correct config_file")
    except ConfigError as error:
        return error.problems
    lines = key_lines(text)
    found = [
        ConfigProblem(file, lines.get(path_of_key), said)
        for path_of_key, value in entries(values)
        if (said := _problem(str(path_of_key[-1]), value, catalog))
    ]
    return tuple(sorted(found, key=lambda problem: problem.line or 0))


def _problem(key: str, value: Any, catalog: Catalog) -> str | None:
    if of_the_gui(key, value) or (key, value) == ("persistent_data_loader_workers", 1):
        return None  # kohya_ss writes the latter for true, and the trainer takes it as such
    flag = catalog.get(key)
    if flag is None:
        return (
            f"{key} is not a flag of this trainer, which silently ignores it; {catalog.cure(key)}"
        )
    said = _value_problem(flag, value)
    return f"{key} {said}" if said else None


def _value_problem(flag: Flag, value: Any) -> str | None:
    """The value is passed on unchanged, so its TOML type must be the flag's."""
    if flag.bare:
        return None if isinstance(value, bool) else f"is {kind(value)}; write true or false"
    if flag.many:
        if not isinstance(value, list):
            return f'is {kind(value)}; write a list: ["...", "..."]'
        return next((said for item in value if (said := _scalar_problem(flag, item))), None)
    if isinstance(value, list):
        return "is a list; it must be one value"
    if value is False and flag.default in (None, False):
        return None  # the same as leaving it out
    return _scalar_problem(flag, value)


def _scalar_problem(flag: Flag, value: Any) -> str | None:
    wanted, words = _TYPES.get(flag.kind or "", ((bool, int, float, str), ""))
    if not isinstance(value, wanted) or (isinstance(value, bool) and words):
        cure = "; remove the quotes" if isinstance(value, str) else ""
        return f"is {kind(value)}; it must be {words}{cure}"
    if flag.choices is not None and words and value not in flag.choices:
        return f'is "{value}"; choose one of {", ".join(map(str, flag.choices))}'
    return None


#: TOML types of a value, by the name of its flag's argparse type
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "int_or_float": ((int, float), "a number"),
    "str": ((str,), "text in quotes"),
}
