"""TOML text -> values, for untrusted files."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

#: no configuration is nested this deeply; readers may recurse once per level
MOST_LEVELS = 50
TOO_DEEP = "Nested too deeply"


def parse_toml(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Raises tomllib.TOMLDecodeError, also for nesting beyond MOST_LEVELS."""
    try:
        values = tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise tomllib.TOMLDecodeError(TOO_DEEP) from None
    if is_too_deep(values):
        raise tomllib.TOMLDecodeError(TOO_DEEP)
    return values


def is_too_deep(values: Any) -> bool:
    level = _inner([values])
    for _ in range(MOST_LEVELS):
        level = [item for one in level for item in _inner(one)]
        if not level:
            return False
    return bool(level)


def _inner(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in inner if isinstance(item, dict | list)]
