"""Whole numbers out of flags, with a sentence for what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def whole(flags: Mapping[str, Any], name: str) -> int | None:
    """None when the flag is not given. Text as on a command line is read, 4.0 is not: a `--config_file`
    would hand it on as it is, and sd-scripts dies of it. Raises ValueError naming the flag."""
    value = flags.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | str):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"{name} is {value!r}: it must be a whole number")


def at_least(flags: Mapping[str, Any], name: str, lowest: int) -> int | None:
    """The same, with a bound."""
    value = whole(flags, name)
    if value is not None and value < lowest:
        raise ValueError(f"{name} is {value}: give {lowest} or more, or leave it out")
    return value


def number(flags: Mapping[str, Any], name: str) -> float | None:
    """Any number. Raises ValueError naming the flag."""
    value = flags.get(name)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {value!r}: it must be a number") from error
