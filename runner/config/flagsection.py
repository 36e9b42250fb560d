"""Flags by their own names: a section of plasma.toml, and `--set FLAG=VALUE` of our own command line."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config.catalog import FlagCatalog
from runner.config.errors import ConfigError, ConfigProblem, nearest
from runner.config.flags import FlagValue, plain_name, unpassable
from runner.config.paths import PATH_FLAGS, resolved
from runner.config.reading import Reading, Section, kind


def read_flags(
    section: Section,
    base: Path,
    known: FlagCatalog | None,
    *,
    ours: frozenset[str] = frozenset(),
) -> dict[str, FlagValue]:
    """The section's flags by plain name, paths absolute, `false` kept."""
    found: dict[str, FlagValue] = {}
    for key, raw in section.values.items():
        if key in ours:
            continue
        name = plain_name(key)
        if name in found:
            section.refuse(key, f"is given twice (as {name}); remove one of them")
            continue
        if name != key:
            section.reading.note((section.name, key), f"{section.label(key)} is read as {name}")
        value = _value(section, key, raw)
        if value is None:
            continue
        found[name] = resolved(name, value, base)
        if known is not None:
            _check(section, key, name, value, known)
    return found


def _check(section: Section, key: str, name: str, value: FlagValue, known: FlagCatalog) -> None:
    if name not in known.names:
        meant = nearest(name, known.names)
        cure = f"did you mean {meant}?" if meant else "remove it"
        section.refuse(key, f"is no flag of this trainer; {cure}")
    elif problem := known.problem(name, value):
        section.refuse(key, problem)


def _value(section: Section, key: str, raw: Any) -> FlagValue | None:
    """The TOML value as a flag's; None when it was refused."""
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            if isinstance(item, bool) or not isinstance(item, int | float | str):
                section.refuse(key, f"holds {kind(item)}; a list may hold text and numbers", index)
                return None
        if word := unpassable(raw):
            section.refuse(
                key, f'holds "{word}", which the trainer would take for a flag; remove it'
            )
            return None
        return tuple(raw) or False
    if isinstance(raw, bool | int):
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            section.refuse(key, f"is {raw}; give a finite number")
            return None
        return raw
    if isinstance(raw, str):
        if not raw and plain_name(key) in PATH_FLAGS:
            section.refuse(key, "is empty; give a path or remove the line")
            return None
        return raw
    section.refuse(key, f"is {kind(raw)}; a flag is true, false, a number, text or a list")
    return None


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
        values[name.strip()] = _typed(value.strip())
    reading = Reading(PLACE, {})
    found = read_flags(Section(reading, "train", values), base, known)
    if reading.problems:
        raise ConfigError(reading.problems)
    return found


def _typed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
