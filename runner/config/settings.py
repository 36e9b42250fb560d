"""`--set FLAG=VALUE`: flags typed on our own command line, with the rules of plasma.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config.catalog import FlagCatalog
from runner.config.errors import ConfigError, ConfigProblem
from runner.config.flags import FlagValue
from runner.config.flagsection import read_flags
from runner.config.reading import Reading, Section

PLACE = "--set"


def read_settings(
    texts: Sequence[str], base: Path, known: FlagCatalog | None = None
) -> dict[str, FlagValue]:
    """Values as in TOML (true, 4, 1e-4, ["a", "b"]); anything else is text. Relative paths start at
    `base`, the folder of the shell. `False` means: take the flag out. Raises ConfigError."""
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            problem = f"{text!r} is no setting; write FLAG=VALUE, for example max_train_epochs=2"
            raise ConfigError([ConfigProblem(PLACE, None, problem)])
        values[name.strip()] = _value(value.strip())
    reading = Reading(PLACE, {})
    found = read_flags(Section(reading, "train", values), base, known)
    if reading.problems:
        raise ConfigError(reading.problems)
    return found


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
