"""A TOML given to a trainer by `--config_file`, checked with the flags of that very trainer.

sd-scripts puts every key of such a file straight into its arguments, one level of sections taken
off: no name, type or choice is checked there (main 48d368fa), so a typing error is ignored without
a word and a wrong type breaks the training much later. Here it is a sentence with its line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.config.catalog import Catalog, Flag
from runner.config.errors import ConfigProblem, nearest
from runner.config.flags import FlagScalar
from runner.config.positions import KeyPath, key_lines
from runner.config.reading import kind
from runner.config.syntax import syntax_problem
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml

#: kohya_ss writes these into every such file, although no script has a flag of the name
_OF_THE_GUI = frozenset({"epoch", "noise_offset_type", "stop_text_encoder_training"})


def config_file_path(value: str) -> Path:
    """The file that `--config_file VALUE` reads: sd-scripts adds .toml when it is not there."""
    return Path(value if value.endswith(".toml") else f"{value}.toml")


def config_file_problems(path: Path, catalog: Catalog) -> tuple[ConfigProblem, ...]:
    """All that is wrong with the file, in the order of its lines. Never raises."""
    file = str(path)
    try:
        text = read_text(path)
    except FileNotFoundError:
        return (ConfigProblem(file, None, "there is no such file; correct config_file"),)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return (ConfigProblem(file, line, "is not UTF-8; save it as UTF-8"),)
    except OSError as error:
        reason = error.strerror or str(error)
        return (ConfigProblem(file, None, f"cannot be read ({reason}); check the path"),)
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        return (syntax_problem(file, text, error),)
    lines = key_lines(text)
    found = [
        ConfigProblem(file, lines.get(path_of_key), said)
        for path_of_key, value in entries(values)
        if (said := _problem(str(path_of_key[-1]), value, catalog))
    ]
    return tuple(sorted(found, key=lambda problem: problem.line or 0))


def entries(values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Key and value as sd-scripts takes them: those of a section as if they stood at the top."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (((key, inner), item) for inner, item in value.items())
        else:
            yield (key,), value


def _problem(key: str, value: Any, catalog: Catalog) -> str | None:
    if key in _OF_THE_GUI or (key == "max_token_length" and value == 75):
        return None
    flag = catalog.get(key)
    if flag is None:
        meant = nearest(key, catalog.names)
        cure = f"did you mean {meant}?" if meant else "remove it"
        return f"{key} is no flag of this trainer, which ignores it without a word; {cure}"
    said = _value_problem(flag, value)
    return f"{key} {said}" if said else None


def _value_problem(flag: Flag, value: Any) -> str | None:
    """The value goes to the training as it is, so its TOML type must be the flag's."""
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
        return f'is "{value}"; choose one of {_listed(flag.choices)}'
    return None


def _listed(choices: tuple[FlagScalar, ...]) -> str:
    return ", ".join(map(str, choices))


_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "int_or_float": ((int, float), "a number"),
    "str": ((str,), "text in quotes"),
}
