"""Command line flags by their own names: what a value may be, and how it is written for argparse.

`true` is a bare flag, `false` leaves it out, a list is several values, a number or text is one.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.files.toml_text import parse_toml

FlagScalar = int | float | str
FlagValue = bool | int | float | str | tuple[FlagScalar, ...]
Flags = Mapping[str, FlagValue]

# argparse takes a dash for the start of the next flag unless the rest is a plain number.
_NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


def int_or_float(text: str) -> float:
    """sd-scripts' type of lr_warmup_steps, by its name there: steps, or a share of all steps: `100`, `0.1`,
    `10%`. Raises ArgumentTypeError."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        number = float(text)
        return int(text) if number >= 1 else number
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not an int or float") from error


def plain_name(name: str) -> str:
    """`--max-train-epochs` as sd-scripts spells it: `max_train_epochs`."""
    return name.lstrip("-").replace("-", "_")


def unpassable(values: Sequence[FlagScalar]) -> str | None:
    """The list value that argparse would mistake for a flag; None: all are fine."""
    if len(values) < 2:
        return None
    for value in map(str, values):
        if value.startswith("-") and not _NEGATIVE_NUMBER.match(value):
            return value
    return None


def typed_value(text: str) -> Any:
    """What is typed after `=`, as in TOML (true, 4, 1e-4, ["a", "b"]); anything else, a date too, is text."""
    text = text.strip()
    try:
        found = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = found.get("value")
    known = len(found) == 1 and isinstance(value, bool | int | float | str | list)
    return value if known else text


def to_arguments(flags: Flags) -> list[str]:
    """`--name=value`, because a value after a space may not begin with a dash; lists of several
    values as `--name a b`."""
    arguments: list[str] = []
    for name, value in flags.items():
        if isinstance(value, bool):
            arguments += [f"--{name}"] if value else []
        elif isinstance(value, tuple) and len(value) != 1:
            arguments += [f"--{name}", *map(str, value)] if value else []
        else:
            arguments.append(f"--{name}={value[0] if isinstance(value, tuple) else value}")
    return arguments


def merged(flags: Flags, changes: Flags) -> dict[str, FlagValue]:
    """`flags` with `changes` applied; `false` removes a flag."""
    result = {**flags, **changes}
    return {name: value for name, value in result.items() if value is not False}


def with_flags(command: Sequence[str], changes: Flags) -> tuple[str, ...]:
    """A recorded command line with other script flags; the launcher's stay unchanged. Raises ValueError if
    the command has no script.
    """
    split = flags_begin(command)
    kept = _without(command[split:], changes.keys())
    return (*command[:split], *kept, *to_arguments(changes))


def read_flags(command: Sequence[str]) -> dict[str, FlagValue]:
    """The script's flags of a command line that `to_arguments` wrote, by name: True for a bare one, else
    text, a tuple for a list. Raises ValueError if the command has no script."""
    return _flags_of(command[flags_begin(command) :])


def launcher_flags(command: Sequence[str]) -> dict[str, FlagValue]:
    """The same of `accelerate launch`; empty without that launcher."""
    begin, end = _launcher_words(command)
    return _flags_of(command[begin:end])


def with_launcher_flags(command: Sequence[str], changes: Flags) -> tuple[str, ...]:
    """The command with other flags of `accelerate launch`. Raises ValueError without that launcher."""
    begin, end = _launcher_words(command)
    if begin == end == 0:
        raise ValueError("the training was started without accelerate")
    kept = _without(command[begin:end], changes.keys())
    module = [word for word in kept if word == "--module"]
    options = [word for word in kept if word != "--module"]
    return (*command[:begin], *options, *to_arguments(changes), *module, *command[end:])


def _launcher_words(command: Sequence[str]) -> tuple[int, int]:
    """Where the launcher's own flags start and end; (0, 0) without a launcher."""
    if _LAUNCHER not in command:
        return 0, 0
    return command.index(_LAUNCHER) + 1, flags_begin(command) - 1


def _flags_of(words: Sequence[str]) -> dict[str, FlagValue]:
    values: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, sign, value = word[2:].partition("=")
            values[name] = [value] if sign else []
        elif name:
            values[name].append(word)
    return {n: True if not v else v[0] if len(v) == 1 else tuple(v) for n, v in values.items()}


def flags_begin(command: Sequence[str]) -> int:
    """Index of the first flag of the script: after the first `*.py` or `-m` module that is not a launcher."""
    for index, word in enumerate(command):
        if index and not word.startswith("-") and (word.endswith(".py") or word in _MODULES):
            return index + 1
    raise ValueError(f"no script in the command: {' '.join(command)}")


_MODULES = frozenset({"runner.embedded"})
_LAUNCHER = "accelerate.commands.launch"


def _without(arguments: Sequence[str], names: Iterable[str]) -> list[str]:
    doomed = {f"--{name}" for name in names}
    kept: list[str] = []
    dropping = False
    for word in arguments:
        if word.startswith("--"):
            dropping = word.partition("=")[0] in doomed
        kept += [] if dropping else [word]
    return kept


# --------------------------------------------------------------------------- numbers


def whole(flags: Mapping[str, Any], name: str) -> int | None:
    """None if the flag is not set. Text from a command line is accepted, 4.0 is not: a `--config_file` would
    pass it unchanged and crash sd-scripts. Raises ValueError with the flag's name."""
    value = flags.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | str):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"{name} is {value!r}: it must be an integer")


def at_least(flags: Mapping[str, Any], name: str, lowest: int) -> int | None:
    """The same, with a bound."""
    value = whole(flags, name)
    if value is not None and value < lowest:
        raise ValueError(f"{name} is {value}: use {lowest} or more, or remove it")
    return value


def number(flags: Mapping[str, Any], name: str) -> float | None:
    """Any number. Raises ValueError with the flag's name."""
    value = flags.get(name)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {value!r}: it must be a number") from error
